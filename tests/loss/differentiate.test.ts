import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { differentiate } from "../../lib/loss/differentiate.ts";
import * as e from "../../lib/loss/expression.ts";
import { numberAlgebra } from "../../lib/loss/schedule.ts";

type Name = "x" | "y";
type Named = e.Expression<Name>;

const x: Named = e.atom<Name>("x");
const y: Named = e.atom<Name>("y");

function evaluate(expression: Named, at: Readonly<Record<Name, number>>): number {
  return e.interpreter(numberAlgebra<Name>((name) => at[name]))(expression);
}

/** Smooth expressions of x and y whose values stay moderate: every operator occurs. */
const { expression } = fc.letrec<{ expression: Named }>((tie) => {
  const inner = tie("expression");
  const pair = fc.tuple(inner, inner);
  const bounded = inner.map((a) => e.unary("sigmoid", a));
  return {
    expression: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      fc.constantFrom(x, y),
      fc.integer({ min: -20, max: 20 }).map((n) => e.constant(n / 10)),
      pair.map(([a, b]) => e.add(a, b)),
      pair.map(([a, b]) => e.subtract(a, b)),
      pair.map(([a, b]) => e.multiply(e.unary("sigmoid", a), b)),
      pair.map(([a, b]) => e.weigh(e.unary("sigmoid", a), b)),
      pair.map(([a, b]) => e.divide(a, e.add(e.constant(1), e.unary("sigmoid", b)))),
      pair.map(([a, b]) => e.pow(e.add(e.constant(0.5), e.unary("sigmoid", a)), e.unary("sigmoid", b))),
      pair.map(([a, b]) => e.min(a, b)),
      pair.map(([a, b]) => e.max(a, b)),
      pair.map(([a, b]) => e.select(x, y, a, b)),
      fc
        .tuple(fc.constantFrom<e.UnaryOperator>("exp", "expm1", "log1p", "softplus", "cos", "sin"), bounded)
        .map(([o, a]) => e.unary(o, a)),
      bounded.map((a) => e.unary("log", e.add(e.constant(0.1), a))),
      inner.map((a) => e.unary("floor", a)),
      inner.map((a) => e.within(e.named("a name", a), -1e9, 1e9, "nowhere")),
    ),
  };
});

/** Points away from the constants, so that no two branches of a min, max or select meet there. */
const offGrid = (offset: number): fc.Arbitrary<number> =>
  fc.integer({ min: -200, max: 200 }).map((n) => n / 100 + offset);

describe("differentiate", () => {
  test("agrees with finite differences on random expressions", () => {
    fc.assert(
      fc.property(expression, offGrid(0.00317), offGrid(0.00511), (f, atX, atY) => {
        const h = 1e-6;
        const value = (shift: number): number => evaluate(f, { x: atX + shift, y: atY });
        const [left, right] = [(value(0) - value(-h)) / h, (value(h) - value(0)) / h];
        // At a corner of min, max or select and at a jump of floor the two sides differ.
        fc.pre(Math.abs(left - right) < 1e-3 * Math.max(1, Math.abs(left)));
        const derivative = evaluate(
          differentiate(f, (name) => name === "x"),
          { x: atX, y: atY },
        );
        expect(Math.abs(derivative - (left + right) / 2)).toBeLessThanOrEqual(1e-3 * Math.max(1, Math.abs(left)));
      }),
      { numRuns: 1000 },
    );
  });

  test("treats stopGradient as a constant", () => {
    const f = e.multiply(e.stopGradient(e.unary("exp", x)), x);
    expect(
      evaluate(
        differentiate(f, () => true),
        { x: 2, y: 0 },
      ),
    ).toBeCloseTo(Math.exp(2), 12);
  });

  test("is 0 for floor, away from its jumps", () => {
    expect(differentiate(e.unary("floor", x), () => true)).toEqual(e.constant(0));
  });

  test("is the constant 0 for an expression without the variable", () => {
    expect(differentiate(e.unary("exp", y), (name) => name === "x")).toEqual(e.constant(0));
  });
});

describe("weigh", () => {
  test("is 0 at weight 0, whatever is weighed, also in its derivative", () => {
    const f = e.weigh(y, e.unary("log", x));
    expect(evaluate(f, { x: 0, y: 0 })).toBe(0);
    expect(
      evaluate(
        differentiate(f, (name) => name === "x"),
        { x: 0, y: 0 },
      ),
    ).toBe(0);
  });
});
