import { describe, expect, test } from "bun:test";
import { at, constant, cosine, LossError, linear } from "lossmith";

describe("linear, as optax's linear_schedule", () => {
  test("golden: 1 → 0.01 over 100 steps from 5 (polynomial of power 1)", () => {
    const schedule = linear({ init: 1, end: 0.01, steps: 100, begin: 5 });
    const expected = [1, 1, 1 - 0.0099, 0.01 + 0.0099, 0.01, 0.01];
    [0, 5, 6, 104, 105, 10_000].forEach((t, i) => {
      expect(at(schedule, t)).toBeCloseTo(expected[i], 12);
    });
  });

  test("stays at init where steps is 0 or less", () => {
    expect(at(linear({ init: 3, end: 7, steps: 0 }), 100)).toBe(3);
    expect(at(linear({ init: 3, end: 7, steps: -5 }), 100)).toBe(3);
  });

  test("may go up or down", () => {
    expect(at(linear({ init: -1, end: 1, steps: 2 }), 1)).toBe(0);
  });
});

describe("cosine, as optax's cosine_decay_schedule", () => {
  test("values of I[(1 − a)(½(1 + cos πt/T))^p + a]", () => {
    const schedule = cosine({ init: 2, steps: 8, alpha: 0.25, exponent: 2 });
    for (const t of [0, 1, 4, 7, 8, 20]) {
      const share = Math.min(t, 8) / 8;
      const expected = 2 * (0.75 * (0.5 * (1 + Math.cos(Math.PI * share))) ** 2 + 0.25);
      expect(at(schedule, t)).toBeCloseTo(expected, 12);
    }
  });

  test("ends at alpha · init, also with a fractional exponent", () => {
    expect(at(cosine({ init: 3, steps: 10, exponent: 0.5 }), 10)).toBeCloseTo(0, 7);
    expect(at(cosine({ init: 3, steps: 10, alpha: 0.1 }), 99)).toBeCloseTo(0.3, 12);
  });
});

test("constant is the same at every step, and at refuses steps that are no numbers", () => {
  expect([0, 5, 1e6].map((t) => at(constant(0.3), t))).toEqual([0.3, 0.3, 0.3]);
  expect(() => at(constant(0.3), Number.NaN)).toThrow(LossError);
});
