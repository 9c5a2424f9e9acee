/** The laws that the headers of lib/loss state, in evaluate, to 1e-12 relative. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  classWeights,
  compose,
  constant,
  crossEntropy,
  evaluate,
  freqWeights,
  fromCounts,
  ignoreIndex,
  LossError,
  labelSmoothing,
  mean,
  pipe,
  powerLaw,
  ramp,
  scale,
  sum,
  weightedMean,
} from "lossmith";
import { emptyLoss } from "../../lib/loss/loss.ts";
import { batches, type Change, compositions, type RandomBatch } from "../support/arbitraries.ts";
import { weightLaws } from "../support/weightLaws.ts";

const classes = 5;
const some = compositions(classes, 0).map(({ loss }) => loss);
const open = some.filter((loss) => loss.terms.every((term) => term.reduction === null));
const batch = batches(classes);
const fieldAndLaws: fc.Arbitrary<Change> = fc
  .record({
    counts: fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: classes, maxLength: classes }),
    alpha: fc.integer({ min: 0, max: 6 }).map((n) => n / 4),
    share: fc.integer({ min: 0, max: 4 }).map((n) => n / 4),
    law: fc.option(fc.constantFrom(...Object.values(weightLaws).map(({ law }) => law))),
  })
  .map(
    ({ counts, alpha, share, law }) =>
      compose(ramp(share), law ?? powerLaw(alpha), freqWeights(fromCounts(counts))) as unknown as Change,
  );
const factors = fc.integer({ min: 1, max: 30 }).map((n) => n / 10);
const as = (change: unknown): Change => change as Change;

function value(loss: AnyLoss, { plain }: RandomBatch): number | null {
  try {
    return evaluate(loss as typeof crossEntropy, plain);
  } catch (error) {
    if (error instanceof LossError) return null;
    throw error;
  }
}

function expectEqual(left: AnyLoss, right: AnyLoss, on: RandomBatch): void {
  const [l, r] = [value(left, on), value(right, on)];
  if (l === null || r === null) expect(l).toBe(r);
  else expect(Math.abs(l - r)).toBeLessThanOrEqual(1e-12 * Math.max(Math.abs(l), Math.abs(r)));
}

describe("losses under addition", () => {
  test("are associative and commutative, with the empty loss as unit", () => {
    fc.assert(
      fc.property(some, some, some, batch, (a, b, c, on) => {
        const plus = (x: AnyLoss, y: AnyLoss): AnyLoss => as(add(y as typeof crossEntropy))(x);
        expectEqual(plus(plus(a, b), c), plus(a, plus(b, c)), on);
        expectEqual(plus(a, b), plus(b, a), on);
        expectEqual(plus(a, emptyLoss), a, on);
        expectEqual(plus(emptyLoss, a), a, on);
      }),
    );
  });

  test("scale over sums", () => {
    fc.assert(
      fc.property(some, some, factors, batch, (a, b, s, on) => {
        const together = as(scale(s))(as(add(b as typeof crossEntropy))(a));
        const apart = as(add(as(scale(s))(b) as typeof crossEntropy))(as(scale(s))(a));
        expectEqual(together, apart, on);
      }),
    );
  });
});

describe("a field and its laws, W", () => {
  test("W(a + b) = W(a) + W(b) and W(s · a) = s · W(a)", () => {
    fc.assert(
      fc.property(fieldAndLaws, open, open, factors, batch, (w, a, b, s, on) => {
        const plus = (x: AnyLoss, y: AnyLoss): AnyLoss => as(add(y as typeof crossEntropy))(x);
        expectEqual(w(plus(a, b)), plus(w(a), w(b)), on);
        expectEqual(w(as(scale(s))(a)), as(scale(s))(w(a)), on);
      }),
    );
  });

  test("laws compose associatively, and compose is pipe the other way round", () => {
    fc.assert(
      fc.property(factors, factors, batch, (alpha, share, on) => {
        const field = freqWeights(fromCounts([1, 2, 30, 4, 500]));
        const [law, blend] = [powerLaw(alpha / 3), ramp(share / 3)];
        const piped = pipe(crossEntropy, field, law, blend);
        expectEqual(compose(blend, law, field)(crossEntropy), piped, on);
        expectEqual(compose(compose(blend, law), field)(crossEntropy), piped, on);
        expectEqual(compose(blend, compose(law, field))(crossEntropy), piped, on);
      }),
    );
  });

  test("powerLaw(0) is the unweighted loss, ramp(0) too, and ramp(1) changes nothing", () => {
    fc.assert(
      fc.property(batch, (on) => {
        const weighted = pipe(crossEntropy, freqWeights(fromCounts([1, 2, 30, 4, 500])));
        expectEqual(pipe(weighted, powerLaw(0)), crossEntropy, on);
        expectEqual(pipe(weighted, ramp(0)), crossEntropy, on);
        expectEqual(pipe(weighted, ramp(1)), weighted, on);
      }),
    );
  });
});

describe("reductions", () => {
  test("scale multiplies the numerator alone: weightedMean(scale(2)(l)) = 2 · weightedMean(l)", () => {
    fc.assert(
      fc.property(open, factors, batch, (loss, s, on) => {
        for (const reduction of [sum, mean, weightedMean]) {
          expectEqual(as(reduction)(as(scale(s))(loss)), as(scale(s))(as(reduction)(loss)), on);
        }
      }),
    );
  });

  test("a loss without a reduction is its weighted mean", () => {
    fc.assert(fc.property(open, batch, (loss, on) => expectEqual(loss, as(weightedMean)(loss), on)));
  });
});

describe("labelSmoothing", () => {
  test("0 changes nothing, and 1 does not look at the labels", () => {
    fc.assert(
      fc.property(batch, fc.nat({ max: classes - 1 }), (on, label) => {
        expectEqual(pipe(crossEntropy, labelSmoothing(0)), crossEntropy, on);
        const relabelled = { ...on, plain: { ...on.plain, labels: all(on.plain.labels, label) } } as RandomBatch;
        const whole = pipe(crossEntropy, labelSmoothing(1), sum);
        const [before, after] = [value(whole, on), value(whole, relabelled)];
        expect(Math.abs((before ?? 0) - (after ?? 1))).toBeLessThanOrEqual(1e-12 * Math.abs(before ?? 0));
      }),
    );
  });

  test("order is meaning: weights inside the smoothing differ from weights outside", () => {
    const on = { logits: [[2, 1, 0.1]], labels: [0] };
    const weights = classWeights([1, 2, 3]);
    const inside = evaluate(pipe(crossEntropy, weights, labelSmoothing(0.1), sum), on);
    const outside = evaluate(pipe(crossEntropy, labelSmoothing(0.1), weights, sum), on);
    const [a, b, c] = [0.41703002, 1.41703002, 2.31703002];
    expect(inside).toBeCloseTo(0.9 * a + (0.1 / 3) * (a + 2 * b + 3 * c), 6);
    expect(outside).toBeCloseTo(0.9 * a + (0.1 / 3) * (a + b + c), 6);
  });
});

function all(nested: unknown, label: number): unknown {
  return Array.isArray(nested) ? nested.map((inner) => all(inner, label)) : label;
}

describe("add", () => {
  test("keeps the focus of the loss that is piped in and closes the other's", () => {
    const on = { logits: [[0, 0]], labels: [0] };
    const other = pipe(crossEntropy, classWeights([100, 1]), sum);
    const loss = pipe(crossEntropy, classWeights([4, 1]), add(other), powerLaw(0.5), sum);
    expect(evaluate(loss, on)).toBeCloseTo((4 ** -0.5 + 100) * Math.log(2), 6);
  });

  test("keeps each term's own reduction", () => {
    const on = {
      logits: [
        [0, 0],
        [0, 0],
      ],
      labels: [0, 1],
    };
    const loss = pipe(crossEntropy, mean, add(pipe(crossEntropy, sum)));
    expect(evaluate(loss, on)).toBeCloseTo(3 * Math.log(2), 12);
  });

  test("ignores the labels of both losses in the whole", () => {
    const on = {
      logits: [
        [0, 0],
        [0, 0],
        [0, 0],
      ],
      labels: [0, 1, -1],
    };
    const loss = pipe(crossEntropy, ignoreIndex(1), sum, add(pipe(crossEntropy, ignoreIndex(-1), sum)));
    expect(evaluate(loss, on)).toBeCloseTo(2 * Math.log(2), 12);
  });
});

describe("schedules", () => {
  test("a constant schedule is the number", () => {
    fc.assert(
      fc.property(factors, batch, (alpha, on) => {
        const field = freqWeights(fromCounts([1, 2, 30, 4, 500]));
        expectEqual(
          pipe(crossEntropy, field, powerLaw(constant(alpha))),
          pipe(crossEntropy, field, powerLaw(alpha)),
          on,
        );
      }),
    );
  });
});
