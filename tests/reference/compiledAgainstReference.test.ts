/** Random compositions on random batches: compiled values and gradients agree with the float64 reference. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { agreementOf, reference } from "../support/agreement.ts";
import {
  batches,
  type Composition,
  cases,
  compositions,
  extremeCases,
  perTokenCases,
  type RandomBatch,
} from "../support/arbitraries.ts";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";

async function expectAgreement(composition: Composition, batch: RandomBatch, tolerance: number): Promise<void> {
  const agreement = await agreementOf({ composition, batch });
  if ("refused" in agreement) return expect(agreement.compiled).toBe(agreement.refused);
  expect(agreement.value).toBeLessThanOrEqual(tolerance);
  expect(agreement.gradient).toBeLessThanOrEqual(tolerance);
}

for (const backend of backends) {
  describe(`${backend} agrees with the reference`, () => {
    beforeAll(startBackend(backend));

    test("on random compositions of every combinator, shape and mask", async () => {
      await fc.assert(
        fc.asyncProperty(cases, ({ composition, batch }) => expectAgreement(composition, batch, 2e-5)),
        { numRuns: 400 },
      );
    });

    test("on losses that keep one number a token", async () => {
      await fc.assert(
        fc.asyncProperty(perTokenCases, ({ composition, batch }) => expectAgreement(composition, batch, 2e-5)),
        { numRuns: 100 },
      );
    });

    test("on a vocabulary of one entry, where the gradient of cross entropy is 0", async () => {
      const single = fc
        .tuple(compositions(1), batches(1))
        .map(([composition, batch]) => ({ composition, batch, expected: reference(composition, batch) }));
      await fc.assert(
        fc.asyncProperty(single, async ({ composition: { loss }, batch, expected }) => {
          if (typeof expected === "string") return;
          const { value, gradient } = await runCompiled(loss, batch.plain, [...batch.shape, 1]);
          for (const [i, x] of [...value, ...gradient].entries()) {
            const exact = [...expected.value, ...expected.gradient][i];
            expect(Math.abs(x - exact)).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(exact)));
          }
        }),
        { numRuns: 50 },
      );
    });

    test("on logits from -1e4 to 1e4, entries of -infinity, equal logits and confident rows", async () => {
      await fc.assert(
        fc.asyncProperty(extremeCases, ({ composition, batch }) => expectAgreement(composition, batch, 2e-5)),
        { numRuns: 100 },
      );
    });
  });
}

for (const backend of gpuBackends) {
  test(`${backend} agrees with the reference on random compositions`, async () => {
    await startBackend(backend)();
    // Each composition is a program of its own for the device to compile.
    await fc.assert(
      fc.asyncProperty(cases, async ({ composition, batch }) => {
        if (typeof reference(composition, batch) !== "string") await expectAgreement(composition, batch, 2e-5);
      }),
      { numRuns: 40 },
    );
  });
}

test("a backend that the library does not know agrees with the reference, by ordinary ops", async () => {
  await behindGlass(() =>
    fc.assert(
      fc.asyncProperty(cases, async ({ composition, batch }) => {
        // Only its arithmetic is another: what is wrong in a batch is found in the same way.
        if (typeof reference(composition, batch) !== "string") await expectAgreement(composition, batch, 2e-5);
      }),
      { numRuns: 100 },
    ),
  );
});
