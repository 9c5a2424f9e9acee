import {
  add,
  type BinaryOperator,
  constant,
  divide,
  type Expression,
  isConstant,
  multiply,
  pow,
  select,
  subtract,
  type UnaryOperator,
  unary,
  weigh,
} from "./expression.ts";

/**
 * The derivative of an expression with respect to the atoms that `isVariable` picks, as an expression. The rest are
 * constants; so is everything under stopGradient. Shared nodes stay shared.
 *
 * Laws (tested against finite differences): linear in sums, the product rule, the chain rule; the derivative of an
 * expression without the variable is `constant(0)`.
 */
export function differentiate<A>(e: Expression<A>, isVariable: (a: A) => boolean): Expression<A> {
  const known = new Map<Expression<A>, Expression<A>>();
  const rule = (node: Expression<A>): Expression<A> => {
    switch (node.kind) {
      case "constant":
      case "stopGradient":
        return constant(0);
      case "atom":
        return constant(isVariable(node.atom) ? 1 : 0);
      case "unary": {
        const inner = derivative(node.argument);
        return isConstant(inner, 0) ? inner : multiply(unaryDerivative[node.operator](node.argument), inner);
      }
      case "binary":
        return binaryDerivative(node.operator, node.left, node.right, derivative(node.left), derivative(node.right));
      case "select":
        return select(node.left, node.right, derivative(node.whenLess), derivative(node.otherwise));
      case "within":
        return derivative(node.argument);
      case "named":
        return derivative(node.body);
    }
  };
  const derivative = (node: Expression<A>): Expression<A> => {
    const result = known.get(node) ?? rule(node);
    known.set(node, result);
    return result;
  };
  return derivative(e);
}

const unaryDerivative: Record<UnaryOperator, <A>(x: Expression<A>) => Expression<A>> = {
  exp: (x) => unary("exp", x),
  expm1: (x) => unary("exp", x),
  log: (x) => divide(constant(1), x),
  log1p: (x) => divide(constant(1), add(constant(1), x)),
  softplus: (x) => unary("sigmoid", x),
  sigmoid: (x) => multiply(unary("sigmoid", x), unary("sigmoid", subtract(constant(0), x))),
  cos: (x) => subtract(constant(0), unary("sin", x)),
  sin: (x) => unary("cos", x),
  floor: () => constant(0),
  // 0 at 0, and NaN at NaN.
  abs: (x) => select(x, constant(0), constant(-1), select(constant(0), x, constant(1), x)),
  // From w exp(w) = x, in a form that is right at 0 too.
  lambertW: (x) => {
    const w = unary("lambertW", x);
    return divide(unary("exp", subtract(constant(0), w)), add(constant(1), w));
  },
};

function binaryDerivative<A>(
  operator: BinaryOperator,
  left: Expression<A>,
  right: Expression<A>,
  dLeft: Expression<A>,
  dRight: Expression<A>,
): Expression<A> {
  switch (operator) {
    case "add":
      return add(dLeft, dRight);
    case "subtract":
      return subtract(dLeft, dRight);
    case "multiply":
      return add(multiply(dLeft, right), multiply(left, dRight));
    case "weigh":
      return add(weigh(dLeft, right), weigh(left, dRight));
    case "divide":
      return subtract(divide(dLeft, right), multiply(divide(left, multiply(right, right)), dRight));
    case "pow":
      return add(
        weigh(dLeft, multiply(right, pow(left, subtract(right, constant(1))))),
        multiply(multiply(pow(left, right), unary("log", left)), dRight),
      );
    case "min":
      return select(left, right, dLeft, dRight);
    case "max":
      return select(left, right, dRight, dLeft);
  }
}
