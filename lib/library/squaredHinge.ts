import { multiply } from "../loss/expression.ts";
import { type Loss, lossOfValues } from "../loss/loss.ts";
import { overColumns } from "../loss/values.ts";
import { hingeOfColumn } from "./hinge.ts";

/**
 * Squared hinge loss: as `hinge`, with a gradient that fades at the margin.
 *
 * Formula, for a row: mean over its columns of max(0, 1 − target · prediction)². Targets are −1 or 1; a target of 0 is
 * read as −1.
 * Shapes: predictions and targets [..., D], or [N] for N rows of one column; see `meanSquaredError`.
 *
 * Source: as in Keras 3 (`SquaredHinge`).
 *
 * @example
 * ```ts
 * import { evaluate, squaredHinge } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(evaluate(squaredHinge, { predictions: [[0.5, 2]], targets: [[1, -1]] })).toBe((0.25 + 9) / 2);
 * ```
 */
export const squaredHinge: Loss<"values", "without a weight field"> = lossOfValues(
  overColumns("mean", multiply(hingeOfColumn, hingeOfColumn)),
);
