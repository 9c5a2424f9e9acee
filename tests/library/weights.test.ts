/** Fields and laws by their values, read off a loss whose nll is log 2 in every row. */
import { describe, expect, test } from "bun:test";
import {
  addK,
  classWeights,
  clip,
  crossEntropy,
  evaluate,
  freqWeights,
  fromCounts,
  type Loss,
  linear,
  normalise,
  override,
  perToken,
  pipe,
  powerLaw,
  ramp,
} from "lossmith";

/** The weights that a loss over two rows of two equal logits has, by class. */
function weightsOf(loss: Loss<"logits", "with a weight field">, step = 0): number[] {
  const batch = {
    logits: [
      [0, 0, Number.NEGATIVE_INFINITY],
      [0, 0, Number.NEGATIVE_INFINITY],
    ],
    labels: [0, 1],
    step,
  };
  return (evaluate(pipe(loss, perToken), batch) as number[]).map((x) => x / Math.log(2));
}

function expectWeights(loss: Loss<"logits", "with a weight field">, expected: readonly number[], step = 0): void {
  weightsOf(loss, step).forEach((weight, i) => {
    expect(weight).toBeCloseTo(expected[i], 9);
  });
}

const counted = pipe(crossEntropy, freqWeights(fromCounts([8, 0, 2])));

describe("freqWeights", () => {
  test("counts, an unseen entry counting as seen once", () => expectWeights(counted, [8, 1]));
  test("relative frequencies", () =>
    expectWeights(pipe(crossEntropy, freqWeights(fromCounts([8, 0, 2]), { as: "relative" })), [0.8, 0.1]));
  test("unseen by a count of your own", () =>
    expectWeights(pipe(crossEntropy, freqWeights(fromCounts([8, 0, 2]), { unseen: 0.5 })), [8, 0.5]));
  test('unseen: "epsilon" is the paper\'s eps^−alpha', () => {
    const field = freqWeights(fromCounts([8, 0, 2]), { unseen: "epsilon" });
    expectWeights(pipe(crossEntropy, field, powerLaw(0.5, { epsilon: 1e-4 })), [8.0001 ** -0.5, 100]);
  });
  test("after add-k nothing is unseen", () =>
    expectWeights(pipe(crossEntropy, freqWeights(addK(0.25)(fromCounts([8, 0, 2])))), [8.25, 0.25]));
});

describe("laws", () => {
  test("powerLaw", () => expectWeights(pipe(counted, powerLaw(2, { epsilon: 1 })), [1 / 81, 1 / 4]));
  test("powerLaw with a schedule", () => {
    const loss = pipe(counted, powerLaw(linear({ init: 0, end: 1, steps: 10 }), { epsilon: 0 }));
    expectWeights(loss, [1, 1], 0);
    expectWeights(loss, [8 ** -0.5, 1], 5);
    expectWeights(loss, [1 / 8, 1], 10);
  });
  test("clip", () => expectWeights(pipe(counted, clip(2, 5)), [5, 2]));
  test("ramp", () => expectWeights(pipe(counted, ramp(0.5)), [4.5, 1]));
  test('normalise("tokenMean") reads raw counts, in which unseen entries have none', () =>
    expectWeights(pipe(counted, powerLaw(1, { epsilon: 0 }), normalise("tokenMean")), [(1 / 8) * 5, 1 * 5]));
  test('normalise("typeMean")', () =>
    expectWeights(pipe(counted, normalise("typeMean")), [8 / (11 / 3), 1 / (11 / 3)]));
  test('normalise("max")', () => expectWeights(pipe(counted, normalise("max")), [1, 1 / 8]));
  test("override after the law, with a schedule too", () => {
    expectWeights(pipe(counted, powerLaw(1), override({ 1: 7, 2: 3 })), [1 / (8 + 1e-7), 7]);
    expectWeights(pipe(counted, override({ 0: linear({ init: 0, end: 4, steps: 4 }) })), [3, 1], 3);
  });
  test("order is meaning", () => {
    expectWeights(pipe(counted, clip(2, 5), powerLaw(1, { epsilon: 0 })), [1 / 5, 1 / 2]);
    expectWeights(pipe(counted, powerLaw(1, { epsilon: 0 }), clip(2, 5)), [2, 2]);
  });
  test("a law acts on the field that was attached last", () => {
    const loss = pipe(
      crossEntropy,
      classWeights([3, 4, 5]),
      freqWeights(fromCounts([8, 0, 2])),
      powerLaw(1, { epsilon: 0 }),
    );
    expectWeights(loss, [3 / 8, 4]);
  });
});
