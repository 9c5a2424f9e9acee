import { type Loss, lossOf } from "../loss/loss.ts";
import { nll } from "../loss/probability.ts";

/**
 * Softmax cross entropy of logits and labels, in nats.
 *
 * Formula: ℓ_c(z) = −log softmax(z)_c = logsumexp(z) − z_c. A row with an integer label y is ℓ_y; one with soft labels q
 * is Σ_c q_c ℓ_c, whatever q sums to.
 * Shapes: logits [..., V]; integer labels [...] or soft labels [..., V].
 * Reduction: none of its own; `compile` and `evaluate` take the weighted mean where none is given, which is the plain
 * mean as long as there are no weights.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(evaluate(crossEntropy, { logits: [[2, 1, 0.1]], labels: [0] })).toBeCloseTo(0.41703, 5);
 * expect(evaluate(crossEntropy, { logits: [[0, 0]], labels: [[0.3, 0.7]] })).toBeCloseTo(Math.log(2), 12);
 * ```
 */
export const crossEntropy: Loss<"logits", "without a weight field"> = lossOf(nll);
