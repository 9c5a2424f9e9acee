/** Hugging Face's and Keras's decays against their published values and formulas, written out here as functions of the step. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  at,
  constant,
  type DecayShape,
  inverseSqrt,
  inverseTime,
  multiplySchedules,
  polynomial,
  repeat,
  warmupStableDecay,
} from "lossmith";
import { anyTimes, expectNear, expectPublished, expectValues, steps, within } from "../support/schedules.ts";

describe("polynomial with cycle, as Keras's PolynomialDecay", () => {
  const keras = { init: 0.05, end: 0.001, steps: 10, cycle: true };

  test("golden: Keras's beyond the end, of power 1 and of power 0.5", () => {
    expectValues(polynomial({ ...keras, power: 1 }), { 0: 0.05, 10: 0.001, 15: 0.049 * 0.25 + 0.001 });
    expectValues(polynomial({ ...keras, power: 0.5 }), { 0: 0.05, 10: 0.001, 15: 0.049 * 0.5 + 0.001 });
  });

  test("is (I − E)(1 − n / (T max(1, ⌈n / T⌉)))^P + E, n steps after begin", () => {
    fc.assert(
      fc.property(
        fc.record({ init: within(-5, 5), end: within(-5, 5), power: within(0, 4), steps, begin: fc.nat({ max: 50 }) }),
        anyTimes,
        (options, t) => {
          const { init: I, end: E, power: P, steps: T, begin: B } = options;
          const n = Math.max(0, t - B);
          const whole = T * Math.max(1, Math.ceil(n / T));
          const expected = (I - E) * Math.max(0, 1 - n / whole) ** P + E;
          expectNear(at(polynomial({ ...options, cycle: true }), t), expected, 10);
        },
      ),
    );
  });

  test("reaches end at each multiple of steps, and jumps to (init − end) / (k + 1)^power + end after the k-th", () => {
    for (const power of [0.5, 1, 2]) {
      const schedule = polynomial({ init: 3, end: 1, power, steps: 7, begin: 4, cycle: true });
      expectValues(schedule, { "-5": 3, 0: 3, 4: 3 });
      for (const k of [1, 2, 3, 50]) {
        expect(at(schedule, 4 + 7 * k)).toBe(1);
        expect(Math.abs(at(schedule, 4 + 7 * k + 1e-9) - (2 / (k + 1) ** power + 1))).toBeLessThanOrEqual(1e-6);
      }
    }
  });

  test("is the plain polynomial up to its end, and no repetition of it", () => {
    const plain = polynomial({ init: 1, end: 0, power: 2, steps: 10 });
    const cycling = polynomial({ init: 1, end: 0, power: 2, steps: 10, cycle: true });
    for (let t = 0; t <= 10; t++) expect(at(cycling, t)).toBe(at(plain, t));
    expect(at(cycling, 15)).toBe(0.0625);
    expect(at(repeat(plain, 10), 15)).toBe(0.25);
    expect(polynomial({ init: 1, end: 0, power: 2, steps: 10, cycle: false })).toEqual(plain);
  });

  test("stays at init where steps is 0 or less", () => {
    expect(polynomial({ init: 2, end: 0, power: 1, steps: 0, cycle: true })).toEqual(constant(2));
  });

  test("has a value for fractional powers where steps is a fraction", () => {
    const schedule = polynomial({ init: 1, end: 0, power: 0.5, steps: 0.7, cycle: true });
    for (let t = 0; t < 1000; t++) expect(at(schedule, t)).toBeGreaterThanOrEqual(0);
  });
});

describe("inverseSqrt", () => {
  test("golden: Hugging Face's warm-up of 2 steps to 10", () => {
    const published = [0, 5, 10, 8.165, 7.071, 6.325, 5.774, 5.345, 5, 4.714];
    expectPublished(inverseSqrt({ warmup: 2, peak: 10 }), published, 5e-4);
  });

  /** Before step 0 it is what it is there. */
  const huggingFace = (t: number, W: number, ts: number): number => {
    const n = Math.max(t, 0);
    return n < W ? n / Math.max(1, W) : 1 / Math.sqrt((n + (ts - W)) / ts);
  };

  test("is t / W, then 1 / √((t + ts − W) / ts), times the peak", () => {
    const options = fc.record({ peak: within(-5, 5), warmup: fc.nat({ max: 80 }), timescale: within(0.5, 500) });
    fc.assert(
      fc.property(options, anyTimes, (o, t) => {
        expectNear(at(inverseSqrt(o), t), o.peak * huggingFace(t, o.warmup, o.timescale), 100);
      }),
    );
  });

  test("by default rises to 1, with the warm-up as its timescale, or 10 000 steps without one", () => {
    fc.assert(
      fc.property(fc.nat({ max: 80 }), anyTimes, (warmup, t) => {
        expectNear(at(inverseSqrt({ warmup }), t), huggingFace(t, warmup, warmup || 10_000), 10);
      }),
    );
    expectValues(inverseSqrt({ warmup: 0 }), { "-1": 1, 0: 1, 30000: 0.5 });
    expectValues(inverseSqrt({ warmup: 100 }), { "-7": 0, 0: 0, 0.5: 0.005, 99: 0.99, 100: 1, 400: 0.5, 1e8: 1e-3 });
  });

  test("refuses a negative warm-up, and a timescale that is not above 0", () => {
    expect(() => inverseSqrt({ warmup: -1 })).toThrow(
      "inverseSqrt({ warmup }): got -1. Give a finite number of at least 0.",
    );
    expect(() => inverseSqrt({ warmup: 5, timescale: 0 })).toThrow(
      "inverseSqrt({ timescale }): got 0. Give a number of steps above 0.",
    );
    expect(() => inverseSqrt({ warmup: 5, peak: Number.NaN })).toThrow("inverseSqrt({ peak }): got NaN");
    expect(() => inverseSqrt({} as never)).toThrow("inverseSqrt({ warmup }): got undefined");
    expect(() => inverseSqrt(100 as never)).toThrow("inverseSqrt: got 100. Give options, such as inverseSqrt(");
  });
});

