import { type LawCombinator, law } from "../loss/combinator.ts";
import { constant, divide, min, pow } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { count, overVocabulary } from "../loss/language.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/**
 * The probability with which word2vec's subsampling keeps a token: min(1, √(t / p)) for an entry that is a share
 * p = c / N of the N counted tokens. As weights, that is subsampling in expectation, without its noise. An entry that was
 * never seen weighs 1.
 *
 * It reads the raw counts, whatever laws came before.
 *
 * @param t the share up to which tokens are kept, above 0; 1e-5 by default, the paper's.
 * @throws LossError where t is not above 0 or not finite, and for a field without counts.
 *
 * Source: Mikolov et al., arXiv 1310.4546; its code keeps √(t / p) + t / p.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, keepProbability, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([9, 1])), keepProbability(0.1), sum);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(Math.log(2) / 3, 12);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [1] })).toBeCloseTo(Math.log(2), 12);
 * ```
 */
export function keepProbability(t: Numeric = 1e-5): LawCombinator {
  const threshold = lift(t, "keepProbability(t)", { lowest: Number.MIN_VALUE });
  const p = divide(count, overVocabulary("sum", count));
  return law({
    name: `keepProbability(${showNumeric(t)})`,
    map: min(constant(1), pow(divide<VocabularyAtom>(threshold, p), constant(0.5))),
  });
}
