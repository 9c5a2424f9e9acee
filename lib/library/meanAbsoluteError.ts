import { unary } from "../loss/expression.ts";
import { type Loss, lossOfValues } from "../loss/loss.ts";
import { error, overColumns } from "../loss/values.ts";

/**
 * Mean absolute error of predictions and targets: what makes the median of the targets the best prediction.
 *
 * Formula, for a row: mean over its columns of |prediction − target|, in the targets' unit. The gradient is 0 where
 * they are equal.
 * Shapes: predictions and targets [..., D], or [N] for N rows of one column; see `meanSquaredError`.
 *
 * Source: as in Keras 3 (`MeanAbsoluteError`) and PyTorch (`L1Loss`).
 *
 * @example
 * ```ts
 * import { evaluate, meanAbsoluteError } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(evaluate(meanAbsoluteError, { predictions: [[1, 2], [3, 4]], targets: [[1, 4], [0, 4]] })).toBe(1.25);
 * ```
 */
export const meanAbsoluteError: Loss<"values", "without a weight field"> = lossOfValues(
  overColumns("mean", unary("abs", error)),
);
