import { type Keep, keep } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { atom, constant, max, pow, weigh } from "../loss/expression.ts";
import { type ClassExpression, mapValues } from "../loss/loss.ts";
import { nonNegativeNumbers } from "../loss/numbers.ts";
import { complement } from "../loss/probability.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/** Options of `focal`. */
export interface FocalOptions {
  /** How strongly easy rows fade, at least 0; 0 is plain cross entropy. */
  readonly gamma: Numeric;
  /** A factor for every class, or one for each class; it does not count as a weight in `weightedMean`. 1 by default. */
  readonly alpha?: Numeric | ArrayLike<number>;
}

/**
 * Focal loss: rows that the model already gets right fade.
 *
 * Formula: ℓ_c ↦ alpha_c (1 − p_c)^gamma ℓ_c, with p = softmax of the loss's own logits, in every term built so far.
 *
 * @throws LossError where gamma or alpha is negative or not finite.
 *
 * Source: Lin et al., arXiv 1708.02002 (gamma 2).
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, focal, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, focal({ gamma: 2 }));
 * expect(evaluate(loss, { logits: [[2, 1, 0.1]], labels: [0] })).toBeCloseTo(0.04849234, 8);
 * ```
 */
export function focal(options: FocalOptions): Keep {
  if (typeof options !== "object" || options === null) {
    throw new LossError("focal", `got ${String(options)}`, "Give { gamma }, such as focal({ gamma: 2 })");
  }
  const gamma: ClassExpression = lift(options.gamma, "focal({ gamma })", { lowest: 0 });
  const alpha = alphaOf(options.alpha ?? 1);
  // The derivative of a power below 1 is infinite at 0.
  const fading = pow(max(complement, constant(1e-30)), gamma);
  return keep("focal", (loss) => mapValues(loss, (value) => weigh(alpha, weigh(fading, value))));
}

function alphaOf(alpha: Numeric | ArrayLike<number>): ClassExpression {
  if (typeof alpha !== "object" || alpha === null || "kind" in alpha)
    return lift(alpha, "focal({ alpha })", { lowest: 0 });
  const values = nonNegativeNumbers(alpha, "focal({ alpha })", "factor");
  return atom({ kind: "weight", field: { source: { name: "focal alpha", values, counts: null }, laws: [] } });
}
