/**
 * The expression language: one small arithmetic for schedules (over the step), laws (over the entries of a
 * vocabulary), per-class losses (over the classes of a row) and the narrow part of a compiled loss (over the rows of
 * a batch). They differ only in their atoms, the type parameter A.
 *
 * Constructors fold constants, so that `multiply(constant(0), x)` is `constant(0)`: a coefficient that is zero at
 * composition costs nothing, and 0 · ∞ is 0 there. Operators follow IEEE 754 otherwise, but for `weigh`.
 */
import { LossError } from "./error.ts";

// ---------------------------------------------------------------------------------------------------------- model

/**
 * `expm1(x)` is exp(x) − 1 and `log1p(x)` is log(1 + x), with their digits where x is small. `lambertW(x)` is the principal
 * branch: the w ≥ −1 with w · exp(w) = x, for x ≥ −1/e.
 */
export type UnaryOperator =
  | "exp"
  | "expm1"
  | "log"
  | "log1p"
  | "softplus"
  | "sigmoid"
  | "cos"
  | "sin"
  | "floor"
  | "abs"
  | "lambertW";

/** `weigh(w, x)` is w · x, and 0 where w is 0, whatever x is: a weight of 0 switches off even an infinite loss. */
export type BinaryOperator = "add" | "subtract" | "multiply" | "divide" | "pow" | "min" | "max" | "weigh";

export type Expression<A> =
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "atom"; readonly atom: A }
  | { readonly kind: "unary"; readonly operator: UnaryOperator; readonly argument: Expression<A> }
  | {
      readonly kind: "binary";
      readonly operator: BinaryOperator;
      readonly left: Expression<A>;
      readonly right: Expression<A>;
    }
  /** `whenLess` where left < right, else `otherwise`. */
  | {
      readonly kind: "select";
      readonly left: Expression<A>;
      readonly right: Expression<A>;
      readonly whenLess: Expression<A>;
      readonly otherwise: Expression<A>;
    }
  | { readonly kind: "stopGradient"; readonly argument: Expression<A> }
  /** `argument`, which must lie in [lowest, highest] whenever it is a single number; `where` names the parameter. */
  | {
      readonly kind: "within";
      readonly argument: Expression<A>;
      readonly lowest: number;
      readonly highest: number;
      readonly where: string;
    }
  /** `body` under a name that people know it by; the name is for showing alone. */
  | { readonly kind: "named"; readonly name: string; readonly body: Expression<A> };

// --------------------------------------------------------------------------------------------------- constructors

export function constant(value: number): Expression<never> {
  return { kind: "constant", value };
}

export function atom<A>(a: A): Expression<A> {
  return { kind: "atom", atom: a };
}

export function unary<A>(operator: UnaryOperator, argument: Expression<A>): Expression<A> {
  return argument.kind === "constant"
    ? constant(unaryNumber[operator](argument.value))
    : { kind: "unary", operator, argument };
}

/** Whether an expression is a number that constants have folded to. */
export function isConstant<A>(e: Expression<A>, value: number): boolean {
  return e.kind === "constant" && e.value === value;
}

function binary<A>(operator: BinaryOperator, left: Expression<A>, right: Expression<A>): Expression<A> {
  return left.kind === "constant" && right.kind === "constant"
    ? constant(binaryNumber[operator](left.value, right.value))
    : { kind: "binary", operator, left, right };
}

export function add<A>(left: Expression<A>, right: Expression<A>): Expression<A> {
  if (isConstant(left, 0)) return right;
  if (isConstant(right, 0)) return left;
  return binary("add", left, right);
}

export function subtract<A>(left: Expression<A>, right: Expression<A>): Expression<A> {
  if (isConstant(right, 0)) return left;
  return binary("subtract", left, right);
}

export function multiply<A>(left: Expression<A>, right: Expression<A>): Expression<A> {
  if (isConstant(left, 0) || isConstant(right, 0)) return constant(0);
  if (isConstant(left, 1)) return right;
  if (isConstant(right, 1)) return left;
  return binary("multiply", left, right);
}

