import { type LawCombinator, law } from "../loss/combinator.ts";
import { constant, divide, multiply, subtract } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { count, overVocabulary, vocabularySize } from "../loss/language.ts";

const weight = subtract<VocabularyAtom>(constant(1), divide(count, overVocabulary("max", count)));

/**
 * The weights of frequency-aware cross entropy (FACE): 1 − c / max c, rescaled so that their mean over the V entries is 1.
 * The most frequent entry weighs 0, one that was never seen the most. The weights are linear in the count: beside a
 * few frequent entries all others weigh about the same.
 *
 * It reads the raw counts, whatever laws came before. FACE counts while it trains: see `decayedCounts`.
 *
 * @throws LossError for a field without counts, and, for a batch, where all counts are equal and no entry has a weight.
 *
 * Source: Jiang et al., arXiv 1902.09191, and its code.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, face, freqWeights, fromCounts, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([4, 3, 1])), face, sum);
 * const weight = (label: number) => evaluate(loss, { logits: [[0, 0, 0]], labels: [label] }) / Math.log(3);
 * // 0, 1/4 and 3/4, with a mean of 1/3.
 * expect([0, 1, 2].map(weight).map((w) => Number(w.toFixed(12)))).toEqual([0, 0.75, 2.25]);
 * ```
 */
export const face: LawCombinator = law({
  name: "face",
  map: divide(multiply<VocabularyAtom>(weight, vocabularySize), overVocabulary("sum", weight)),
});
