import { constant, divide, multiply, subtract } from "../loss/expression.ts";
import { type Loss, lossOfValues } from "../loss/loss.ts";
import type { Numeric } from "../loss/schedule.ts";
import { positive, preference, preferenceOptions } from "./preferencePair.ts";

/** Options of `ipo`. */
export interface IpoOptions {
  /** How closely the policy is held to the reference model, above 0: the paper's tau; 0.1 by default. */
  readonly beta?: Numeric;
}

/**
 * Identity preference optimisation: DPO with a square in place of the logistic loss, so that a pair that is always
 * preferred does not pull the policy away from the reference model without bound.
 *
 * Formula, for a pair with h = log π(chosen) / ref(chosen) − log π(rejected) / ref(rejected): (h − 1 / (2 beta))².
 * Shapes: predictions and targets [..., 2], as for `dpo`. The paper's log-probabilities are sums over the tokens of a
 * response; TRL gives their means, which the `sequenceLogProbabilities` of `{ per: "mean" }` are.
 *
 * @throws LossError where beta is not above 0; in the call where a row has not two columns.
 *
 * Source: Azar et al., arXiv 2310.12036, equation 17; as TRL's `DPOTrainer` with loss_type "ipo".
 *
 * @example
 * ```ts
 * import { evaluate, ipo } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[-10, -14]], targets: [[-11, -12]] };
 * expect(evaluate(ipo({ beta: 0.1 }), batch)).toBeCloseTo((3 - 5) ** 2, 12);
 * ```
 */
export function ipo(options: IpoOptions = {}): Loss<"values", "without a weight field"> {
  const { beta = 0.1 } = preferenceOptions("ipo", options);
  const off = subtract(preference, divide(constant(0.5), positive(beta, "ipo({ beta })")));
  return lossOfValues(multiply(off, off));
}
