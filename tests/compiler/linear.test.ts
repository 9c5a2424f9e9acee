/** The linear form: value and gradients are those of the loss on the whole logits, of which only blocks ever exist. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { backends, startBackend } from "../support/backends.ts";
import { linearAgreement, linearCases } from "../support/linearCases.ts";

for (const backend of backends) {
  describe(`the linear form, ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("agrees with the reference on random losses, shapes, blocks and layouts", async () => {
      await fc.assert(
        fc.asyncProperty(linearCases, async (one) => {
          const agreement = await linearAgreement(one);
          if ("refused" in agreement) return expect(agreement.compiled).toBe(agreement.refused);
          for (const error of Object.values(agreement)) expect(error).toBeLessThanOrEqual(2e-5);
        }),
        { numRuns: 300 },
      );
    });
  });
}