export function divide<A>(left: Expression<A>, right: Expression<A>): Expression<A> {
  if (isConstant(left, 0)) return constant(0);
  if (isConstant(right, 1)) return left;
  return binary("divide", left, right);
}

export function pow<A>(base: Expression<A>, exponent: Expression<A>): Expression<A> {
  if (isConstant(exponent, 0)) return constant(1);
  if (isConstant(exponent, 1)) return base;
  return binary("pow", base, exponent);
}

export function min<A>(left: Expression<A>, right: Expression<A>): Expression<A> {
  return binary("min", left, right);
}

export function max<A>(left: Expression<A>, right: Expression<A>): Expression<A> {
  return binary("max", left, right);
}

export function weigh<A>(weight: Expression<A>, value: Expression<A>): Expression<A> {
  return value.kind === "constant" || weight.kind === "constant"
    ? multiply(weight, value)
    : binary("weigh", weight, value);
}

const ofOperators = { add, subtract, multiply, divide, pow, min, max, weigh } satisfies Record<BinaryOperator, unknown>;

/** What the constructor of a binary operator makes of its operands. */
export function ofOperator<A>(operator: BinaryOperator, left: Expression<A>, right: Expression<A>): Expression<A> {
  return ofOperators[operator](left, right);
}

export function select<A>(
  left: Expression<A>,
  right: Expression<A>,
  whenLess: Expression<A>,
  otherwise: Expression<A>,
): Expression<A> {
  if (left.kind === "constant" && right.kind === "constant") return left.value < right.value ? whenLess : otherwise;
  if (whenLess.kind === "constant" && isConstant(otherwise, whenLess.value)) return whenLess;
  return { kind: "select", left, right, whenLess, otherwise };
}

export function stopGradient<A>(argument: Expression<A>): Expression<A> {
  return argument.kind === "constant" ? argument : { kind: "stopGradient", argument };
}

export function within<A>(argument: Expression<A>, lowest: number, highest: number, where: string): Expression<A> {
  if (argument.kind !== "constant") return { kind: "within", argument, lowest, highest, where };
  checkWithin(argument.value, lowest, highest, where);
  return argument;
}

function checkWithin(value: number, lowest: number, highest: number, where: string): void {
  if (Number.isFinite(value) && value >= lowest && value <= highest) return;
  const right =
    lowest === Number.NEGATIVE_INFINITY && highest === Number.POSITIVE_INFINITY
      ? "Give a finite number"
      : highest === Number.POSITIVE_INFINITY
        ? `Give a finite number of at least ${lowest}`
        : `Give a number from ${lowest} to ${highest}`;
  throw new LossError(where, `got ${value}`, right);
}

export function named<A>(name: string, body: Expression<A>): Expression<A> {
  return body.kind === "constant" ? body : { kind: "named", name, body };
}

// --------------------------------------------------------------------------------------------------------- meaning

/** What an expression means in a carrier R: numbers, arrays, tensors, text, source code. */
export interface Algebra<A, R> {
  constant(value: number): R;
  atom(a: A): R;
  unary(operator: UnaryOperator, argument: R): R;
  binary(operator: BinaryOperator, left: R, right: R): R;
  select(left: R, right: R, whenLess: R, otherwise: R): R;
}

/**
 * Interprets expressions in an algebra. A node that occurs twice, in one expression or in several that the returned
 * function is given, is interpreted once.
 */
export function interpreter<A, R>(algebra: Algebra<A, R>): (e: Expression<A>) => R {
  const known = new Map<Expression<A>, R>();
  const meaning = (e: Expression<A>): R => {
    switch (e.kind) {
      case "constant":
        return algebra.constant(e.value);
      case "atom":
        return algebra.atom(e.atom);
      case "unary":
        return algebra.unary(e.operator, visit(e.argument));
      case "binary":
        return algebra.binary(e.operator, visit(e.left), visit(e.right));
      case "select":
        return algebra.select(visit(e.left), visit(e.right), visit(e.whenLess), visit(e.otherwise));
      case "stopGradient":
        return visit(e.argument);
      case "within": {
        const result = visit(e.argument);
        if (typeof result === "number") checkWithin(result, e.lowest, e.highest, e.where);
        return result;
      }
      case "named":
        return visit(e.body);
    }
  };
  const visit = (e: Expression<A>): R => {
    const seen = known.get(e);
    if (seen !== undefined) return seen;
    const result = meaning(e);
    known.set(e, result);
    return result;
  };
  return visit;
}

