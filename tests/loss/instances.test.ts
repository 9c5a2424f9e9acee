/** The laws of the fp-ts instances at random points, to 1e-12 relative. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { concatAll, type Monoid } from "fp-ts/lib/Monoid.js";
import {
  type AnyLoss,
  addSchedules,
  at,
  classBalanced,
  clip,
  constant,
  cosine,
  crossEntropy,
  evaluate,
  exponential,
  exponentialDecay,
  face,
  freqWeights,
  fromCounts,
  ignoreIndex,
  type LawCombinator,
  type Loss,
  LossError,
  labelSmoothing,
  lawMonoid,
  linear,
  lossEq,
  lossMonoid,
  lossShow,
  mean,
  multiplySchedules,
  normalise,
  override,
  type PlainBatch,
  perToken,
  piecewiseConstant,
  pipe,
  powerLaw,
  ramp,
  type Schedule,
  scale,
  scheduleRing,
  show,
  sum,
  weightedMean,
} from "lossmith";
import { law } from "../../lib/loss/combinator.ts";
import { evaluateField } from "../../lib/loss/field.ts";
import { compositions } from "../support/arbitraries.ts";
import { weightLaws } from "../support/weightLaws.ts";

const classes = 4;

/** Numbers of two digits: sums and products of them say where they went wrong. */
const tenths = (min: number, max: number): fc.Arbitrary<number> =>
  fc.integer({ min: min * 10, max: max * 10 }).map((n) => n / 10);

const each = <T>(entry: fc.Arbitrary<T>, length: number): fc.Arbitrary<T[]> =>
  fc.array(entry, { minLength: length, maxLength: length });

const steps = fc.integer({ min: 1, max: 20 });
const times = fc.integer({ min: 0, max: 30 });

const schedules: fc.Arbitrary<Schedule> = fc.letrec<{ schedule: Schedule }>((tie) => ({
  schedule: fc.oneof(
    { depthSize: "small" },
    tenths(-2, 2).map(constant),
    fc.record({ init: tenths(-2, 2), end: tenths(-2, 2), steps }).map(linear),
    fc.record({ init: tenths(-2, 2), steps, alpha: tenths(0, 1) }).map(cosine),
    fc.record({ init: tenths(-2, 2), steps, rate: tenths(0, 1), staircase: fc.boolean() }).map(exponential),
    fc.tuple(tenths(-2, 2), tenths(0, 2), steps).map(([init, factor, t]) => piecewiseConstant(init, { [t]: factor })),
    fc.tuple(tie("schedule"), tie("schedule")).map(([a, b]) => addSchedules(a, b)),
  ),
})).schedule;

const laws: fc.Arbitrary<LawCombinator> = fc.oneof(
  tenths(0, 1).map((alpha) => powerLaw(alpha)),
  fc.record({ init: tenths(0, 1), end: tenths(0, 1), steps }).map((options) => powerLaw(linear(options))),
  tenths(0, 1).map((lambda) => exponentialDecay(lambda / 100)),
  tenths(0, 1).map((lo) => clip(lo, lo + 2)),
  tenths(0, 1).map(ramp),
  tenths(0, 0.9).map(classBalanced),
  fc.constantFrom<"tokenMean" | "typeMean" | "max">("tokenMean", "typeMean", "max").map(normalise),
  // FACE weighs by 0, and has no weights where all counts are equal.
  fc.constantFrom(...Object.values(weightLaws).flatMap(({ law }) => (law === face ? [] : [law]))),
  fc.constant(lawMonoid.empty),
);

const fields = each(fc.integer({ min: 1, max: 500 }), classes).map((counts) => freqWeights(fromCounts(counts)));

const weighted = fields.map((field) => pipe(crossEntropy, field));

type Sum = (typeof lossMonoid)["empty"];

const losses: fc.Arbitrary<Sum> = fc.oneof(
  fc.constant(crossEntropy),
  fc.constant(lossMonoid.empty),
  tenths(0, 0.9).map((e) => pipe(crossEntropy, labelSmoothing(e), mean)),
  fc.tuple(weighted, laws).map(([loss, l]) => l(loss)),
  fc
    .tuple(weighted, laws, fc.constantFrom(sum, mean, weightedMean))
    .map(([loss, l, reduction]) => pipe(loss, l, reduction)),
  fc.tuple(weighted, schedules).map(([loss, factor]) => pipe(loss, scale(factor))),
);

const batches: fc.Arbitrary<PlainBatch> = fc.integer({ min: 0, max: 4 }).chain((rows) =>
  fc.record({
    logits: each(each(tenths(-5, 5), classes), rows),
    labels: each(fc.nat({ max: classes - 1 }), rows),
    step: times,
  }),
);

/** Equal up to 1e-12 of `size`. */
function expectNear(actual: number, expected: number, size: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-12 * size);
}

