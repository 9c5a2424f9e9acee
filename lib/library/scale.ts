import type { Whole } from "../loss/combinator.ts";
import { scaleLoss } from "../loss/loss.ts";
import { liftTrainable, type Trainable } from "../loss/parameter.ts";

/**
 * Multiplies a loss by a number, a schedule or a trainable parameter. Denominators stay, so `weightedMean(scale(2)(l)) = 2 · weightedMean(l)`.
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
export function scale(factor: Trainable): Whole {
  const number = liftTrainable(factor, "scale(factor)");
  return (loss) => scaleLoss(loss, number);
}
