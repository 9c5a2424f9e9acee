import { atom } from "../loss/expression.ts";
import { type Loss, lossOf } from "../loss/loss.ts";
import { plainView } from "../loss/view.ts";

/**
 * Softmax cross entropy of logits and integer labels, in nats.
 *
 * Formula: ℓ_c(z) = −log softmax(z)_c = logsumexp(z) − z_c, at c = the row's label.
 * Shapes: logits [..., V], labels [...].
 * Reduction: none of its own; `compile` and `evaluate` take the weighted mean where none is given, which is the plain
 * mean as long as there are no weights.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(evaluate(crossEntropy, { logits: [[2, 1, 0.1]], labels: [0] })).toBeCloseTo(0.41703, 5);
 * ```
 */
export const crossEntropy: Loss<"logits", "without a weight field"> = lossOf(atom({ kind: "nll", view: plainView }));
