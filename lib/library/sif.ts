import { type LawCombinator, law } from "../loss/combinator.ts";
import { add, divide } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { count, overVocabulary } from "../loss/language.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/**
 * Smooth inverse frequency (SIF): a / (a + p) for an entry that is a share p = c / N of the N counted tokens. An entry
 * that was never seen weighs 1.
 *
 * It reads the raw counts, whatever laws came before.
 *
 * @param a the share at which a weight is 1/2, above 0; 0.001 by default.
 * @throws LossError where a is not above 0 or not finite, and for a field without counts.
 *
 * Source: Arora et al., A simple but tough-to-beat baseline for sentence embeddings (ICLR 2017), and its code.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, pipe, sif, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([3, 1])), sif(0.25), sum);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(0.25 * Math.log(2), 12);
 * ```
 */
export function sif(a: Numeric = 1e-3): LawCombinator {
  const half = lift(a, "sif(a)", { lowest: Number.MIN_VALUE });
  const p = divide(count, overVocabulary("sum", count));
  return law({ name: `sif(${showNumeric(a)})`, map: divide<VocabularyAtom>(half, add<VocabularyAtom>(half, p)) });
}
