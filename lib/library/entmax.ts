import { LossError } from "../loss/error.ts";
import { add } from "../loss/expression.ts";
import { type Loss, lossOf } from "../loss/loss.ts";
import { entmaxExcess, nll } from "../loss/probability.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { lowestAlpha } from "../loss/wholeRow.ts";

/** Options of `entmax`. */
export interface EntmaxOptions {
  /** Above 1, at most 2: near 1 it is cross entropy, 2 is sparsemax; 1.5 by default. */
  readonly alpha?: Numeric;
}

/**
 * The entmax loss, whose probabilities can be exactly 0: it is 0 as soon as the label's logit is far enough above the others.
 *
 * Formula: ℓ_c = max_p [⟨p, z⟩ + (1 − Σ_j p_j^alpha) / (alpha (alpha − 1))] − z_c over probabilities p; its gradient is
 * entmax(z) − e_c. Shapes: logits [..., V], labels [...].
 *
 * It takes ordinary ops over all logits beside the fused ones; `explain` says so.
 *
 * @throws LossError where alpha is not above 1 (by 1e-6 at least), or above 2, or not finite.
 *
 * Source: Peters, Niculae and Martins, arXiv 1905.05702; Blondel, Martins and Niculae, arXiv 1901.02324.
 *
 * @example
 * ```ts
 * import { entmax, evaluate, evaluateGradient } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[-2, 0, 0.5]], labels: [2] };
 * // entmax(z) less the label's one-hot.
 * const [gradient] = evaluateGradient(entmax(), batch) as number[][];
 * expect(gradient[0]).toBe(0);
 * expect(gradient[1]).toBeCloseTo(0.326, 4);
 * expect(evaluate(entmax(), { logits: [[0, 0, 9]], labels: [2] })).toBe(0);
 * ```
 */
export function entmax(options: EntmaxOptions = {}): Loss<"logits", "without a weight field"> {
  if (typeof options !== "object" || options === null) {
    throw new LossError("entmax", `got ${String(options)}`, "Give { alpha }, such as entmax({ alpha: 1.5 })");
  }
  const alpha = lift(options.alpha ?? 1.5, "entmax({ alpha })", { lowest: lowestAlpha, highest: 2 });
  return lossOf(add(nll, entmaxExcess(alpha)));
}
