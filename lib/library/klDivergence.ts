import { add, constant, select, unary } from "../loss/expression.ts";
import { target } from "../loss/language.ts";
import { type ClassAtom, type Loss, lossOf } from "../loss/loss.ts";
import { nll } from "../loss/probability.ts";

const logTarget = select<ClassAtom>(constant(0), target, unary("log", target), constant(0));

/**
 * The divergence of the prediction from soft labels, in nats: cross entropy less the labels' entropy. At an integer label it is
 * cross entropy.
 *
 * Formula: Σ_c q_c (log q_c − log p_c), with q the labels, p = softmax(z) and 0 log 0 = 0.
 * Shapes: logits [..., V]; soft labels [..., V] of at least 0, or integer labels [...].
 * Labels that are a tensor get the gradient log q_c − log p_c + 1, and 0 where q_c is 0, as in TensorFlow; PyTorch's is NaN there.
 * It is the one loss here that is not linear in its labels: `labelSmoothing` refuses it.
 * For a teacher whose logits are at hand there is `distillation`.
 *
 * @example
 * ```ts
 * import { evaluate, klDivergence } from "lossmith";
 * import { expect } from "expect";
 *
 * const labels = [[0.25, 0.75]];
 * expect(evaluate(klDivergence, { logits: [[0, Math.log(3)]], labels })).toBeCloseTo(0, 12);
 * expect(evaluate(klDivergence, { logits: [[0, 0]], labels })).toBeCloseTo(Math.log(2) - 0.5623351, 6);
 * expect(evaluate(klDivergence, { logits: [[0, 0]], labels: [1] })).toBeCloseTo(Math.log(2), 12);
 * ```
 */
export const klDivergence: Loss<"logits", "without a weight field"> = lossOf(add(nll, logTarget));
