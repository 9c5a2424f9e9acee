import { type Keep, keep } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { add, atom, constant, divide, max, subtract, unary, weigh } from "../loss/expression.ts";
import { type ClassExpression, mapLabelValues, overAllClasses } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/** Options of `labelSmoothing`. */
export interface LabelSmoothingOptions {
  /**
   * "uniform" (default): the share is spread over all V classes. "t5x": over the V − 1 others, and the least value that is then
   * possible is subtracted.
   */
  readonly form?: "uniform" | "t5x";
}

/**
 * Label smoothing: a share of each target's mass is spread over the whole vocabulary.
 *
 * Formula: ℓ_c ↦ (1 − e) ℓ_c + (e / V) Σ_k ℓ_k, with V classes, in the terms whose targets are the labels. In the form of t5x:
 * ℓ_c ↦ (1 − e) ℓ_c + e / (V − 1) Σ_{k≠c} ℓ_k + (1 − e) log(1 − e) + e log(e / (V − 1)), where the last two parts are minus the entropy
 * of the smoothed labels.
 * Order is meaning: after `classWeights` this is PyTorch's weighted smoothing (each class's own weight within the sum);
 * before it, a smoothed loss whose rows are weighed by their label.
 *
 * @param e the share, a number from 0 to 1 or a schedule; 0 changes nothing.
 * @throws LossError where e is outside [0, 1], for an unknown form, and for a loss that reads the weights of its targets, such as
 * `klDivergence`.
 *
 * Source: Szegedy et al., arXiv 1512.00567; the spread over all V as in PyTorch, optax and Keras, the other one as in t5x and
 * tensor2tensor.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, labelSmoothing, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, labelSmoothing(0.1));
 * expect(evaluate(loss, { logits: [[2, 1, 0.1]], labels: [0] })).toBeCloseTo(0.513697, 5);
 *
 * // What is left is the divergence of the prediction from the smoothed label.
 * const others = pipe(crossEntropy, labelSmoothing(0.2, { form: "t5x" }));
 * const perfect = { logits: [[0.8, 0.1, 0.1].map(Math.log)], labels: [0] };
 * expect(evaluate(others, perfect)).toBeCloseTo(0, 12);
 * ```
 */
export function labelSmoothing(e: Numeric, options: LabelSmoothingOptions = {}): Keep {
  const share: ClassExpression = lift(e, "labelSmoothing(e)", { lowest: 0, highest: 1 });
  const form = options?.form ?? "uniform";
  if (form !== "uniform" && form !== "t5x") {
    throw new LossError("labelSmoothing({ form })", `got ${String(form)}`, 'Give "uniform" or "t5x"');
  }
  const smooth = form === "uniform" ? overAll(share) : overOthers(share);
  return keep("labelSmoothing", (loss) => mapLabelValues(loss, smooth));
}

const classes: ClassExpression = atom({ kind: "vocabularySize" });
const kept = (share: ClassExpression): ClassExpression => subtract(constant(1), share);
const total = (value: ClassExpression): ClassExpression => overAllClasses(value, "labelSmoothing");

function overAll(share: ClassExpression): (value: ClassExpression) => ClassExpression {
  const spread = divide(share, classes);
  return (value) => add(weigh(kept(share), value), weigh(spread, total(value)));
}

function overOthers(share: ClassExpression): (value: ClassExpression) => ClassExpression {
  // A vocabulary of one entry has no others.
  const each = divide(share, max(constant(1), subtract(classes, constant(1))));
  const own = kept(share);
  const negativeEntropy = add(weigh(own, unary("log", own)), weigh(share, unary("log", each)));
  return (value) => add(add(weigh(subtract(own, each), value), weigh(each, total(value))), negativeEntropy);
}
