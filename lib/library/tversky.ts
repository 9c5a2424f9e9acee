import { LossError } from "../loss/error.ts";
import { add, constant, divide, multiply, subtract } from "../loss/expression.ts";
import { type ClassExpression, type Loss, lossOfValues } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { epsilon, overColumns, prediction, target } from "../loss/values.ts";

/** Options of `tversky`. */
export interface TverskyOptions {
  /** What false positives cost: predictions where there is no target. At least 0. */
  readonly alpha: Numeric;
  /** What false negatives cost: targets that are not predicted. At least 0. */
  readonly beta: Numeric;
  /**
   * Added to numerator and denominator, at least 0; 0 by default. With it a row without a target and without a
   * prediction is 0.
   */
  readonly smooth?: Numeric;
}

/**
 * Tversky loss: one minus an overlap of two sets, in which false positives and false negatives cost differently. At
 * alpha = beta = ½ it is the `dice` loss, at 1 the `jaccard` loss.
 *
 * Formula, for a row: 1 − (I + smooth) / (I + alpha FP + beta FN + smooth + 1e−7), with sums over its columns I = Σ
 * prediction · target, FP = Σ prediction · (1 − target) and FN = Σ (1 − prediction) · target.
 * Shapes: predictions and targets [..., D], probabilities and what is true of each, 0 or 1. A row is one pair of sets:
 * give an image as [batch, height · width].
 *
 * @throws LossError where alpha, beta or smooth is negative or not finite.
 *
 * Source: Salehi et al., arXiv 1706.05721, which recommends beta above alpha where positives are few. Keras 3
 * (`Tversky`) has the two the other way round, alpha for false negatives, and takes the whole batch for one row unless
 * it is given an axis.
 *
 * @example
 * ```ts
 * import { evaluate, tversky } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[0.8, 0.3, 0]], targets: [[1, 0, 0]] };
 * expect(evaluate(tversky({ alpha: 0.3, beta: 0.7 }), batch)).toBeCloseTo(1 - 0.8 / (0.8 + 0.3 * 0.3 + 0.7 * 0.2), 6);
 * ```
 */
export function tversky(options: TverskyOptions): Loss<"values", "without a weight field"> {
  if (typeof options !== "object" || options === null) {
    throw new LossError("tversky", `got ${String(options)}`, "Give { alpha, beta }, such as { alpha: 0.3, beta: 0.7 }");
  }
  return overlap("tversky", options);
}

/** The loss with the name of the combinator that its options are given to. */
export function overlap(name: string, options: TverskyOptions): Loss<"values", "without a weight field"> {
  const coefficient = (option: keyof TverskyOptions, value: Numeric): ClassExpression =>
    lift(value, `${name}({ ${option} })`, { lowest: 0 });
  const alpha = coefficient("alpha", options.alpha);
  const beta = coefficient("beta", options.beta);
  const smooth = coefficient("smooth", options.smooth ?? 0);
  const one = constant(1);
  const shared = overColumns("sum", multiply(prediction, target));
  const falsePositives = overColumns("sum", multiply(prediction, subtract(one, target)));
  const falseNegatives = overColumns("sum", multiply(subtract(one, prediction), target));
  // One less the overlap I / (I + missed) as 1 / (1 + I / missed): nothing cancels, in the gradient neither.
  const missed = add(add(multiply(alpha, falsePositives), multiply(beta, falseNegatives)), constant(epsilon));
  return lossOfValues(divide(one, add(one, divide(add(shared, smooth), missed))));
}
