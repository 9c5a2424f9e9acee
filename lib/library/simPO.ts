import { multiply, subtract } from "../loss/expression.ts";
import { type ClassExpression, type Loss, lossOfValues } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { chosen, logistic, positive, preferenceOptions, rejected } from "./preferencePair.ts";

/** Options of `simPO`. */
export interface SimPOOptions {
  /** What the difference of the mean log-probabilities is multiplied by, above 0; 2 by default. */
  readonly beta?: Numeric;
  /** The margin by which chosen responses are to lead, after beta, at least 0; 0.5 by default. */
  readonly gamma?: Numeric;
  /** The share of pairs that are taken to be labelled the wrong way round, from 0 to ½; 0 by default. */
  readonly labelSmoothing?: Numeric;
}

/**
 * SimPO: preference optimisation without a reference model, by mean log-probabilities, so that long responses have no
 * advantage, and with a margin.
 *
 * Formula, for a pair: −log sigmoid(beta (log π(chosen) − log π(rejected)) − gamma), in nats; with label smoothing as in
 * `dpo`.
 * Shapes: predictions [..., 2], the policy's log-probabilities of the chosen and the rejected response, each a mean over
 * its tokens (`sequenceLogProbabilities` with `{ per: "mean" }`). Targets of the same shape are not read;
 * `preferencePairs` without a reference gives zeros.
 *
 * @throws LossError where beta is not above 0, gamma is negative, or the label smoothing is not from 0 to ½; in the call
 * where a row has not two columns.
 *
 * Source: Meng et al., arXiv 2405.14734: beta from 2 to 2.5, and gamma / beta 0.25 where its code begins.
 *
 * @example
 * ```ts
 * import { evaluate, simPO } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { predictions: [[-0.5, -1.5]], targets: [[0, 0]] };
 * expect(evaluate(simPO({ beta: 2, gamma: 0.5 }), batch)).toBeCloseTo(Math.log1p(Math.exp(-1.5)), 12);
 * ```
 */
export function simPO(options: SimPOOptions = {}): Loss<"values", "without a weight field"> {
  const { beta = 2, gamma = 0.5, labelSmoothing } = preferenceOptions("simPO", options);
  const margin: ClassExpression = lift(gamma, "simPO({ gamma })", { lowest: 0 });
  const lead = multiply(positive(beta, "simPO({ beta })"), subtract(chosen, rejected));
  return lossOfValues(logistic(subtract(lead, margin), labelSmoothing, "simPO"));
}
