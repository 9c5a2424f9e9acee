import { multiply } from "../loss/expression.ts";
import { type Loss, lossOfValues } from "../loss/loss.ts";
import { error, overColumns } from "../loss/values.ts";

/**
 * Mean squared error of predictions and targets.
 *
 * Formula, for a row: mean over its columns of (prediction − target)², in the square of the targets' unit.
 * Shapes: predictions and targets [..., D], of one shape: neither is stretched to fit the other. A row is what is left
 * without the last axis; [N] are N rows of one column. Masks and sample weights are one for each row. To mask or weigh
 * single numbers make each a row: [..., 1].
 * Reduction: none of its own. The default `weightedMean` is, without weights, the mean over all numbers: PyTorch's
 * `MSELoss()`. With sample weights Keras's default is `mean`, which divides by the number of rows.
 *
 * Source: as in Keras 3 (`MeanSquaredError`).
 *
 * @example
 * ```ts
 * import { evaluate, meanSquaredError, perToken, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[1, 2], [3, 4]], targets: [[1, 4], [0, 4]] };
 * expect(evaluate(meanSquaredError, batch)).toBe(3.25);
 * expect(evaluate(pipe(meanSquaredError, perToken), batch)).toEqual([2, 4.5]);
 * ```
 */
export const meanSquaredError: Loss<"values", "without a weight field"> = lossOfValues(
  overColumns("mean", multiply(error, error)),
);
