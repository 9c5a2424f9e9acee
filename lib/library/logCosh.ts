import { add, constant, multiply, named, select, subtract, unary } from "../loss/expression.ts";
import { type ColumnExpression, type Loss, lossOfValues } from "../loss/loss.ts";
import { error, overColumns } from "../loss/values.ts";

/**
 * The logarithm of the hyperbolic cosine of the error: like half the squared error near the target and like the
 * absolute error less log 2 far from it, smooth everywhere.
 *
 * Formula, for a row: mean over its columns of log cosh(prediction − target). It does not overflow, and keeps its
 * digits for small errors.
 * Shapes: predictions and targets [..., D], or [N] for N rows of one column; see `meanSquaredError`.
 *
 * Source: as in Keras 3 (`LogCosh`); PyTorch has none.
 *
 * @example
 * ```ts
 * import { evaluate, logCosh } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[1, 1], [0, 0]], targets: [[0, 1], [0, 0]] };
 * expect(evaluate(logCosh, batch)).toBeCloseTo(0.1084, 4);
 * expect(evaluate(logCosh, { predictions: [1000], targets: [0] })).toBeCloseTo(1000 - Math.log(2), 12);
 * ```
 */
export const logCosh: Loss<"values", "without a weight field"> = lossOfValues(
  overColumns("mean", named("log cosh(prediction − target)", logCoshOf(error))),
);

/** Near 0 the sum of |x| + log(1 + exp(−2|x|)) − log 2 is a small difference: a series takes its place. */
function logCoshOf(x: ColumnExpression): ColumnExpression {
  const size = unary("abs", x);
  const folded = unary("softplus", multiply(constant(-2), size));
  const far = subtract(add(size, folded), constant(Math.LN2));
  const square = multiply(x, x);
  // x²/2 − x⁴/12 + x⁶/45 − 17 x⁸/2520; the next term is below 7e−8 of the sum.
  const series = [1 / 2, -1 / 12, 1 / 45, -17 / 2520].reduceRight<ColumnExpression>(
    (rest, coefficient) => multiply(square, add(constant(coefficient), rest)),
    constant(0),
  );
  return select(size, constant(0.25), series, far);
}