/** The sizes of the terms' values, so that terms that cancel are compared by their own digits. */
function sizeOf(loss: Sum, batch: PlainBatch): number {
  return loss.terms.reduce((size, term) => size + Math.abs(evaluate({ ...loss, terms: [term] }, batch)), 0);
}

function expectSameLoss(left: Sum, right: Sum, batch: PlainBatch): void {
  expectNear(evaluate(left, batch), evaluate(right, batch), sizeOf(right, batch));
}

/** The weights of the classes, from equal logits: nll is log V in every row. */
function weightsOf(loss: Loss<"logits", "with a weight field">, step: number): number[] {
  const rows = Array.from({ length: classes }, (_, c) => c);
  const batch = { logits: rows.map(() => rows.map(() => 0)), labels: rows, step };
  return evaluate(pipe(loss, perToken), batch) as number[];
}

function expectSameLaw(
  left: LawCombinator,
  right: LawCombinator,
  on: Loss<"logits", "with a weight field">,
  t: number,
) {
  const expected = weightsOf(right(on), t);
  weightsOf(left(on), t).forEach((w, c) => {
    expectNear(w, expected[c], expected[c]);
  });
}

describe("lossMonoid", () => {
  const { concat, empty }: Monoid<Sum> = lossMonoid;

  test("is associative, with the empty loss as its unit", () => {
    fc.assert(
      fc.property(losses, losses, losses, batches, (a, b, c, on) => {
        expectSameLoss(concat(concat(a, b), c), concat(a, concat(b, c)), on);
        expectSameLoss(concat(empty, a), a, on);
        expectSameLoss(concat(a, empty), a, on);
      }),
    );
  });

  test("is commutative", () => {
    fc.assert(fc.property(losses, losses, batches, (a, b, on) => expectSameLoss(concat(a, b), concat(b, a), on)));
  });

  test("concatAll adds the values of losses", () => {
    fc.assert(
      fc.property(fc.array(losses, { maxLength: 4 }), batches, (list, on) => {
        const whole = concatAll(lossMonoid)(list);
        const total = list.reduce((value, loss) => value + evaluate(loss, on), 0);
        expectNear(evaluate(whole, on), total, sizeOf(whole, on));
      }),
    );
    expect(evaluate(concatAll(lossMonoid)([]), { logits: [[0, 0]], labels: [0] })).toBe(0);
  });
});

describe("lawMonoid", () => {
  const { concat, empty } = lawMonoid;

  test("is associative, with a unit", () => {
    fc.assert(
      fc.property(laws, laws, laws, weighted, times, (f, g, h, on, t) => {
        expectSameLaw(concat(concat(f, g), h), concat(f, concat(g, h)), on, t);
        expectSameLaw(concat(empty, f), f, on, t);
        expectSameLaw(concat(f, empty), f, on, t);
      }),
    );
  });

  test("acts on losses: concat(f, g)(loss) is g(f(loss)), and empty(loss) is loss", () => {
    fc.assert(
      fc.property(laws, laws, weighted, (f, g, on) => {
        expect(concat(f, g)(on)).toEqual(g(f(on)));
        expect(empty(on)).toBe(on);
      }),
    );
  });

  test("gives its law as one law, too", () => {
    fc.assert(
      fc.property(fc.array(laws, { maxLength: 4 }), weighted, times, (list, on, t) => {
        const whole = concatAll(lawMonoid)(list);
        expectSameLaw(law(whole.law), whole, on, t);
      }),
    );
    expect(concat(powerLaw(1), clip(0.1, 1)).law.name).toBe("clip(0.1, 1) ∘ powerLaw(1)");
  });

  test("is not commutative: order is meaning", () => {
    const on = pipe(crossEntropy, freqWeights(fromCounts([8, 4, 2, 1])));
    const [f, g] = [powerLaw(1), clip(2, 5)];
    expect(weightsOf(concat(f, g)(on), 0)).not.toEqual(weightsOf(concat(g, f)(on), 0));
  });

  test("composes laws that refuse a loss as they do alone", () => {
    const bare = crossEntropy as unknown as Loss<"logits", "with a weight field">;
    expect(() => concat(powerLaw(1), clip(0, 1))(bare)).toThrow(LossError);
  });
});

