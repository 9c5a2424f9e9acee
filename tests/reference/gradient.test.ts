import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type crossEntropy, evaluate, evaluateGradient, LossError } from "lossmith";
import { casesOfLogits } from "../support/arbitraries.ts";
import { flat } from "../support/numbers.ts";

const add = (nested: unknown, index: number, change: number): unknown => {
  let position = -1;
  const visit = (level: unknown): unknown => {
    if (Array.isArray(level)) return level.map(visit);
    position++;
    return position === index ? (level as number) + change : level;
  };
  return visit(nested);
};

describe("evaluateGradient", () => {
  test("agrees with central finite differences of evaluate", () => {
    fc.assert(
      fc.property(casesOfLogits, fc.nat(), ({ composition: { steps, loss }, batch: { plain } }, position) => {
        // What is detached is a constant to the gradient alone, and a choice of rows jumps where two of them tie.
        if (/dft|mixCE|mile|superLoss of|highest|tokenSelection/.test(steps.join())) return;
        const size = flat(plain.logits).length;
        if (size === 0) return;
        const index = position % size;
        const h = 1e-5;
        const at = (change: number): number =>
          evaluate(loss as typeof crossEntropy, { ...plain, logits: add(plain.logits, index, change) as never });
        try {
          const difference = (at(h) - at(-h)) / (2 * h);
          const size1 = Math.max(1, Math.abs(at(0)));
          expect(Math.abs(flat(evaluateGradient(loss, plain))[index] - difference)).toBeLessThanOrEqual(1e-7 * size1);
        } catch (error) {
          if (!(error instanceof LossError)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});
