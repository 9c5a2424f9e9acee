import { type Keep, keep } from "../loss/combinator.ts";
import { constant, subtract, weigh } from "../loss/expression.ts";
import { appendTerm, type ClassExpression } from "../loss/loss.ts";
import { entropy } from "../loss/probability.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/**
 * Confidence penalty: rewards the entropy of the prediction. A term of its own, which weights attached before do not
 * reach.
 *
 * Formula: − beta · H(softmax(z)).
 *
 * @param beta the coefficient; 0.1 is usual.
 * @throws LossError where beta is not finite.
 *
 * Source: Pereyra et al., arXiv 1701.06548.
 *
 * @example
 * ```ts
 * import { confidencePenalty, crossEntropy, evaluate, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, confidencePenalty(0.1));
 * expect(evaluate(loss, { logits: [[2, 1, 0.1]], labels: [0] })).toBeCloseTo(0.3323562, 7);
 * ```
 */
export function confidencePenalty(beta: Numeric): Keep {
  const coefficient: ClassExpression = lift(beta, "confidencePenalty(beta)");
  return keep("confidencePenalty", (loss) => appendTerm(loss, subtract(constant(0), weigh(coefficient, entropy))));
}
