import { add, constant, subtract, unary, weigh } from "../loss/expression.ts";
import { type Loss, lossOfValues } from "../loss/loss.ts";
import { epsilon, overColumns, prediction, target } from "../loss/values.ts";

/**
 * Poisson loss: the negative log likelihood of counts, given their expected numbers, less what does not depend on
 * these.
 *
 * Formula, for a row: mean over its columns of prediction − target · log(prediction + 1e−7), in nats. Predictions are
 * rates of at least 0. A target of 0 adds the prediction alone.
 * Shapes: predictions and targets [..., D], or [N] for N rows of one column; see `meanSquaredError`.
 *
 * Source: as in Keras 3 (`Poisson`). PyTorch's `PoissonNLLLoss` takes log rates unless `log_input=False`, and adds
 * 1e−8.
 *
 * @example
 * ```ts
 * import { evaluate, poisson } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[2, 0.5]], targets: [[3, 0]] };
 * expect(evaluate(poisson, batch)).toBeCloseTo((2 - 3 * Math.log(2) + 0.5) / 2, 6);
 * ```
 */
export const poisson: Loss<"values", "without a weight field"> = lossOfValues(
  overColumns("mean", subtract(prediction, weigh(target, unary("log", add(prediction, constant(epsilon)))))),
);
