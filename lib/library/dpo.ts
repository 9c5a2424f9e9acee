import { multiply } from "../loss/expression.ts";
import { type Loss, lossOfValues } from "../loss/loss.ts";
import type { Numeric } from "../loss/schedule.ts";
import { logistic, positive, preference, preferenceOptions } from "./preferencePair.ts";

/** Options of `dpo`. */
export interface DpoOptions {
  /** How closely the policy is held to the reference model, above 0; 0.1 by default. The smaller, the farther it goes. */
  readonly beta?: Numeric;
  /** The share of pairs that are taken to be labelled the wrong way round, from 0 to ½ (conservative DPO); 0 by default. */
  readonly labelSmoothing?: Numeric;
}

/**
 * Direct preference optimisation: raises the probability of chosen responses relative to rejected ones, and to what a
 * reference model gives them, without a reward model.
 *
 * Formula, for a pair with h = log π(chosen) / ref(chosen) − log π(rejected) / ref(rejected): −(1 − e) log sigmoid(beta
 * h) − e log sigmoid(−beta h), with e the label smoothing, in nats.
 * Shapes: predictions [..., 2], the policy's log-probabilities of the chosen and the rejected response, summed over
 * their tokens; targets the reference model's. `sequenceLogProbabilities` gives them from logits, `preferencePairs` makes
 * the batch. Targets of 0 are a reference model that knows no difference.
 *
 * @throws LossError where beta is not above 0, or the label smoothing not from 0 to ½; in the call where a row has
 * not two columns.
 *
 * Source: Rafailov et al., arXiv 2305.18290; label smoothing: Mitchell, A note on DPO with noisy preferences (2023); as
 * TRL's `DPOTrainer` with loss_type "sigmoid".
 *
 * @example
 * ```ts
 * import { dpo, evaluate } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[-10, -14]], targets: [[-11, -12]] };
 * expect(evaluate(dpo({ beta: 0.1 }), batch)).toBeCloseTo(Math.log1p(Math.exp(-0.1 * 3)), 12);
 * ```
 */
export function dpo(options: DpoOptions = {}): Loss<"values", "without a weight field"> {
  const { beta = 0.1, labelSmoothing } = preferenceOptions("dpo", options);
  return lossOfValues(logistic(multiply(positive(beta, "dpo({ beta })"), preference), labelSmoothing, "dpo"));
}