describe("scheduleRing", () => {
  const { add, zero, mul, one, sub } = scheduleRing;
  const three = [schedules, schedules, schedules, times] as const;

  function expectSameSchedule(left: Schedule, right: Schedule, t: number, size: number): void {
    expectNear(at(left, t), at(right, t), size);
  }

  /** Larger than any sum or product of two or three of the values. */
  const sizeAt = (t: number, ...of: readonly Schedule[]): number =>
    of.reduce((size, schedule) => size * (1 + Math.abs(at(schedule, t))), 1);

  test("add is a commutative group", () => {
    fc.assert(
      fc.property(...three, (a, b, c, t) => {
        const size = sizeAt(t, a, b, c);
        expectSameSchedule(add(add(a, b), c), add(a, add(b, c)), t, size);
        expectSameSchedule(add(a, b), add(b, a), t, size);
        expectSameSchedule(add(a, zero), a, t, size);
        expectSameSchedule(add(zero, a), a, t, size);
        expectSameSchedule(add(sub(a, b), b), a, t, size);
        expectSameSchedule(add(sub(zero, a), a), zero, t, size);
        expectSameSchedule(sub(a, a), zero, t, size);
      }),
    );
  });

  test("mul is a commutative monoid that distributes over add", () => {
    fc.assert(
      fc.property(...three, (a, b, c, t) => {
        const size = sizeAt(t, a, b, c);
        expectSameSchedule(mul(mul(a, b), c), mul(a, mul(b, c)), t, size);
        expectSameSchedule(mul(a, b), mul(b, a), t, size);
        expectSameSchedule(mul(a, one), a, t, size);
        expectSameSchedule(mul(one, a), a, t, size);
        expectSameSchedule(mul(a, zero), zero, t, size);
        expectSameSchedule(mul(a, add(b, c)), add(mul(a, b), mul(a, c)), t, size);
        expectSameSchedule(mul(add(a, b), c), add(mul(a, c), mul(b, c)), t, size);
      }),
    );
  });

  test("at is a homomorphism to the numbers", () => {
    fc.assert(
      fc.property(schedules, schedules, times, (a, b, t) => {
        expectNear(at(addSchedules(a, b), t), at(a, t) + at(b, t), 0);
        expectNear(at(multiplySchedules(a, b), t), at(a, t) * at(b, t), 0);
        expectNear(at(sub(a, b), t), at(a, t) - at(b, t), 0);
      }),
    );
  });

  test("lifts plain numbers, and refuses what is neither number nor schedule", () => {
    expect(at(addSchedules(2, multiplySchedules(3, linear({ init: 0, end: 1, steps: 2 }))), 1)).toBe(3.5);
    expect(() => addSchedules(Number.NaN, 1)).toThrow("addSchedules(left): got NaN. Give a finite number.");
    expect(() => multiplySchedules(1, null as never)).toThrow("multiplySchedules(right): got null");
  });

  test("scales a loss by its value", () => {
    fc.assert(
      fc.property(schedules, schedules, batches, (a, b, on) => {
        const apart = lossMonoid.concat(pipe(crossEntropy, scale(a)), pipe(crossEntropy, scale(b)));
        expectSameLoss(pipe(crossEntropy, scale(add(a, b))), apart, on);
      }),
    );
  });
});

describe("lossShow", () => {
  test("is show, and the same for losses that were composed in the same way", () => {
    fc.assert(
      fc.property(losses, (loss) => {
        expect(lossShow.show(loss)).toBe(show(loss));
      }),
    );
    const built = (): Sum => pipe(crossEntropy, freqWeights(fromCounts([2, 1])), powerLaw(0.5), sum);
    expect(lossShow.show(built())).toBe(lossShow.show(built()));
  });
});

describe("lossEq", () => {
  const some = compositions(4, 1).map(({ loss }) => loss);
  const plus = (a: AnyLoss, b: AnyLoss): AnyLoss => lossMonoid.concat(a as never, b as never);
  const { equals } = lossEq;

  test("is reflexive on losses that were composed apart, symmetric, and sees the order of addition through", () => {
    fc.assert(
      fc.property(some, some, some, (a, b, c) => {
        expect(equals(a, structuredClone(a))).toBe(true);
        expect(equals(a, b)).toBe(equals(b, a));
        expect(equals(plus(a, b), plus(b, a))).toBe(true);
        expect(equals(plus(plus(a, b), c), plus(a, plus(b, c)))).toBe(true);
      }),
    );
  });

  test("tells losses apart that differ in a number, a reduction, an ignored label or the order of a law", () => {
    const base = pipe(crossEntropy, freqWeights(fromCounts([3, 2, 1])), powerLaw(0.5));
    const others: AnyLoss[] = [
      pipe(crossEntropy, freqWeights(fromCounts([3, 2, 1])), powerLaw(0.25)),
      pipe(crossEntropy, freqWeights(fromCounts([3, 2, 2])), powerLaw(0.5)),
      pipe(base, sum),
      pipe(base, ignoreIndex(1)),
      pipe(base, clip(0.1, 1)),
      pipe(crossEntropy, freqWeights(fromCounts([3, 2, 1])), clip(0.1, 1), powerLaw(0.5)),
    ];
    const all = [base, ...others];
    for (const a of all) for (const b of all) expect(equals(a, b)).toBe(a === b);
    expect(equals(base, pipe(base, weightedMean))).toBe(true);
  });
});

test("the composite law carries an override of what came before it", () => {
  const { law } = lawMonoid.concat(clip(0.5, 2), override({ 0: 7 }));
  const field = { source: { name: "f", values: new Float64Array([9, 9]), counts: null }, laws: [law] };
  expect([...evaluateField(field, 0)]).toEqual([7, 2]);
});
