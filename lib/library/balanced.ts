import { type LawCombinator, law } from "../loss/combinator.ts";
import { divide, multiply } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { count, overVocabulary, vocabularySize } from "../loss/language.ts";
import { seenCount } from "./seenCount.ts";

/**
 * Balanced weights, as scikit-learn's: N / (V c) for an entry counted c times, with N tokens and V entries. Every entry
 * that was seen then holds the same mass in total, and where all were the mean token weighs 1.
 *
 * It reads the raw counts, whatever laws came before. An entry that was never seen counts as seen once, and is one of
 * the V; scikit-learn leaves it out of both.
 *
 * @throws LossError for a field without counts.
 *
 * Source: scikit-learn's `compute_class_weight("balanced")`, after G. King and L. Zeng, Logistic Regression in Rare Events
 * Data (2001).
 *
 * @example
 * ```ts
 * import { balanced, countTokens, crossEntropy, evaluate, freqWeights, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const frequencies = countTokens([1, 1, 1, 1, 0, 0], { vocabSize: 2 });
 * const loss = pipe(crossEntropy, freqWeights(frequencies), balanced, sum);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(1.5 * Math.log(2), 12);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [1] })).toBeCloseTo(0.75 * Math.log(2), 12);
 * ```
 */
export const balanced: LawCombinator = law({
  name: "balanced",
  map: divide(overVocabulary("sum", count), multiply<VocabularyAtom>(vocabularySize, seenCount)),
});
