import { add, constant, max, multiply, pow, subtract, weigh } from "../loss/expression.ts";
import { type ColumnExpression, type Loss, lossOfValues } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { overColumns } from "../loss/values.ts";
import { type BinaryForm, binary } from "./binary.ts";

/** Options of `binaryFocal`. */
export interface BinaryFocalOptions {
  /** What the predictions are. There is no default: the wrong one would go unseen. */
  readonly from: BinaryForm;
  /** How strongly easy decisions fade, at least 0; 2 by default, and 0 is binary cross entropy. */
  readonly gamma?: Numeric;
  /**
   * The weight of a target of 1, from 0 to 1, beside 1 − alpha for one of 0; without it both weigh 1. 0.25 is usual.
   */
  readonly alpha?: Numeric;
  /** The share of each target that is moved to ½, from 0 to 1; 0 by default. */
  readonly labelSmoothing?: Numeric;
}

/**
 * Binary focal loss: binary cross entropy in which decisions that the model already gets right fade.
 *
 * Formula, for a row: mean over its columns of a (1 − pt)^gamma · binary cross entropy, with t the target, p the
 * prediction or, from logits, its sigmoid, 1 − pt = t (1 − p) + (1 − t) p, and a = alpha t + (1 − alpha) (1 − t).
 * Shapes: predictions and targets [..., D], or [N] for N rows of one column; see `meanSquaredError` and
 * `binaryCrossEntropy`.
 *
 * @throws LossError where `from` is neither, gamma is negative, or alpha or labelSmoothing is outside [0, 1].
 *
 * Source: Lin et al., arXiv 1708.02002; as in Keras 3 (`BinaryFocalCrossentropy`, whose alpha counts with
 * `apply_class_balancing` alone) and torchvision (`sigmoid_focal_loss`, with alpha 0.25 by default).
 *
 * @example
 * ```ts
 * import { binaryFocal, evaluate } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[-18.6, 0.51], [2.94, -12.8]], targets: [[0, 1], [0, 0]] };
 * expect(evaluate(binaryFocal({ from: "logits" }), batch)).toBeCloseTo(0.691, 3);
 * expect(evaluate(binaryFocal({ from: "logits", alpha: 0.25 }), batch)).toBeCloseTo(0.51, 2);
 * ```
 */
export function binaryFocal(options: BinaryFocalOptions): Loss<"values", "without a weight field"> {
  const { crossEntropy, missed, target } = binary("binaryFocal", options);
  const gamma: ColumnExpression = lift(options.gamma ?? 2, "binaryFocal({ gamma })", { lowest: 0 });
  // The derivative of a power below 1 is infinite at 0.
  const fading = pow(max(missed, constant(1e-30)), gamma);
  const focal = weigh(fading, crossEntropy);
  if (options.alpha === undefined) return lossOfValues(overColumns("mean", focal));
  const alpha: ColumnExpression = lift(options.alpha, "binaryFocal({ alpha })", { lowest: 0, highest: 1 });
  const not = (x: ColumnExpression): ColumnExpression => subtract(constant(1), x);
  const balance = add(multiply(alpha, target), multiply(not(alpha), not(target)));
  return lossOfValues(overColumns("mean", weigh(balance, focal)));
}
