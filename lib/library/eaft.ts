import { type Keep, keep } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { constant, divide, pow, stopGradient, weigh } from "../loss/expression.ts";
import { mapValues } from "../loss/loss.ts";
import { topEntropy } from "../loss/probability.ts";
import { finite, lift, type Numeric } from "../loss/schedule.ts";

/** Options of `eaft`. */
export interface EaftOptions {
  /** The power of the entropy, at least 0; 1 by default, 0 leaves the loss as it is. */
  readonly alpha?: Numeric;
  /** How many of the highest logits the entropy is of, a whole number of at least 1; 20 by default. */
  readonly k?: number;
}

/** What the paper's code divides by: about log 20. */
const scaleOfEntropy = 3;

/**
 * Entropy-adaptive fine-tuning: rows that the model is sure of, rightly or wrongly, fade, so that what it knows is kept.
 *
 * Formula: ℓ_c ↦ sg(H_k / 3)^alpha ℓ_c, with H_k the entropy in nats of the softmax of the k highest logits; no gradient goes
 * through it. In every term built so far.
 *
 * It takes ordinary ops over all logits beside the fused ones; `explain` says so.
 *
 * @throws LossError where alpha is negative or not finite, or k is no whole number of at least 1.
 *
 * Source: arXiv 2601.02151 and its code (alpha 1, k 20, 3).
 *
 * @example
 * ```ts
 * import { crossEntropy, eaft, evaluate, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, eaft());
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(Math.log(2) ** 2 / 3, 12);
 * ```
 */
export function eaft(options: EaftOptions = {}): Keep {
  if (typeof options !== "object" || options === null) {
    throw new LossError("eaft", `got ${String(options)}`, "Give { alpha, k }, such as eaft({ alpha: 1 })");
  }
  const alpha = lift(options.alpha ?? 1, "eaft({ alpha })", { lowest: 0 });
  const k = finite(options.k ?? 20, "eaft({ k })", { lowest: 1 });
  if (!Number.isInteger(k)) throw new LossError("eaft({ k })", `got ${k}`, "Give a whole number of at least 1");
  const weight = stopGradient(pow(divide(topEntropy(k), constant(scaleOfEntropy)), alpha));
  return keep("eaft", (loss) => mapValues(loss, (value) => weigh(weight, value)));
}
