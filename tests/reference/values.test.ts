/** Losses over values: the reference against finite differences, and compiled ones against the reference. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type AnyLoss, evaluate, evaluateGradient, type PlainValuesBatch } from "lossmith";
import { agreementOf } from "../support/agreement.ts";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";
import { flat } from "../support/numbers.ts";
import { attachedCases, type ValuesCase, valuesCases } from "../support/valuesArbitraries.ts";

const tolerance = 2e-5;

async function expectAgreement(valuesCase: ValuesCase): Promise<void> {
  const agreement = await agreementOf(valuesCase);
  if ("refused" in agreement) return expect(agreement.compiled).toBe(agreement.refused);
  expect(agreement.value).toBeLessThanOrEqual(tolerance);
  expect(agreement.gradient).toBeLessThanOrEqual(tolerance);
}

/** The sum of a loss's values as a function of a change of one prediction. */
function along(loss: AnyLoss, batch: PlainValuesBatch, index: number): (change: number) => number {
  const changed = (change: number): unknown => {
    let position = -1;
    const visit = (level: unknown): unknown => {
      if (Array.isArray(level)) return level.map(visit);
      position++;
      return position === index ? (level as number) + change : level;
    };
    return visit(batch.predictions);
  };
  return (change) => {
    const value = evaluate(loss as never, { ...batch, predictions: changed(change) } as never);
    return flat(value).reduce((a, b) => a + b, 0);
  };
}

describe("evaluateGradient", () => {
  test("agrees with finite differences of evaluate, to the change of slope around a point", () => {
    let smooth = 0;
    fc.assert(
      fc.property(attachedCases, fc.nat(), ({ composition: { loss }, batch: { plain } }, position) => {
        const size = flat(plain.predictions).length;
        if (size === 0) return;
        const index = position % size;
        const at = along(loss, plain, index);
        const h = 1e-5;
        const [before, central, after] = [-2, 0, 2].map((k) => (at((k + 1) * h) - at((k - 1) * h)) / (2 * h));
        const gradient = flat(evaluateGradient(loss, plain))[index];
        const scale = Math.max(1, Math.abs(at(0)), Math.abs(central));
        const slopes = [before, central, after];
        const change = 2 * (Math.max(...slopes) - Math.min(...slopes));
        // At the edge of a clamp the slope changes within h, and beyond 0 a rate has no logarithm.
        if (!(change <= 1e-3 * scale)) return;
        smooth++;
        expect(Math.abs(gradient - central)).toBeLessThanOrEqual(1e-6 * scale + change);
      }),
      { numRuns: 300 },
    );
    expect(smooth).toBeGreaterThan(150);
  });
});

for (const backend of backends) {
  describe(`${backend} agrees with the reference`, () => {
    beforeAll(startBackend(backend));

    test("on random compositions of every loss over values", async () => {
      await fc.assert(fc.asyncProperty(valuesCases, expectAgreement), { numRuns: 400 });
    });
  });
}

for (const backend of gpuBackends) {
  test(`${backend} agrees with the reference`, async () => {
    await startBackend(backend)();
    await fc.assert(fc.asyncProperty(valuesCases, expectAgreement), { numRuns: 40 });
  });
}

test("a backend that the library does not know agrees with the reference, by ordinary ops", async () => {
  await behindGlass(() => fc.assert(fc.asyncProperty(valuesCases, expectAgreement), { numRuns: 200 }));
});
