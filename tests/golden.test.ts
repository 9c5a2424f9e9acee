/** Published numbers, and numbers reproduced with PyTorch and optax, in the reference and on every backend. */
import { beforeAll, describe, expect, test } from "bun:test";
import { evaluate } from "lossmith";
import { backends, gpuBackends, startBackend } from "./support/backends.ts";
import { runCompiled } from "./support/compiled.ts";
import { type Golden, goldenShape, goldens } from "./support/goldens.ts";
import { flat } from "./support/numbers.ts";

function expectWithin(actual: readonly number[], golden: Golden): void {
  expect(actual.length).toBe(golden.expected.length);
  golden.expected.forEach((expected, i) => {
    expect(Math.abs(actual[i] - expected)).toBeLessThanOrEqual(golden.within);
  });
}

describe("golden numbers, reference", () => {
  for (const golden of goldens) {
    test(golden.name, () => {
      expectWithin(flat(evaluate(golden.loss as never, golden.batch as never)), golden);
    });
  }
});

for (const backend of [...backends, ...gpuBackends]) {
  describe(`golden numbers, ${backend}`, () => {
    beforeAll(startBackend(backend));
    for (const golden of goldens) {
      test(golden.name, async () => {
        const { value } = await runCompiled(golden.loss, golden.batch, goldenShape(golden));
        expectWithin(value, golden);
      });
    }
  });
}
