import { constant, max, multiply, named, select, subtract } from "../loss/expression.ts";
import { type ColumnExpression, type Loss, lossOfValues } from "../loss/loss.ts";
import { overColumns, prediction, target } from "../loss/values.ts";

/** max(0, 1 − target · prediction), with a target of 0 read as −1. */
export const hingeOfColumn: ColumnExpression = max(
  subtract(constant(1), multiply(signOfTarget(), prediction)),
  constant(0),
);

function signOfTarget(): ColumnExpression {
  // At 0, and for NaN, the last branch.
  const sign = select(target, constant(0), target, select(constant(0), target, target, subtract(target, constant(1))));
  return named("target", sign);
}

/**
 * Hinge loss: what support vector machines are trained with. A score on the right side of its margin costs nothing.
 *
 * Formula, for a row: mean over its columns of max(0, 1 − target · prediction). Targets are −1 or 1; a target of 0 is
 * read as −1, so that 0 and 1 do as well.
 * Shapes: predictions and targets [..., D], or [N] for N rows of one column; see `meanSquaredError`.
 *
 * Source: as in Keras 3 (`Hinge`), which reads 0 as −1 only where a whole batch holds nothing but 0 and 1. PyTorch's
 * `HingeEmbeddingLoss` is another loss.
 *
 * @example
 * ```ts
 * import { evaluate, hinge } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(evaluate(hinge, { predictions: [[0.5, 2]], targets: [[1, -1]] })).toBe((0.5 + 3) / 2);
 * expect(evaluate(hinge, { predictions: [[0.5, 2]], targets: [[1, 0]] })).toBe((0.5 + 3) / 2);
 * ```
 */
export const hinge: Loss<"values", "without a weight field"> = lossOfValues(overColumns("mean", hingeOfColumn));
