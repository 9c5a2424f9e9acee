import { type Keep, keep } from "../loss/combinator.ts";
import { add, constant, multiply, stopGradient, subtract, weigh } from "../loss/expression.ts";
import { type ClassExpression, mapValues } from "../loss/loss.ts";
import { likelihood } from "../loss/probability.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/**
 * MixCE: mixes cross entropy with an estimate of the reverse one, which weighs a token by its own probability.
 *
 * Formula: ℓ_c ↦ (e + (1 − e) sg(p_c)) ℓ_c, with p = softmax of the loss's own logits and sg the stop-gradient, in every
 * term built so far.
 *
 * @param e the share of plain cross entropy, a number from 0 to 1 or a schedule; 1 changes nothing, 0 is `dft`.
 * @throws LossError where e is outside [0, 1].
 *
 * Source: Zhang et al., arXiv 2305.16958.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, mixCE, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, mixCE(0.6));
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [1] })).toBeCloseTo((0.6 + 0.4 * 0.5) * Math.log(2), 12);
 * ```
 */
export function mixCE(e: Numeric): Keep {
  const share: ClassExpression = lift(e, "mixCE(e)", { lowest: 0, highest: 1 });
  const weight = add(share, multiply(subtract(constant(1), share), stopGradient(likelihood)));
  return keep("mixCE", (loss) => mapValues(loss, (value) => weigh(weight, value)));
}
