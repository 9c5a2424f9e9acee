import { type LawCombinator, law } from "../loss/combinator.ts";
import { atom, constant, multiply, subtract, unary } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/**
 * Exponential decay of the weight field: f ↦ exp(−lambda f).
 *
 * @param lambda the rate, a number or a schedule, in one over the field's unit: on counts that is one over the count at
 * which a weight has fallen to 1/e; 0 is plain cross entropy. Where lambda f is above 103 the weight is too small for
 * float32, and compiled losses refuse it: take relative frequencies or a smaller lambda.
 * @throws LossError where lambda is not finite.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, exponentialDecay, freqWeights, fromCounts, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const field = freqWeights(fromCounts([3, 1]), { as: "relative" });
 * const loss = pipe(crossEntropy, field, exponentialDecay(2), sum);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(Math.exp(-1.5) * Math.log(2), 12);
 * ```
 */
export function exponentialDecay(lambda: Numeric): LawCombinator {
  const rate = lift(lambda, "exponentialDecay(lambda)");
  return law({
    name: `exponentialDecay(${showNumeric(lambda)})`,
    map: unary("exp", multiply<VocabularyAtom>(subtract(constant(0), rate), atom({ kind: "value" }))),
  });
}
