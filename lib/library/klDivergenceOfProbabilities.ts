import { subtract, unary, weigh } from "../loss/expression.ts";
import { type Loss, lossOfValues } from "../loss/loss.ts";
import { clamp, epsilon, overColumns, prediction, target } from "../loss/values.ts";

/**
 * The Kullback–Leibler divergence of predicted probabilities from target probabilities, KL(target ‖ prediction).
 *
 * Formula, for a row: Σ over its columns of target · log(target / prediction), in nats. Targets and predictions are
 * taken for numbers in [1e−7, 1] within the logarithm, and a target of 0 adds 0.
 * Shapes: predictions and targets [..., D], D ≥ 1 numbers that sum to 1 in each row; no softmax is taken.
 *
 * Source: as in Keras 3 (`KLDivergence`), which takes a target of 0 for 1e−7, so that it adds up to −1.7e−6. PyTorch's
 * `KLDivLoss` takes log probabilities and clamps nothing; its "batchmean" is `mean`.
 *
 * @example
 * ```ts
 * import { evaluate, klDivergenceOfProbabilities } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[0.5, 0.5]], targets: [[1, 0]] };
 * expect(evaluate(klDivergenceOfProbabilities, batch)).toBeCloseTo(Math.log(2), 12);
 * ```
 */
export const klDivergenceOfProbabilities: Loss<"values", "without a weight field"> = lossOfValues(
  overColumns(
    "sum",
    weigh(
      clamp(target, 0, 1),
      subtract(unary("log", clamp(target, epsilon, 1)), unary("log", clamp(prediction, epsilon, 1))),
    ),
  ),
);
