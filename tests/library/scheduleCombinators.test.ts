/** delay, repeat and clamp: what they mean, and their laws. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  addSchedules,
  at,
  clamp,
  constant,
  cosine,
  crossEntropy,
  delay,
  fromFunction,
  join,
  linear,
  multiplySchedules,
  pipe,
  repeat,
  scale,
  show,
  subtractSchedules,
  sum,
} from "lossmith";
import { anyTimes, expectNear, expectValues, someSchedules, steps, times, within } from "../support/schedules.ts";

const lengths = fc.nat({ max: 100 });

/** Exact at whole steps: each schedule is a function of the step, and two of the same step are the same number. */
const squares = fromFunction((t) => t * t);

describe("delay", () => {
  test("is the schedule at the steps since its beginning, and its first value before", () => {
    fc.assert(
      fc.property(someSchedules, lengths, anyTimes, (s, n, t) => {
        expect(at(delay(s, n), t)).toBe(at(s, Math.max(t - n, 0)));
      }),
    );
    expectValues(delay(linear({ init: 2, end: 3, steps: 4 }), 10), { "-5": 2, 0: 2, 10: 2, 11: 2.25, 14: 3, 99: 3 });
  });

  test("by 0 changes nothing, and delays add up", () => {
    fc.assert(
      fc.property(someSchedules, lengths, lengths, times, (s, a, b, t) => {
        expect(at(delay(s, 0), t)).toBe(at(s, t));
        expect(at(delay(delay(s, a), b), t)).toBe(at(delay(s, a + b), t));
      }),
    );
  });

  test("is a join of the first value and the schedule", () => {
    fc.assert(
      fc.property(someSchedules, lengths, times, (s, n, t) => {
        expect(at(delay(s, n), t)).toBe(at(join([at(s, 0), s], [n]), t));
      }),
    );
  });

  test("distributes over arithmetic", () => {
    fc.assert(
      fc.property(someSchedules, someSchedules, lengths, anyTimes, (a, b, n, t) => {
        expect(at(delay(addSchedules(a, b), n), t)).toBe(at(addSchedules(delay(a, n), delay(b, n)), t));
        expect(at(delay(multiplySchedules(a, b), n), t)).toBe(at(multiplySchedules(delay(a, n), delay(b, n)), t));
      }),
    );
  });

  test("refuses a negative number of steps, and what is no schedule", () => {
    expect(() => delay(1, -1)).toThrow("delay(steps): got -1. Give a finite number of at least 0.");
    expect(() => delay(1, Number.NaN)).toThrow("delay(steps): got NaN");
    expect(() => delay(null as never, 1)).toThrow("delay(schedule): got null");
    expect(() => delay("1" as never, 1)).toThrow("delay(schedule): got 1. Give a number, or a schedule");
  });
});

describe("repeat", () => {
  test("is the schedule at the steps since the last repetition", () => {
    fc.assert(
      fc.property(someSchedules, steps, anyTimes, (s, n, t) => {
        expectNear(at(repeat(s, n), t), at(s, t - n * Math.floor(t / n)), 10);
      }),
    );
    const saw = repeat(linear({ init: 0, end: 1, steps: 4 }), 3);
    expectValues(saw, { "-1": 0.5, 0: 0, 1: 0.25, 2: 0.5, 3: 0, 4: 0.25, 3e6: 0, 2.5: 0.625, 5.5: 0.625 });
  });

  test("has its length as its period, and is the schedule itself in the first of them", () => {
    fc.assert(
      fc.property(someSchedules, steps, times, (s, n, t) => {
        expect(at(repeat(s, n), t + n)).toBe(at(repeat(s, n), t));
        expect(at(repeat(s, n), t % n)).toBe(at(s, t % n));
      }),
    );
  });

  test("twice by the same length is once, and by a multiple of the length too", () => {
    fc.assert(
      fc.property(someSchedules, steps, fc.integer({ min: 1, max: 5 }), anyTimes, (s, n, k, t) => {
        expectNear(at(repeat(repeat(s, n), k * n), t), at(repeat(s, n), t), 10);
        expectNear(at(repeat(repeat(s, k * n), n), t), at(repeat(s, n), t), 10);
      }),
    );
  });

  test("never shows a schedule a step before its first, where its length is a fraction", () => {
    const again = repeat(
      fromFunction((t) => (t >= 0 ? t : Number.NaN)),
      1.1,
    );
    for (let t = 0; t < 3000; t++) expect(at(again, t)).toBeLessThanOrEqual(1.1 + 1e-12);
  });

  test("nests with join and delay, functions of the step too", () => {
    const day = join([repeat(squares, 3), delay(squares, 2)], [7]);
    expect(Array.from({ length: 14 }, (_, t) => at(day, t))).toEqual([0, 1, 4, 0, 1, 4, 0, 0, 0, 0, 1, 4, 9, 16]);
    const week = repeat(day, 14);
    for (let t = 0; t < 14; t++) expect(at(week, t + 28)).toBe(at(day, t));
    expect(at(repeat(subtractSchedules(squares, 1), 4), 6)).toBe(3);
  });

  test("refuses a length that is not above 0, and what is no schedule", () => {
    for (const none of [0, -3]) {
      expect(() => repeat(1, none)).toThrow(`repeat(steps): got ${none}. Give a number of steps above 0.`);
    }
    expect(() => repeat(1, Number.POSITIVE_INFINITY)).toThrow("repeat(steps): got Infinity. Give a finite number.");
    expect(() => repeat(undefined as never, 1)).toThrow("repeat(schedule): got undefined");
  });
});

