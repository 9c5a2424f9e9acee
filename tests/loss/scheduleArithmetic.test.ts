/** Arithmetic on schedules is the arithmetic of their values, step by step. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  addSchedules,
  at,
  constant,
  cosine,
  crossEntropy,
  divideSchedules,
  evaluate,
  fromFunction,
  linear,
  maxSchedules,
  minSchedules,
  multiplySchedules,
  type Numeric,
  pipe,
  powSchedules,
  type Schedule,
  scale,
  scheduleRing,
  show,
  subtractSchedules,
  sum,
} from "lossmith";
import { anyTimes, expectNear, someSchedules } from "../support/schedules.ts";

const operations: Readonly<
  Record<string, readonly [(a: Numeric, b: Numeric) => Schedule, (a: number, b: number) => number]>
> = {
  addSchedules: [addSchedules, (a, b) => a + b],
  subtractSchedules: [subtractSchedules, (a, b) => a - b],
  multiplySchedules: [multiplySchedules, (a, b) => a * b],
  divideSchedules: [divideSchedules, (a, b) => a / b],
  powSchedules: [powSchedules, (a, b) => a ** b],
  minSchedules: [minSchedules, Math.min],
  maxSchedules: [maxSchedules, Math.max],
};

/** Schedules and numbers above 0, so that every operation has a result. */
const positives = someSchedules.map((s) => addSchedules(multiplySchedules(s, s), 0.25));
const operands: fc.Arbitrary<Numeric> = fc.oneof(
  positives,
  fc.integer({ min: 1, max: 40 }).map((n) => n / 10),
);

for (const [name, [operation, meaning]] of Object.entries(operations)) {
  describe(name, () => {
    test("is the operation on the values, at every step", () => {
      fc.assert(
        fc.property(operands, operands, anyTimes, (a, b, t) => {
          expect(at(operation(a, b), t)).toBe(meaning(at(a, t), at(b, t)));
        }),
      );
    });

    test("refuses what is neither a finite number nor a schedule, and names the side", () => {
      expect(() => operation(Number.NaN, 1)).toThrow(`${name}(left): got NaN. Give a finite number.`);
      expect(() => operation(1, Number.POSITIVE_INFINITY)).toThrow(`${name}(right): got Infinity`);
      expect(() => operation(null as never, 1)).toThrow(`${name}(left): got null. Give a number, or a schedule`);
      expect(() => operation(1, "2" as never)).toThrow(`${name}(right): got 2`);
    });
  });
}

describe("laws", () => {
  const three = [positives, positives, positives, anyTimes] as const;

  test("subtraction and division undo addition and multiplication", () => {
    fc.assert(
      fc.property(positives, positives, anyTimes, (a, b, t) => {
        const size = (1 + at(a, t)) * (1 + at(b, t));
        expectNear(at(subtractSchedules(addSchedules(a, b), b), t), at(a, t), size);
        expectNear(at(divideSchedules(multiplySchedules(a, b), b), t), at(a, t), size);
      }),
    );
    expect(scheduleRing.sub).toBe(subtractSchedules);
  });

  test("min and max are lattice operations: commutative, associative, idempotent, and absorb one another", () => {
    fc.assert(
      fc.property(...three, (a, b, c, t) => {
        for (const [meet, join] of [
          [minSchedules, maxSchedules],
          [maxSchedules, minSchedules],
        ]) {
          expect(at(meet(a, b), t)).toBe(at(meet(b, a), t));
          expect(at(meet(meet(a, b), c), t)).toBe(at(meet(a, meet(b, c)), t));
          expect(at(meet(a, a), t)).toBe(at(a, t));
          expect(at(meet(a, join(a, b)), t)).toBe(at(a, t));
        }
      }),
    );
  });

  test("powers add in the exponent", () => {
    fc.assert(
      fc.property(positives, positives, positives, anyTimes, (a, b, c, t) => {
        const product = multiplySchedules(powSchedules(a, b), powSchedules(a, c));
        const power = at(powSchedules(a, addSchedules(b, c)), t);
        expectNear(at(product, t), power, 100 * Math.max(1, power));
      }),
    );
  });
});

describe("edges", () => {
  const rise = linear({ init: -1, end: 1, steps: 2 });

  test("two numbers are one number", () => {
    expect(divideSchedules(1, 4)).toEqual(constant(0.25));
    expect(powSchedules(2, -1)).toEqual(constant(0.5));
  });

  test("a number that has no result is refused at once, a step that has none when it comes", () => {
    expect(() => divideSchedules(rise, 0)).toThrow("divideSchedules(right): got 0. Give a divisor other than 0.");
    expect(() => divideSchedules(0, 0)).toThrow("divideSchedules(right): got 0");
    expect(() => powSchedules(-1, 0.5)).toThrow(
      "powSchedules: the result is NaN. Give numbers whose result is finite.",
    );
    expect(() => addSchedules(1e308, 1e308)).toThrow("addSchedules: the result is Infinity");
    const inverse = divideSchedules(1, rise);
    expect(at(inverse, 0)).toBe(-1);
    expect(() => at(inverse, 1)).toThrow("schedule: got Infinity");
    expect(() => at(powSchedules(rise, 0.5), 0)).toThrow("schedule: got NaN");
    const loss = pipe(crossEntropy, scale(inverse), sum);
    expect(() => evaluate(loss, { logits: [[0, 0]], labels: [0], step: 1 })).toThrow("scale(factor): got Infinity");
  });

  test("functions of the step take part", () => {
    const squares = fromFunction((t) => t * t);
    expect(at(subtractSchedules(squares, divideSchedules(squares, 2)), 4)).toBe(8);
  });

  test("show themselves as arithmetic", () => {
    const fall = cosine({ init: 1, steps: 5 });
    const loss = pipe(
      crossEntropy,
      scale(divideSchedules(subtractSchedules(rise, fall), maxSchedules(fall, 0.1))),
      sum,
    );
    expect(show(loss)).toBe(
      "loss = Σ_i [(linear(-1 → 1, 2 steps) − cosine(1 → 0, 5 steps)) / max(cosine(1 → 0, 5 steps), 0.1) · nll(y)]",
    );
  });
});
