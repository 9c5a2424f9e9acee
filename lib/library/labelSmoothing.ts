import { type Keep, keep } from "../loss/combinator.ts";
import { add, atom, constant, divide, subtract, weigh } from "../loss/expression.ts";
import { type ClassExpression, mapLabelValues } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/**
 * Label smoothing: a share of each target's mass is spread over the whole vocabulary.
 *
 * Formula: ℓ_c ↦ (1 − e) ℓ_c + (e / V) Σ_k ℓ_k, with V classes, in the terms whose targets are the labels.
 * Order is meaning: after `classWeights` this is PyTorch's weighted smoothing (each class's own weight within the sum);
 * before it, a smoothed loss whose rows are weighed by their label.
 *
 * @param e the share, a number from 0 to 1 or a schedule; 0 changes nothing.
 * @throws LossError where e is outside [0, 1].
 *
 * Source: Szegedy et al., arXiv 1512.00567; the spread over all V as in PyTorch, optax and Keras.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, labelSmoothing, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, labelSmoothing(0.1));
 * expect(evaluate(loss, { logits: [[2, 1, 0.1]], labels: [0] })).toBeCloseTo(0.513697, 5);
 * ```
 */
export function labelSmoothing(e: Numeric): Keep {
  const share: ClassExpression = lift(e, "labelSmoothing(e)", { lowest: 0, highest: 1 });
  const spread = divide(share, atom({ kind: "vocabularySize" }));
  return keep("labelSmoothing", (loss) =>
    mapLabelValues(loss, (value) =>
      add(weigh(subtract(constant(1), share), value), weigh(spread, atom({ kind: "classSum", body: value }))),
    ),
  );
}
