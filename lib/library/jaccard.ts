import type { Loss } from "../loss/loss.ts";
import { type OverlapOptions, overlapOptions } from "./dice.ts";
import { overlap } from "./tversky.ts";

/**
 * Jaccard loss: one minus the intersection over the union of two sets.
 *
 * Formula, for a row: 1 − (I + smooth) / (Σ prediction + Σ target − I + smooth + 1e−7), with I = Σ prediction · target
 * over its columns; `tversky` at alpha = beta = 1.
 * Shapes: predictions and targets [..., D], probabilities and what is true of each, 0 or 1. A row is one pair of sets:
 * give an image as [batch, height · width].
 *
 * @throws LossError where smooth is negative or not finite.
 *
 * Source: Rahman and Wang 2016, doi 10.1007/978-3-319-50835-1_22. Keras 3 and PyTorch have none.
 *
 * @example
 * ```ts
 * import { evaluate, jaccard } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(evaluate(jaccard(), { predictions: [[1, 1, 0, 0]], targets: [[1, 0, 1, 0]] })).toBeCloseTo(2 / 3, 6);
 * ```
 */
export function jaccard(options: OverlapOptions = {}): Loss<"values", "without a weight field"> {
  return overlap("jaccard", { ...overlapOptions("jaccard", options), alpha: 1, beta: 1 });
}
