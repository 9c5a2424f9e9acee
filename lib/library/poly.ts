import { type Keep, keep } from "../loss/combinator.ts";
import { add, weigh } from "../loss/expression.ts";
import { type ClassExpression, mapValues } from "../loss/loss.ts";
import { complement } from "../loss/probability.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/**
 * PolyLoss (Poly-1): changes the weight of the leading polynomial term of cross entropy.
 *
 * Formula: ℓ_c ↦ ℓ_c + e (1 − p_c), with p = softmax of the loss's own logits, in every term built so far.
 *
 * @param e the coefficient; 0 changes nothing, 2 is optax's default.
 * @throws LossError where e is not finite.
 *
 * Source: Leng et al., arXiv 2204.12511.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, pipe, poly } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[0.14, 1.456, 2.356, -0.124, -2.47]], labels: [[0.1, 0.15, 0.2, 0.25, 0.3]] };
 * expect(evaluate(pipe(crossEntropy, poly(2)), batch)).toBeCloseTo(4.5317, 3);
 * ```
 */
export function poly(e: Numeric): Keep {
  const coefficient: ClassExpression = lift(e, "poly(e)");
  return keep("poly", (loss) => mapValues(loss, (value) => add(value, weigh(coefficient, complement))));
}
