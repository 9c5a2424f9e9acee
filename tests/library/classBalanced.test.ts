import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  classBalanced,
  classWeights,
  crossEntropy,
  evaluate,
  freqWeights,
  fromCounts,
  type LawCombinator,
  LossError,
  linear,
  type Numeric,
  perToken,
  pipe,
  powerLaw,
  show,
  sum,
} from "lossmith";

/** The weight of each class under a law, from equal logits whose nll is log V in every row. */
function weights(counts: readonly number[], law: LawCombinator, step = 0): number[] {
  const logits = counts.map(() => counts.map(() => 0));
  const loss = pipe(crossEntropy, freqWeights(fromCounts(counts)), law, perToken);
  const values = evaluate(loss, { logits, labels: counts.map((_, c) => c), step }) as number[];
  return values.map((x) => x / Math.log(counts.length));
}

function expectWeights(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((w, c) => {
    expect(Math.abs(w - expected[c])).toBeLessThanOrEqual(tolerance * Math.abs(expected[c]));
  });
}

/** 1 / E, rescaled to sum to the number of classes. */
function byFormula(counts: readonly number[], beta: number): number[] {
  const inverse = counts.map((c) => (1 - beta) / (1 - beta ** c));
  const sum = inverse.reduce((a, b) => a + b, 0);
  return inverse.map((w) => (w * counts.length) / sum);
}

const countsArbitrary = fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 2, maxLength: 12 });

describe("classBalanced", () => {
  test("golden: the long-tailed counts of the paper, beta 0.999", () => {
    const counts = [5000, 3237, 2096, 1357, 878, 568, 368, 238, 154, 100];
    const published = [0.2959, 0.305908, 0.335063, 0.395711, 0.502782, 0.67799, 0.954225, 1.387085, 2.058287, 3.087047];
    weights(counts, classBalanced(0.999)).forEach((w, c) => {
      expect(Math.abs(w - published[c])).toBeLessThanOrEqual(c === 0 ? 5e-5 : 5e-7);
    });
  });

  test("is 1/E with E = (1 − beta^c) / (1 − beta), rescaled to sum to V", () => {
    fc.assert(
      fc.property(countsArbitrary, fc.double({ min: 0.01, max: 0.9999, noNaN: true }), (counts, beta) => {
        const actual = weights(counts, classBalanced(beta));
        expectWeights(actual, byFormula(counts, beta), 1e-10);
        expect(actual.reduce((a, b) => a + b, 0)).toBeCloseTo(counts.length, 10);
      }),
    );
  });

  test("beta 0 weighs every class by 1", () => {
    fc.assert(
      fc.property(countsArbitrary, (counts) => {
        expectWeights(
          weights(counts, classBalanced(0)),
          counts.map(() => 1),
          1e-12,
        );
      }),
    );
  });

  test("tends to inverse frequency as beta goes to 1", () => {
    fc.assert(
      fc.property(countsArbitrary, fc.integer({ min: 6, max: 12 }), (counts, digits) => {
        const sum = counts.reduce((total, c) => total + 1 / c, 0);
        const inverse = counts.map((c) => counts.length / c / sum);
        const distance = 10 ** -digits * Math.max(...counts);
        expectWeights(weights(counts, classBalanced(1 - 10 ** -digits)), inverse, distance + 1e-12);
      }),
    );
  });

  test("an unseen class counts as seen once", () => {
    for (const beta of [0, 0.9, 0.9999]) {
      const actual = weights([100, 0, 1], classBalanced(beta));
      expect(actual).toEqual(weights([100, 1, 1], classBalanced(beta)));
      expect(actual.every((w) => Number.isFinite(w))).toBe(true);
    }
  });

  test("takes fractional counts, and names the class whose weight they make infinite", () => {
    expectWeights(weights([100, 0.25], classBalanced(0.9)), byFormula([100, 0.25], 0.9), 1e-10);
    // 0.1 tokens at this beta are fewer than float64 can tell from none.
    const law = classBalanced(1 - Number.EPSILON / 2);
    expect(() => weights([100, 0.1], law)).toThrow("the weight of id 1 is NaN");
  });

  test("reads the raw counts, whatever laws came before", () => {
    const counts = [100, 10, 1];
    const base = pipe(crossEntropy, freqWeights(fromCounts(counts), { as: "relative" }), powerLaw(1));
    const batch = { logits: [[0, 0, 0]], labels: [0] };
    expect(evaluate(pipe(base, classBalanced(0.9), perToken), batch)).toEqual(
      evaluate(pipe(crossEntropy, freqWeights(fromCounts(counts)), classBalanced(0.9), perToken), batch),
    );
  });

  test("takes a schedule, from uniform weights towards inverse frequency", () => {
    const law = classBalanced(linear({ init: 0, end: 0.9, steps: 10 }));
    expectWeights(weights([100, 10, 1], law, 0), [1, 1, 1], 1e-12);
    expectWeights(weights([100, 10, 1], law, 5), byFormula([100, 10, 1], 0.45), 1e-12);
  });

  test("refuses a beta outside of [0, 1), from a schedule too", () => {
    for (const beta of [-0.1, 1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => classBalanced(beta)).toThrow(`classBalanced(beta): got ${beta}. Give a number from 0 to 0.999`);
    }
    expect(() => classBalanced("most" as unknown as Numeric)).toThrow(LossError);
    const law = classBalanced(linear({ init: 0, end: 1, steps: 10 }));
    expect(() => weights([2, 1], law, 10)).toThrow("classBalanced(beta): got 1");
  });

  test("shows its formula", () => {
    const inverse = "1 / (1 − 0.5^(0 < count(c) ? count(c) : 1))";
    expect(show(pipe(crossEntropy, freqWeights(fromCounts([2, 1])), classBalanced(0.5), sum))).toBe(
      `loss = Σ_i w(y) · nll(y)\nw(c) = ${inverse} · V / Σ_c(${inverse}), with f = freqWeights`,
    );
  });

  test("refuses a field without counts", () => {
    expect(() => pipe(crossEntropy, classWeights([1, 2]), classBalanced(0.9))).toThrow(
      "classBalanced(0.9): it reads raw counts, and the field classWeights has none",
    );
    const counted = pipe(crossEntropy, classWeights([1, 2], { counts: [2, 1] }), classBalanced(0.5), perToken);
    expectWeights(
      (
        evaluate(counted, {
          logits: [
            [0, 0],
            [0, 0],
          ],
          labels: [0, 1],
        }) as number[]
      ).map((x) => x / Math.log(2)),
      [0.8, 1.2],
      1e-12,
    );
  });
});
