import { type LawCombinator, law } from "../loss/combinator.ts";
import { constant, pow, subtract } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { value } from "../loss/language.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/**
 * Inverse frequency, the weights of the Inverse Token Frequency (ITF) loss: f ↦ 1 / f^lambda, `powerLaw(lambda)` without
 * an epsilon. An unseen entry counts as `freqWeights` says, once unless told otherwise.
 *
 * @param lambda the exponent, a number or a schedule; 1 by default, 0 weighs every entry by 1. Code for the ITF loss has
 * 0.4.
 * @throws LossError where lambda is not finite, and, for a batch, where a value of 0 makes a weight infinite.
 *
 * Source: Nakamura et al., arXiv 1811.08100.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, inverseFrequency, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([16, 1])), inverseFrequency(0.5), sum);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(0.25 * Math.log(2), 12);
 * ```
 */
export function inverseFrequency(lambda: Numeric = 1): LawCombinator {
  const exponent = lift(lambda, "inverseFrequency(lambda)");
  return law({
    name: `inverseFrequency(${showNumeric(lambda)})`,
    map: pow<VocabularyAtom>(value, subtract(constant(0), exponent)),
  });
}
