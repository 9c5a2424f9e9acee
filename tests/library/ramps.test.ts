/** Schedules from 0 to 1, against their papers' formulas, written out here as functions of the step. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  at,
  constant,
  cyclical,
  delay,
  linear,
  multiplySchedules,
  type RampShape,
  repeat,
  sigmoidRamp,
  subtractSchedules,
} from "lossmith";
import { anyTimes, expectNear, expectValues, steps, times, within } from "../support/schedules.ts";

describe("cyclical", () => {
  const shapes: Readonly<Record<RampShape, (v: number) => number>> = {
    linear: (v) => v,
    sigmoid: (v) => 1 / (1 + Math.exp(-(12 * v - 6))),
    cosine: (v) => 0.5 - 0.5 * Math.cos(Math.PI * v),
  };
  const shapeNames = fc.constantFrom<RampShape>("linear", "sigmoid", "cosine");

  test("by default is the paper's four cycles, of which half of each rises", () => {
    const weight = cyclical({ steps: 40 });
    const cycle = [0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1];
    for (let t = 0; t < 40; t++) expectNear(at(weight, t), cycle[t % 10]);
    expectValues(weight, { "-3": 0, 0.5: 0.1, 9.99: 1, 10.5: 0.1, 40: 1, 41: 1, 1e6: 1 });
  });

  test("is min(1, τ / R), or its shape where τ ≤ R and 1 where τ > R", () => {
    const options = fc.record(
      { steps, cycles: fc.integer({ min: 1, max: 8 }), ratio: within(0.01, 1), shape: shapeNames },
      { requiredKeys: ["steps"] },
    );
    fc.assert(
      fc.property(options, anyTimes, (o, t) => {
        const { cycles: M = 4, ratio: R = 0.5, shape = "linear" } = o;
        const passed = (Math.max(t, 0) * M) / o.steps;
        const tau = passed % 1;
        // Where the ramp ends the sigmoid jumps, and rounding decides.
        fc.pre(shape !== "sigmoid" || Math.abs(tau - R) > 1e-9);
        const expected = t >= o.steps || tau > R ? 1 : shapes[shape](tau / R);
        expectNear(at(cyclical(o), t), expected, 1e3);
      }),
    );
  });

  test("begins each cycle exactly at its step, where a cycle takes a whole number of steps", () => {
    for (const cycles of [1, 3, 7, 10, 49]) {
      for (const length of [1, 3, 10, 113]) {
        const weight = cyclical({ steps: cycles * length, cycles });
        for (let cycle = 0; cycle < cycles; cycle++) expect(at(weight, cycle * length)).toBe(0);
      }
    }
  });

  test("golden: the sigmoid and the cosine of the paper's code at the quarters of a ramp", () => {
    const sigmoid = cyclical({ steps: 16, cycles: 2, shape: "sigmoid" });
    const ends = 1 / (1 + Math.exp(6));
    expectValues(sigmoid, { 0: ends, 1: 1 / (1 + Math.exp(3)), 2: 0.5, 4: 1 - ends, 5: 1, 7: 1, 8: ends, 10: 0.5 });
    const cosine = cyclical({ steps: 16, cycles: 2, shape: "cosine" });
    expectValues(cosine, { 0: 0, 1: 0.5 - Math.SQRT1_2 / 2, 2: 0.5, 4: 1, 5: 1, 8: 0, 10: 0.5, 16: 1 });
  });

  test("of one cycle that only rises is linear, and its cycles are repetitions of one", () => {
    fc.assert(
      fc.property(steps, anyTimes, (T, t) => {
        expectNear(at(cyclical({ steps: T, cycles: 1, ratio: 1 }), t), at(linear({ init: 0, end: 1, steps: T }), t));
      }),
    );
    fc.assert(
      fc.property(steps, shapeNames, times, (T, shape, t) => {
        const one = cyclical({ steps: T, cycles: 1, shape });
        if (t < 5 * T) expectNear(at(cyclical({ steps: 5 * T, cycles: 5, shape }), t), at(repeat(one, T), t), 1e3);
      }),
    );
  });

  test("refuses no steps, cycles that are not whole, a ratio out of bounds and another shape", () => {
    expect(() => cyclical({ steps: 0 })).toThrow("cyclical({ steps }): got 0. Give a number of steps above 0.");
    for (const cycles of [0, -1, 2.5]) {
      expect(() => cyclical({ steps: 9, cycles })).toThrow(
        `cyclical({ cycles }): got ${cycles}. Give a whole number of at least 1.`,
      );
    }
    for (const ratio of [0, -0.5, 1.1]) {
      expect(() => cyclical({ steps: 9, ratio })).toThrow(
        `cyclical({ ratio }): got ${ratio}. Give a share above 0 and at most 1.`,
      );
    }
    expect(() => cyclical({ steps: 9, ratio: Number.NaN })).toThrow("cyclical({ ratio }): got NaN");
    expect(() => cyclical({ steps: 9, shape: "square" as never })).toThrow(
      'cyclical({ shape }): got square. Give "linear", "sigmoid" or "cosine".',
    );
    expect(() => cyclical(400 as never)).toThrow("cyclical: got 400. Give options, such as cyclical({ steps: 1000 }).");
  });
});

describe("sigmoidRamp", () => {
  test("is exp(−5 (1 − t / L)²), and 1 from L on", () => {
    fc.assert(
      fc.property(fc.oneof(steps, within(0.1, 100)), anyTimes, (L, t) => {
        const phase = 1 - Math.min(Math.max(t, 0), L) / L;
        expectNear(at(sigmoidRamp({ steps: L }), t), Math.exp(-5 * phase * phase));
      }),
    );
    expectValues(sigmoidRamp({ steps: 4 }), { "-9": Math.exp(-5), 0: Math.exp(-5), 2: Math.exp(-1.25), 4: 1, 5: 1 });
  });

  test("rises throughout", () => {
    fc.assert(
      fc.property(steps, fc.nat({ max: 99 }), (L, t) => {
        const weight = sigmoidRamp({ steps: L });
        if (t < L) expect(at(weight, t)).toBeLessThan(at(weight, t + 1));
      }),
    );
  });

  test("of no steps is 1 from the beginning", () => {
    expect(sigmoidRamp({ steps: 0 })).toEqual(constant(1));
  });

  test("comes to other heights, later, and downwards by arithmetic and delay", () => {
    const weight = sigmoidRamp({ steps: 10 });
    expectValues(delay(multiplySchedules(weight, 30), 100), { 100: 30 * Math.exp(-5), 110: 30 });
    expectNear(at(subtractSchedules(1, weight), 10), 0);
  });

  test("refuses negative steps", () => {
    expect(() => sigmoidRamp({ steps: -1 })).toThrow(
      "sigmoidRamp({ steps }): got -1. Give a finite number of at least 0.",
    );
    expect(() => sigmoidRamp({ steps: Number.NaN })).toThrow("sigmoidRamp({ steps }): got NaN");
    expect(() => sigmoidRamp(null as never)).toThrow("sigmoidRamp: got null. Give options");
  });
});
