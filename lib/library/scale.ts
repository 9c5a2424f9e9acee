import type { Whole } from "../loss/combinator.ts";
import { scaleLoss } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/**
 * Multiplies a loss by a number or a schedule. Denominators stay, so `weightedMean(scale(2)(l)) = 2 · weightedMean(l)`.
 *
 * @throws LossError where the factor is not finite.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, pipe, scale } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, scale(2));
 * expect(evaluate(loss, { logits: [[2, 1, 0.1]], labels: [0] })).toBeCloseTo(0.83406, 5);
 * ```
 */
export function scale(factor: Numeric): Whole {
  const schedule = lift(factor, "scale(factor)");
  return (loss) => scaleLoss(loss, schedule);
}
