import { LossError } from "../loss/error.ts";
import { atom, constant, divide, multiply, subtract } from "../loss/expression.ts";
import { type ClassAtom, type ClassExpression, type Loss, lossOf } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { plainView, type View } from "../loss/view.ts";

/** Options of `distillation`. */
export interface DistillationOptions {
  /** T, what both models' logits are divided by, above 0; 1 by default, 2 to 4 are usual. */
  readonly temperature?: Numeric;
}

/**
 * Distillation: the divergence of the model from a teacher, whose logits the batch gives as `teacher`.
 *
 * Formula: T² · KL(q ‖ p) = T² Σ_c q_c (log q_c − log p_c), with q = softmax(teacher / T) and p = softmax(z / T).
 * Its targets are the teacher's q, not the labels: a weight field weighs the teacher's classes, `labelSmoothing` leaves it
 * alone, and it counts each valid row as 1 in a weighted mean. Mix it with a loss of the labels by `add`.
 * The teacher is a constant: no gradient reaches its logits. Its softmax is not kept.
 *
 * @throws LossError where T is not above 0 or not finite; a batch without `teacher` is a LossError too.
 *
 * Source: Hinton, Vinyals and Dean, arXiv 1503.02531.
 *
 * @example
 * ```ts
 * import { add, crossEntropy, distillation, evaluate, pipe, scale } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[2, 0]], teacher: [[2, 0]], labels: [1] };
 * const soft = distillation({ temperature: 2 });
 * expect(evaluate(soft, batch)).toBeCloseTo(0, 12);
 * expect(evaluate(soft, { ...batch, teacher: [[0, 0]] })).toBeCloseTo(4 * 0.12011, 4);
 *
 * const mixed = pipe(crossEntropy, scale(0.3), add(pipe(soft, scale(0.7))));
 * expect(evaluate(mixed, batch)).toBeCloseTo(0.3 * Math.log1p(Math.exp(2)), 12);
 * ```
 */
export function distillation(options: DistillationOptions = {}): Loss<"logits", "without a weight field"> {
  if (typeof options !== "object" || options === null) {
    throw new LossError("distillation", `got ${String(options)}`, "Give { temperature }, such as { temperature: 2 }");
  }
  const t = lift(options.temperature ?? 1, "distillation({ temperature })", { lowest: Number.MIN_VALUE });
  const view: View = { ...plainView, scale: divide(constant(1), t) };
  const teacher: View = { ...view, of: "teacher" };
  const nll = (of: View): ClassExpression => atom({ kind: "nll", view: of });
  return lossOf(multiply<ClassAtom>(multiply(t, t), subtract(nll(view), nll(teacher))), teacher);
}
