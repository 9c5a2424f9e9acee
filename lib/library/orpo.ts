import { add, constant, divide, max, multiply, select, subtract, unary } from "../loss/expression.ts";
import { type ClassExpression, type Loss, lossOfValues } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { chosen, preferenceOptions, rejected } from "./preferencePair.ts";

/** Options of `orpo`. */
export interface OrpoOptions {
  /** The weight of the odds ratio, at least 0: TRL's beta; 0.1 by default. */
  readonly lambda?: Numeric;
  /**
   * The weight of the chosen response's own −log π, at least 0; 1 by default. 0 leaves the odds ratio alone, to which
   * the cross entropy of a whole batch may be added, a mean over its tokens, as TRL does.
   */
  readonly likelihood?: Numeric;
}

const zero = constant(0);
const minus = (x: ClassExpression): ClassExpression => subtract(zero, x);

/** log(1 − exp(x)) for x < 0, from whichever of 1 − exp(x) and exp(x) is small. */
function logOfRest(x: ClassExpression): ClassExpression {
  const small = unary("log1p", minus(unary("exp", x)));
  return select(x, constant(-Math.LN2), small, unary("log", minus(unary("expm1", x))));
}

/**
 * −log sigmoid of the log odds ratio: log(1 + R) with R the odds of the rejected response over those of the chosen. R
 * itself where the chosen one leads, which is exact up to a probability of 1; else log R, which does not overflow.
 */
function oddsRatioLoss(): ClassExpression {
  const lead = subtract(rejected, chosen);
  const logRatio = add(lead, subtract(logOfRest(chosen), logOfRest(rejected)));
  const ratio = multiply(unary("exp", lead), divide(unary("expm1", chosen), unary("expm1", rejected)));
  return select(chosen, rejected, unary("softplus", logRatio), unary("log1p", ratio));
}

/**
 * ORPO: the likelihood of chosen responses and the odds ratio of chosen against rejected ones in one loss, without a
 * reference model, so that one training takes the place of fine-tuning and preference optimisation.
 *
 * Formula, for a pair: −likelihood · log π(chosen) − lambda · log sigmoid(log odds(chosen) − log odds(rejected)), with
 * odds = π / (1 − π), in nats.
 * Shapes: predictions [..., 2], the policy's log-probabilities of the chosen and the rejected response, each a mean over
 * its tokens (`sequenceLogProbabilities` with `{ per: "mean" }`). Targets of the same shape are not read;
 * `preferencePairs` without a reference gives zeros.
 * A rejected response of probability 1 has an infinite loss. A number above 0 is the logarithm of no probability: its
 * row is NaN.
 *
 * @throws LossError where lambda or likelihood is negative; in the call where a row has not two columns.
 *
 * Source: Hong et al., arXiv 2403.07691; TRL's `ORPOTrainer`.
 *
 * @example
 * ```ts
 * import { evaluate, orpo } from "lossmith";
 * import { expect } from "expect";
 *
 * // Odds of 1 and of ⅓.
 * const batch = { predictions: [[Math.log(0.5), Math.log(0.25)]], targets: [[0, 0]] };
 * expect(evaluate(orpo({ lambda: 0.1 }), batch)).toBeCloseTo(Math.LN2 + 0.1 * Math.log(4 / 3), 12);
 * ```
 */
export function orpo(options: OrpoOptions = {}): Loss<"values", "without a weight field"> {
  const { lambda = 0.1, likelihood = 1 } = preferenceOptions("orpo", options);
  const strength: ClassExpression = lift(lambda, "orpo({ lambda })", { lowest: 0 });
  const own: ClassExpression = lift(likelihood, "orpo({ likelihood })", { lowest: 0 });
  const value = add(multiply(own, minus(chosen)), multiply(strength, oddsRatioLoss()));
  const largest = max(chosen, rejected);
  return lossOfValues(select(zero, largest, multiply(value, unary("log", minus(largest))), value));
}