describe("warmupStableDecay", () => {
  const shapes: Readonly<Record<DecayShape, (s: number) => number>> = {
    cosine: (s) => 0.5 * (1 + Math.cos(Math.PI * s)),
    linear: (s) => 1 - s,
    "1-sqrt": (s) => 1 - Math.sqrt(s),
  };
  const shapeNames = fc.constantFrom<DecayShape>("cosine", "linear", "1-sqrt");

  test("golden: 2 + 2 + 3 steps to 10 and down to 1, by Hugging Face's formula", () => {
    const options = { init: 0, peak: 10, warmup: 2, stable: 2, decay: 3, end: 1 };
    expectPublished(warmupStableDecay(options), [0, 5, 10, 10, 10, 7.75, 3.25, 1, 1, 1], 1e-10);
    const { init: _, ...fromEnd } = options;
    expectPublished(warmupStableDecay(fromEnd), [1, 5.5, 10, 10, 10, 7.75, 3.25, 1, 1, 1], 1e-10);
    const straight = warmupStableDecay({ ...options, shape: "linear" });
    expectPublished(straight, [0, 5, 10, 10, 10, 7, 4, 1, 1], 1e-10);
    const root = warmupStableDecay({ ...options, decay: 4, shape: "1-sqrt" });
    expectPublished(root, [0, 5, 10, 10, 10, 5.5, 3.636, 2.2058, 1, 1], 5e-5);
  });

  test("warms up, stays, and decays by its shape", () => {
    const options = fc.record(
      {
        init: within(-5, 5),
        peak: within(-5, 5),
        warmup: fc.nat({ max: 50 }),
        stable: fc.nat({ max: 50 }),
        decay: steps,
        end: within(-5, 5),
        shape: shapeNames,
      },
      { requiredKeys: ["peak", "warmup", "stable", "decay"] },
    );
    fc.assert(
      fc.property(options, anyTimes, (o, time) => {
        const t = Math.max(time, 0);
        const end = o.end ?? 0;
        const init = o.init ?? end;
        const begin = o.warmup + o.stable;
        const left = shapes[o.shape ?? "cosine"](Math.min((t - begin) / o.decay, 1));
        const expected =
          t < o.warmup ? init + ((o.peak - init) * t) / o.warmup : t < begin ? o.peak : end + (o.peak - end) * left;
        expectNear(at(warmupStableDecay(o), time), expected, 20);
      }),
    );
  });

  test("is at its peak from the end of the warm-up to the beginning of the decay, and at its end from there on", () => {
    fc.assert(
      fc.property(shapeNames, within(-5, 5), within(-5, 5), (shape, peak, end) => {
        const schedule = warmupStableDecay({ peak, warmup: 10, stable: 20, decay: 5, end, shape });
        for (const t of [10, 20, 29.5]) expectNear(at(schedule, t), peak, 0);
        expectNear(at(schedule, 30), peak, 10);
        for (const t of [35, 36, 1e6]) expectNear(at(schedule, t), end, 0);
        expectNear(at(schedule, 0), end, 10);
      }),
    );
  });

  test("may have no warm-up, no stable part and no decay", () => {
    expectValues(warmupStableDecay({ peak: 2, warmup: 0, stable: 3, decay: 4 }), {
      "-1": 2,
      0: 2,
      2: 2,
      3: 2,
      5: 1,
      7: 0,
    });
    expectValues(warmupStableDecay({ peak: 2, warmup: 4, stable: 0, decay: 4 }), { 0: 0, 2: 1, 4: 2, 6: 1, 8: 0 });
    expectValues(warmupStableDecay({ peak: 2, warmup: 2, stable: 2, decay: 0, end: 1 }), { 1: 1.5, 3: 2, 4: 1, 9: 1 });
  });

  test("refuses negative numbers of steps, and another shape", () => {
    const options = { peak: 1, warmup: 1, stable: 1, decay: 1 };
    for (const name of ["warmup", "stable", "decay"]) {
      expect(() => warmupStableDecay({ ...options, [name]: -1 })).toThrow(
        `warmupStableDecay({ ${name} }): got -1. Give a finite number of at least 0.`,
      );
    }
    for (const name of ["peak", "init", "end"]) {
      expect(() => warmupStableDecay({ ...options, [name]: Number.NaN })).toThrow(`({ ${name} }): got NaN`);
    }
    expect(() => warmupStableDecay({ ...options, shape: "sqrt" as never })).toThrow(
      'warmupStableDecay({ shape }): got sqrt. Give "cosine", "linear" or "1-sqrt".',
    );
    expect(() => warmupStableDecay(null as never)).toThrow("warmupStableDecay: got null. Give options");
  });
});

