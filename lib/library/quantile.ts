import { constant, max, multiply, subtract } from "../loss/expression.ts";
import { type ColumnExpression, type Loss, lossOfValues } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { overColumns, prediction, target } from "../loss/values.ts";

/**
 * Quantile loss, also called pinball loss: what makes the tau-quantile of the targets the best prediction. At tau = ½
 * it is half the absolute error.
 *
 * Formula, for a row with x = target − prediction: mean over its columns of max(tau x, (tau − 1) x), in the targets'
 * unit.
 * Shapes: predictions and targets [..., D], or [N] for N rows of one column; see `meanSquaredError`. Several quantiles
 * of one target are several losses, added.
 *
 * @param tau the quantile, a number from 0 to 1 or a schedule.
 * @throws LossError where tau is outside [0, 1].
 *
 * Source: Koenker and Bassett 1978, doi 10.2307/1913643. Keras 3 and PyTorch have none.
 *
 * @example
 * ```ts
 * import { evaluate, quantile } from "lossmith";
 * import { expect } from "expect";
 *
 * // Too low a prediction costs nine times what one costs that is as much too high.
 * expect(evaluate(quantile(0.9), { predictions: [[0]], targets: [[1]] })).toBeCloseTo(0.9, 12);
 * expect(evaluate(quantile(0.9), { predictions: [[1]], targets: [[0]] })).toBeCloseTo(0.1, 12);
 * ```
 */
export function quantile(tau: Numeric): Loss<"values", "without a weight field"> {
  const level: ColumnExpression = lift(tau, "quantile(tau)", { lowest: 0, highest: 1 });
  const x = subtract(target, prediction);
  return lossOfValues(overColumns("mean", max(multiply(level, x), multiply(subtract(level, constant(1)), x))));
}
