/** Schedules against published values and against optax's formulas, written out here as functions of the step. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  at,
  constant,
  cosine,
  crossEntropy,
  evaluate,
  exponential,
  join,
  LossError,
  linear,
  type Numeric,
  piecewiseConstant,
  pipe,
  polynomial,
  type Schedule,
  scale,
  sum,
  warmupCosine,
} from "lossmith";
import { expectNear, expectValues, steps, times, within } from "../support/schedules.ts";

describe("polynomial", () => {
  test("golden: optax's 1 → 0.01, power 2, 100 steps from 5", () => {
    const schedule = polynomial({ init: 1, end: 0.01, power: 2, steps: 100, begin: 5 });
    const published = { 0: 1, 5: 1, 6: 0.9803, 104: 0.0101, 105: 0.01, 110: 0.01 };
    for (const [t, value] of Object.entries(published)) {
      expect(Math.abs(at(schedule, Number(t)) - value)).toBeLessThanOrEqual(5e-5);
    }
  });

  test("is (I − E)(1 − clip(t − B, 0, T)/T)^P + E", () => {
    fc.assert(
      fc.property(
        fc.record({ init: within(-5, 5), end: within(-5, 5), power: within(0, 4), steps, begin: fc.nat({ max: 50 }) }),
        times,
        (options, t) => {
          const { init: I, end: E, power: P, steps: T, begin: B } = options;
          const clipped = Math.min(Math.max(t - B, 0), T);
          expectNear(at(polynomial(options), t), (I - E) * (1 - clipped / T) ** P + E, 10);
        },
      ),
    );
  });

  test("of power 1 is linear, of power 0 stays at init", () => {
    fc.assert(
      fc.property(within(-5, 5), within(-5, 5), steps, times, (init, end, T, t) => {
        expect(at(polynomial({ init, end, power: 1, steps: T, begin: 7 }), t)).toBe(
          at(linear({ init, end, steps: T, begin: 7 }), t),
        );
        expectNear(at(polynomial({ init, end, power: 0, steps: T }), t), init, 10);
      }),
    );
  });

  test("stays at init where steps is 0 or less; a negative begin counts as 0", () => {
    for (const none of [0, -3]) {
      expect(at(polynomial({ init: 3, end: 7, power: 2, steps: none }), 50)).toBe(3);
    }
    expect(at(polynomial({ init: 1, end: 0, power: 2, steps: 10, begin: -5 }), 0)).toBe(1);
    expect(at(linear({ init: 1, end: 0, steps: 10, begin: -5 }), 5)).toBe(0.5);
  });

  test("refuses a negative power", () => {
    expect(() => polynomial({ init: 1, end: 0, power: -1, steps: 10 })).toThrow(
      "polynomial({ power }): got -1. Give a finite number of at least 0.",
    );
  });
});

describe("exponential", () => {
  const optax = (
    t: number,
    o: { init: number; steps: number; rate: number; begin: number; staircase: boolean; end?: number },
  ): number => {
    const elapsed = t - o.begin;
    const p = o.staircase ? Math.floor(elapsed / o.steps) : elapsed / o.steps;
    const decayed = elapsed <= 0 ? o.init : o.init * o.rate ** p;
    if (o.end === undefined) return decayed;
    return o.rate < 1 ? Math.max(decayed, o.end) : Math.min(decayed, o.end);
  };

  test("is I r^((t − B)/T), floored in a staircase, clipped at end", () => {
    const options = fc.record(
      {
        init: within(-2, 2),
        steps,
        rate: within(0.5, 1.05),
        begin: fc.nat({ max: 50 }),
        staircase: fc.boolean(),
        end: within(-2, 2),
      },
      { requiredKeys: ["init", "steps", "rate", "begin", "staircase"] },
    );
    fc.assert(
      fc.property(options, times, (o, t) => {
        const expected = optax(t, o);
        expectNear(at(exponential(o), t), expected, Math.abs(expected));
      }),
    );
  });

  test("is init before begin and at it", () => {
    expectValues(exponential({ init: 8, steps: 10, rate: 0.5, begin: 5 }), { 0: 8, 4: 8, 5: 8, 15: 4, 25: 2 });
  });

  test("steps down in a staircase at whole multiples of steps", () => {
    const schedule = exponential({ init: 8, steps: 10, rate: 0.5, begin: 5, staircase: true });
    expectValues(schedule, { 5: 8, 14: 8, 15: 4, 24: 4, 25: 2, 1000: 8 * 0.5 ** 99 });
  });

  test("end bounds decay from below and growth from above, init too", () => {
    expectValues(exponential({ init: 8, steps: 1, rate: 0.5, end: 3 }), { 0: 8, 1: 4, 2: 3, 9: 3 });
    expectValues(exponential({ init: 1, steps: 1, rate: 2, end: 3 }), { 0: 1, 1: 2, 2: 3, 5000: 3 });
    expectValues(exponential({ init: 1, steps: 1, rate: 0.5, end: 3 }), { 0: 3, 9: 3 });
    expectValues(exponential({ init: 5, steps: 1, rate: 1, end: 3 }), { 0: 3, 9: 3 });
  });

  test("stays at init where steps is 0 or less or rate is 0, whatever end is", () => {
    for (const still of [
      { steps: 0, rate: 0.5 },
      { steps: -1, rate: 0.5 },
      { steps: 10, rate: 0 },
    ]) {
      expectValues(exponential({ init: 2, end: 5, ...still }), { 0: 2, 1: 2, 100: 2 });
    }
  });

  test("a negative begin counts as 0", () => {
    expectValues(exponential({ init: 8, steps: 10, rate: 0.5, begin: -10 }), { 0: 8, 10: 4 });
  });

  test("refuses a negative rate, and growth that has overflowed", () => {
    expect(() => exponential({ init: 1, steps: 10, rate: -0.5 })).toThrow("exponential({ rate }): got -0.5");
    expect(() => at(exponential({ init: 1, steps: 1, rate: 10 }), 400)).toThrow(LossError);
  });
});

describe("warmupCosine", () => {
  test("rises in a line to peak, then falls in a cosine to end at step decay", () => {
    const options = fc.record({
      init: within(-2, 2),
      peak: within(0.1, 2),
      warmup: fc.nat({ max: 50 }),
      length: steps,
      end: within(-2, 2),
      exponent: within(0.5, 3),
    });
    fc.assert(
      fc.property(options, times, ({ init, peak, warmup, length, end, exponent }, t) => {
        const share = Math.min(t - warmup, length) / length;
        const alpha = end / peak;
        const wave = Math.max(0, 0.5 * (1 + Math.cos(Math.PI * share)));
        const expected =
          t < warmup ? init + ((peak - init) * t) / warmup : peak * ((1 - alpha) * wave ** exponent + alpha);
        // A power below 1 magnifies the rounding of the wave near its end.
        const tolerance = exponent < 1 ? 1e4 : 100;
        expectNear(
          at(warmupCosine({ init, peak, warmup, decay: warmup + length, end, exponent }), t),
          expected,
          tolerance,
        );
      }),
    );
  });

  test("decay includes the warm-up", () => {
    const schedule = warmupCosine({ init: 0, peak: 1, warmup: 20, decay: 100 });
    expectValues(schedule, { 0: 0, 10: 0.5, 20: 1, 40: 0.5 * (1 + Math.cos(Math.PI / 4)) });
    expectNear(at(schedule, 60), 0.5);
    expectNear(at(schedule, 100), 0);
    expectNear(at(schedule, 5000), 0);
  });

  test("without a warm-up is cosine", () => {
    const schedule = warmupCosine({ init: 9, peak: 2, warmup: 0, decay: 30, end: 0.5 });
    for (const t of [0, 1, 15, 30, 31])
      expect(at(schedule, t)).toBe(at(cosine({ init: 2, steps: 30, alpha: 0.25 }), t));
  });

  test("with a peak of 0 ends at 0, as in optax", () => {
    expect(at(warmupCosine({ init: 1, peak: 0, warmup: 10, decay: 20, end: 3 }), 20)).toBe(0);
  });

  test("refuses a decay that is not above the warm-up", () => {
    expect(() => warmupCosine({ init: 0, peak: 1, warmup: 10, decay: 10 })).toThrow(
      "warmupCosine({ decay }): decay 10 is not above warmup 10. Give the length of the whole schedule, the warm-up included.",
    );
    expect(() => warmupCosine({ init: 0, peak: 1, warmup: -1, decay: 10 })).toThrow("warmupCosine({ warmup }): got -1");
  });
});

describe("piecewiseConstant", () => {
  test("golden: optax's {100: 0.1, 200: 0.01}", () => {
    expectValues(piecewiseConstant(1, { 100: 0.1, 200: 0.01 }), { 50: 1, 150: 0.1, 250: 0.001 });
  });

  test("switches at the boundary itself", () => {
    expectValues(piecewiseConstant(4, { 10: 0.5 }), { 9: 4, 10: 2 });
  });

  test("is init times every scale whose boundary is reached, in whatever order they are given", () => {
    const scales = fc.dictionary(fc.nat({ max: 200 }).map(String), within(0, 3), { maxKeys: 5 });
    fc.assert(
      fc.property(within(-5, 5), scales, times, (init, given, t) => {
        const reached = Object.entries(given).filter(([boundary]) => Number(boundary) <= t);
        const expected = reached.reduce((value, [, factor]) => value * factor, init);
        expectNear(at(piecewiseConstant(init, given), t), expected, Math.abs(expected));
      }),
    );
    expectValues(piecewiseConstant(1, { "10.5": 2, 3: 5 }), { 3: 5, 10: 5, 11: 10 });
  });

  test("without boundaries is constant", () => {
    expect(piecewiseConstant(2, {})).toEqual(constant(2));
  });

  test("refuses boundaries that are no steps, and negative scales", () => {
    const text = { soon: 0.5 } as unknown as Record<number, number>;
    expect(() => piecewiseConstant(1, text)).toThrow('piecewiseConstant(scales): the boundary "soon" is no step');
    expect(() => piecewiseConstant(1, { 10: -1 })).toThrow("piecewiseConstant({ 10 }): got -1");
    expect(() => piecewiseConstant(1, [0.5] as never)).toThrow("piecewiseConstant(scales): got 0.5");
  });
});

describe("join", () => {
  const parts = (): readonly Schedule[] => [
    linear({ init: 0, end: 1, steps: 7 }),
    exponential({ init: 2, steps: 3, rate: 0.5, begin: 2 }),
    cosine({ init: 3, steps: 11 }),
    piecewiseConstant(4, { 5: 0.5 }),
  ];

  test("shows each schedule the steps since its own boundary", () => {
    const boundaries = fc.array(fc.nat({ max: 100 }), { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(boundaries, times, (unsorted, t) => {
        const starts = [0, ...unsorted.sort((a, b) => a - b)];
        const current = starts.findLastIndex((start) => start <= t);
        expect(at(join(parts(), starts.slice(1)), t)).toBe(at(parts()[current], t - starts[current]));
      }),
    );
  });

  test("nests: join([a, join([b, c], [m])], [n]) is join([a, b, c], [n, n + m])", () => {
    fc.assert(
      fc.property(fc.nat({ max: 50 }), fc.nat({ max: 50 }), times, (n, m, t) => {
        const [a, b, c] = parts();
        expect(at(join([a, join([b, c], [m])], [n]), t)).toBe(at(join([a, b, c], [n, n + m]), t));
      }),
    );
  });

  test("takes numbers, and one schedule alone", () => {
    expectValues(join([1, 2, 3], [10, 20]), { 0: 1, 9: 1, 10: 2, 19: 2, 20: 3 });
    expect(join([5], [])).toEqual(constant(5));
  });

  test("does not mind what a schedule is outside of its own part", () => {
    const growing = exponential({ init: 1, steps: 1, rate: 10 });
    expect(at(join([growing, 5], [3]), 1000)).toBe(5);
  });

  test("refuses a wrong number of boundaries, and boundaries that descend", () => {
    expect(() => join([], [])).toThrow("join(schedules): got no schedules");
    expect(() => join([1, 2], [])).toThrow("join(boundaries): got 0 for 2 schedules");
    expect(() => join([1, 2, 3], [20, 10])).toThrow("join(boundaries[1]): 10 comes after 20");
    expect(() => join([1, 2], [Number.NaN])).toThrow("join(boundaries[0]): got NaN");
    expect(() => join(["fast" as unknown as Numeric, 2], [1])).toThrow("join(schedules[0]): got fast");
  });
});

test("a loss takes each of them, and they refuse options that are no finite numbers", () => {
  const schedules = [
    polynomial({ init: 0, end: 2, power: 2, steps: 4 }),
    exponential({ init: 8, steps: 2, rate: 0.5, staircase: true }),
    warmupCosine({ init: 0, peak: 1, warmup: 8, decay: 20 }),
    piecewiseConstant(3, { 4: 0.5 }),
    join([1, linear({ init: 0, end: 1, steps: 2 })], [3]),
  ];
  for (const schedule of schedules) {
    const loss = pipe(crossEntropy, scale(schedule), sum);
    const value = evaluate(loss, { logits: [[0, 0]], labels: [0], step: 4 });
    expectNear(value, at(schedule, 4) * Math.log(2), 10);
  }
  const nan = Number.NaN;
  expect(() => polynomial({ init: nan, end: 0, power: 1, steps: 1 })).toThrow("polynomial({ init }): got NaN");
  expect(() => exponential({ init: 1, steps: 1, rate: 0.5, end: nan })).toThrow("exponential({ end }): got NaN");
  expect(() => warmupCosine({ init: 0, peak: nan, warmup: 1, decay: 2 })).toThrow("warmupCosine({ peak }): got NaN");
  expect(() => piecewiseConstant(nan, {})).toThrow("piecewiseConstant(init): got NaN");
});
