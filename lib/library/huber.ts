import { LossError } from "../loss/error.ts";
import { constant, multiply, select, subtract, unary } from "../loss/expression.ts";
import { type ColumnExpression, type Loss, lossOfValues } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { error, overColumns } from "../loss/values.ts";

/** Options of `huber`. */
export interface HuberOptions {
  /** Where the loss goes over from a square to a straight line, above 0 and in the targets' unit; 1 by default. */
  readonly delta?: Numeric;
}

/**
 * Huber loss: a square near the target and straight beyond, so that outliers pull with a bounded force.
 *
 * Formula, for a row with x = prediction − target: mean over its columns of ½ x² where |x| ≤ delta, and of delta (|x| −
 * ½ delta) elsewhere. Its limits are half the squared error for a large delta, and delta times the absolute one for a
 * small.
 * Shapes: predictions and targets [..., D], or [N] for N rows of one column; see `meanSquaredError`.
 *
 * @throws LossError where delta is not above 0 or not finite.
 *
 * Source: Huber 1964, doi 10.1214/aoms/1177703732; as in Keras 3 and PyTorch (`HuberLoss`). PyTorch's `SmoothL1Loss` is
 * this divided by delta.
 *
 * @example
 * ```ts
 * import { evaluate, huber } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[0.6, 0.4], [0.4, 0.6]], targets: [[0, 1], [0, 0]] };
 * expect(evaluate(huber(), batch)).toBeCloseTo(0.155, 12);
 * expect(evaluate(huber({ delta: 0.5 }), batch)).toBeCloseTo(0.15125, 12);
 * ```
 */
export function huber(options: HuberOptions = {}): Loss<"values", "without a weight field"> {
  if (typeof options !== "object" || options === null) {
    throw new LossError("huber", `got ${String(options)}`, "Give { delta }, such as huber({ delta: 1 })");
  }
  const delta: ColumnExpression = lift(options.delta ?? 1, "huber({ delta })", { lowest: Number.MIN_VALUE });
  const half: ColumnExpression = constant(0.5);
  const size = unary("abs", error);
  const straight = multiply(delta, subtract(size, multiply(half, delta)));
  return lossOfValues(overColumns("mean", select(delta, size, straight, multiply(half, multiply(error, error)))));
}
