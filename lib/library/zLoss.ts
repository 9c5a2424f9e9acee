import { type Keep, keep } from "../loss/combinator.ts";
import { multiply, weigh } from "../loss/expression.ts";
import { appendTerm, type ClassExpression } from "../loss/loss.ts";
import { logsumexp } from "../loss/probability.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/**
 * z-loss: keeps the logits' normaliser near 1. A term of its own, which weights attached before do not reach.
 *
 * Formula: + c · logsumexp(z)².
 *
 * @param c the coefficient, at least 0; 1e-4 is usual.
 * @throws LossError where c is negative or not finite.
 *
 * Source: PaLM, arXiv 2204.02311.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, pipe, zLoss } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, zLoss(0.5));
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(Math.log(2) + 0.5 * Math.log(2) ** 2, 12);
 * ```
 */
export function zLoss(c: Numeric): Keep {
  const coefficient: ClassExpression = lift(c, "zLoss(c)", { lowest: 0 });
  return keep("zLoss", (loss) => appendTerm(loss, weigh(coefficient, multiply(logsumexp, logsumexp))));
}
