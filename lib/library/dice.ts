import { LossError } from "../loss/error.ts";
import type { Loss } from "../loss/loss.ts";
import type { Numeric } from "../loss/schedule.ts";
import { overlap } from "./tversky.ts";

/** Options of `dice` and `jaccard`. */
export interface OverlapOptions {
  /**
   * Added to numerator and denominator, at least 0; 0 by default. With it a row without a target and without a
   * prediction is 0.
   */
  readonly smooth?: Numeric;
}

/**
 * Dice loss: one minus the Dice coefficient, the overlap of two sets relative to their mean size. It does not mind how
 * many columns are 0 in both, so that it suits segmentation where positives are few.
 *
 * Formula, for a row: 1 − (I + smooth) / (½ Σ prediction + ½ Σ target + smooth + 1e−7), with I = Σ prediction · target
 * over its columns; `tversky` at alpha = beta = ½.
 * Shapes: predictions and targets [..., D], probabilities and what is true of each, 0 or 1. A row is one pair of sets:
 * give an image as [batch, height · width].
 *
 * @throws LossError where smooth is negative or not finite.
 *
 * Source: Milletari et al., arXiv 1606.04797, with plain sums in place of squares in the denominator; as in Keras 3
 * (`Dice`), which takes the whole batch for one row unless it is given an axis. PyTorch has none.
 *
 * @example
 * ```ts
 * import { dice, evaluate, perToken, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[0, 1, 0, 1], [0.4, 0, 0, 0.9]], targets: [[1, 1, 0, 0], [1, 1, 0, 0]] };
 * const [first, second] = evaluate(pipe(dice(), perToken), batch) as number[];
 * expect(first).toBeCloseTo(0.5, 6);
 * expect(second).toBeCloseTo(0.757576, 6);
 * ```
 */
export function dice(options: OverlapOptions = {}): Loss<"values", "without a weight field"> {
  return overlap("dice", { ...overlapOptions("dice", options), alpha: 0.5, beta: 0.5 });
}

/** `options`, or a LossError where they are none. */
export function overlapOptions(name: string, options: OverlapOptions): OverlapOptions {
  if (typeof options === "object" && options !== null) return options;
  throw new LossError(name, `got ${String(options)}`, `Give { smooth }, such as ${name}({ smooth: 1 })`);
}
