import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  classWeights,
  crossEntropy,
  evaluate,
  exponentialDecay,
  freqWeights,
  fromCounts,
  linear,
  type Numeric,
  perToken,
  pipe,
  show,
  sum,
} from "lossmith";

const equalLogits = {
  logits: [
    [0, 0],
    [0, 0],
  ],
  labels: [0, 1],
};

function weights(values: readonly number[], lambda: Numeric, step = 0): number[] {
  const loss = pipe(crossEntropy, classWeights(values), exponentialDecay(lambda), perToken);
  return (evaluate(loss, { ...equalLogits, step }) as number[]).map((x) => x / Math.log(2));
}

describe("exponentialDecay", () => {
  test("is exp(−lambda f)", () => {
    const number = fc.double({ min: 0, max: 20, noNaN: true });
    fc.assert(
      fc.property(number, number, number, (a, b, lambda) => {
        weights([a, b], lambda).forEach((w, c) => {
          const expected = Math.exp(-lambda * [a, b][c]);
          expect(Math.abs(w - expected)).toBeLessThanOrEqual(1e-12 * expected);
        });
      }),
    );
  });

  test("at lambda 0 is the unweighted loss", () => {
    expect(weights([3, 100], 0)).toEqual([1, 1]);
  });

  test("acts on frequencies", () => {
    const loss = pipe(crossEntropy, freqWeights(fromCounts([3, 1]), { as: "relative" }), exponentialDecay(2), sum);
    expect(evaluate(loss, equalLogits)).toBeCloseTo((Math.exp(-1.5) + Math.exp(-0.5)) * Math.log(2), 12);
  });

  test("takes a schedule", () => {
    const lambda = linear({ init: 0, end: 1, steps: 10 });
    expect(weights([1, 2], lambda, 0)).toEqual([1, 1]);
    expect(weights([1, 2], lambda, 5)[1]).toBeCloseTo(Math.exp(-1), 12);
  });

  test("shows its formula", () => {
    expect(show(pipe(crossEntropy, classWeights([1, 2]), exponentialDecay(0.5), sum))).toBe(
      "loss = Σ_i w(y) · nll(y)\nw(c) = exp(−0.5 · f(c)), with f = classWeights",
    );
  });

  test("refuses a lambda that is not finite, and weights that overflow", () => {
    expect(() => exponentialDecay(Number.NaN)).toThrow("exponentialDecay(lambda): got NaN. Give a finite number.");
    expect(() => weights([1000, 1], -1)).toThrow("exponentialDecay(-1) ∘ classWeights: the weight of id 0 is Infinity");
  });
});