describe("inverseTime", () => {
  test("is Keras's I / (1 + r t / T), rounded down in a staircase", () => {
    const options = fc.record({ init: within(-5, 5), steps, rate: within(0, 5), staircase: fc.boolean() });
    fc.assert(
      fc.property(options, anyTimes, (o, t) => {
        const share = Math.max(t, 0) / o.steps;
        const expected = o.init / (1 + o.rate * (o.staircase ? Math.floor(share) : share));
        expectNear(at(inverseTime(o), t), expected, 5);
      }),
    );
  });

  test("golden: Keras's 0.1, 10 steps, rate 0.96", () => {
    const smooth = inverseTime({ init: 0.1, steps: 10, rate: 0.96 });
    expectValues(smooth, { "-5": 0.1, 0: 0.1, 5: 0.1 / 1.48, 10: 0.1 / 1.96, 2.5: 0.1 / 1.24, 1e6: 0.1 / 96_001 });
    const stairs = inverseTime({ init: 0.1, steps: 10, rate: 0.96, staircase: true });
    expectValues(stairs, { "-5": 0.1, 0: 0.1, 9: 0.1, 9.99: 0.1, 10: 0.1 / 1.96, 19: 0.1 / 1.96, 20: 0.1 / 2.92 });
  });

  test("of rate 0 stays at init, and scales with it", () => {
    expect(inverseTime({ init: 3, steps: 5, rate: 0 })).toEqual(constant(3));
    const unit = inverseTime({ init: 1, steps: 5, rate: 2 });
    for (const t of [0, 3, 50]) {
      expectNear(at(inverseTime({ init: 3, steps: 5, rate: 2 }), t), at(multiplySchedules(3, unit), t));
    }
  });

  test("refuses no steps and a negative rate", () => {
    expect(() => inverseTime({ init: 1, steps: 0, rate: 1 })).toThrow(
      "inverseTime({ steps }): got 0. Give a number of steps above 0.",
    );
    expect(() => inverseTime({ init: 1, steps: 1, rate: -1 })).toThrow("inverseTime({ rate }): got -1");
    expect(() => inverseTime({ init: Number.NaN, steps: 1, rate: 1 })).toThrow("inverseTime({ init }): got NaN");
    expect(() => inverseTime(undefined as never)).toThrow("inverseTime: got undefined. Give options");
  });
});