/** The unary operators on numbers, accurate at both ends. */
export const unaryNumber: Readonly<Record<UnaryOperator, (x: number) => number>> = {
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  sigmoid: (x) => {
    const e = Math.exp(-Math.abs(x));
    return (x < 0 ? e : 1) / (1 + e);
  },
  cos: Math.cos,
  sin: Math.sin,
  floor: Math.floor,
  abs: Math.abs,
  lambertW,
};

/** By Halley's steps from the asymptote, or from the series at the branch point −1/e. */
function lambertW(x: number): number {
  if (x === 0 || x === Number.POSITIVE_INFINITY) return x;
  const aboveBranch = Math.E * x + 1;
  if (!(aboveBranch > -1e-15)) return Number.NaN;
  const p = Math.sqrt(2 * Math.max(0, aboveBranch));
  if (p < 1e-5) return -1 + p - (p * p) / 3;
  let w = x < 1 ? -1 + p - (p * p) / 3 + (11 / 72) * p ** 3 : Math.log(x) - Math.log(Math.max(1, Math.log(x)));
  if (x < 1 && p > 1) w = Math.log1p(x) * (1 - Math.log1p(Math.log1p(x)) / (2 + Math.log1p(x)));
  for (let iteration = 0; iteration < 20; iteration++) {
    const e = Math.exp(w);
    const f = w * e - x;
    const step = f / (e * (w + 1) - ((w + 2) * f) / (2 * w + 2));
    w -= step;
    if (Math.abs(step) <= 2e-16 * Math.abs(w)) break;
  }
  return w;
}

/** The binary operators on numbers. */
export const binaryNumber: Readonly<Record<BinaryOperator, (x: number, y: number) => number>> = {
  add: (x, y) => x + y,
  subtract: (x, y) => x - y,
  multiply: (x, y) => x * y,
  divide: (x, y) => x / y,
  pow: (x, y) => x ** y,
  min: Math.min,
  max: Math.max,
  weigh: (w, x) => (w === 0 ? 0 : w * x),
};

/**
 * Replaces every atom by an expression; names and sharing are kept. A node for which `whole` gives an expression is
 * replaced by it as a whole, outermost first.
 */
export function substitute<A, B>(
  e: Expression<A>,
  replacement: (a: A) => Expression<B>,
  whole: (node: Expression<A>) => Expression<B> | null = () => null,
): Expression<B> {
  const known = new Map<Expression<A>, Expression<B>>();
  const rebuild = (node: Expression<A>): Expression<B> => {
    switch (node.kind) {
      case "constant":
        return node;
      case "atom":
        return replacement(node.atom);
      case "unary":
        return unary(node.operator, visit(node.argument));
      case "binary":
        return ofOperator(node.operator, visit(node.left), visit(node.right));
      case "select":
        return select(visit(node.left), visit(node.right), visit(node.whenLess), visit(node.otherwise));
      case "stopGradient":
        return stopGradient(visit(node.argument));
      case "within":
        return within(visit(node.argument), node.lowest, node.highest, node.where);
      case "named":
        return named(node.name, visit(node.body));
    }
  };
  const visit = (node: Expression<A>): Expression<B> => {
    const result = known.get(node) ?? whole(node) ?? rebuild(node);
    known.set(node, result);
    return result;
  };
  return visit(e);
}

/** The atoms of an expression, in order of first appearance. */
export function atomsOf<A>(e: Expression<A>): readonly A[] {
  const atoms = new Set<A>();
  substitute(e, (a) => {
    atoms.add(a);
    return atom(a);
  });
  return [...atoms];
}
