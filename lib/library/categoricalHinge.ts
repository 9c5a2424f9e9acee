import { add, constant, max, multiply, subtract } from "../loss/expression.ts";
import { type Loss, lossOfValues } from "../loss/loss.ts";
import { overColumns, prediction, target } from "../loss/values.ts";

/**
 * Categorical hinge loss: the score of the right class should lead the best of the others by 1.
 *
 * Formula, for a row: max(0, 1 + max over columns of (1 − target) · prediction − Σ over columns of target ·
 * prediction). The gradient of a maximum is shared evenly by the columns that have it.
 * Shapes: predictions [..., D], one score for each class; targets [..., D], 1 at the right class and 0 elsewhere.
 *
 * Source: Weston and Watkins 1999; as in Keras 3 (`CategoricalHinge`), where the right class too is among those of the
 * maximum, with 0. PyTorch's `MultiMarginLoss` adds up the margins of all other classes.
 *
 * @example
 * ```ts
 * import { categoricalHinge, evaluate } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(evaluate(categoricalHinge, { predictions: [[2, 1.5, -1]], targets: [[1, 0, 0]] })).toBe(0.5);
 * ```
 */
export const categoricalHinge: Loss<"values", "without a weight field"> = lossOfValues(
  max(
    subtract(
      add(constant(1), overColumns("max", multiply(subtract(constant(1), target), prediction))),
      overColumns("sum", multiply(target, prediction)),
    ),
    constant(0),
  ),
);