describe("clamp", () => {
  test("is min(max(s, lo), hi)", () => {
    fc.assert(
      fc.property(someSchedules, within(-2, 0), within(0, 2), anyTimes, (s, lo, hi, t) => {
        expect(at(clamp(s, lo, hi), t)).toBe(Math.min(Math.max(at(s, t), lo), hi));
      }),
    );
  });

  test("is idempotent, changes nothing within the bounds, and is monotone", () => {
    fc.assert(
      fc.property(someSchedules, within(-2, 0), within(0, 2), within(0, 1), anyTimes, (s, lo, hi, more, t) => {
        const once = clamp(s, lo, hi);
        expect(at(clamp(once, lo, hi), t)).toBe(at(once, t));
        expect(at(clamp(s, -1e3, 1e3), t)).toBe(at(s, t));
        expect(at(clamp(addSchedules(s, more), lo, hi), t)).toBeGreaterThanOrEqual(at(once, t));
      }),
    );
  });

  test("takes schedules as bounds, and hi wins where they cross", () => {
    const narrowing = clamp(0.5, linear({ init: 0, end: 2, steps: 10 }), 1);
    expectValues(narrowing, { 0: 0.5, 5: 1, 10: 1 });
    expectValues(clamp(5, 0, cosine({ init: 1, steps: 4 })), { 0: 1, 2: 0.5 });
  });

  test("of numbers is a number", () => {
    expect(clamp(5, 0, 1)).toEqual(constant(1));
    expect(clamp(5, 1, 1)).toEqual(constant(1));
  });

  test("refuses bounds the wrong way round, and what is no number", () => {
    expect(() => clamp(1, 2, 1)).toThrow("clamp(lo, hi): lo 2 is above hi 1. Give lo ≤ hi.");
    expect(() => clamp(1, Number.NaN, 1)).toThrow("clamp(lo): got NaN");
    expect(() => clamp(1, 0, Number.POSITIVE_INFINITY)).toThrow("clamp(hi): got Infinity");
    expect(() => clamp(null as never, 0, 1)).toThrow("clamp(schedule): got null");
  });
});

test("they show what they are made of, and leave numbers as they are", () => {
  const rise = linear({ init: 0, end: 1, steps: 5 });
  const shown = (factor: typeof rise): string => show(pipe(crossEntropy, scale(factor), sum));
  expect(shown(delay(rise, 10))).toBe("loss = Σ_i delay(linear(0 → 1, 5 steps), 10) · nll(y)");
  expect(shown(repeat(delay(rise, 1), 6))).toBe("loss = Σ_i repeat(delay(linear(0 → 1, 5 steps), 1), 6) · nll(y)");
  expect(shown(clamp(rise, 0.1, delay(rise, 2)))).toBe(
    "loss = Σ_i clamp(linear(0 → 1, 5 steps), 0.1, delay(linear(0 → 1, 5 steps), 2)) · nll(y)",
  );
  expect(delay(3, 10)).toEqual(constant(3));
  expect(repeat(3, 10)).toEqual(constant(3));
});
