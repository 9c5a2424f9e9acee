import { type LawCombinator, law } from "../loss/combinator.ts";
import { constant, divide, multiply, pow, subtract } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { overVocabulary, vocabularySize } from "../loss/language.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";
import { seenCount } from "./seenCount.ts";

/**
 * Class-balanced weights by the effective number of samples, E_c = (1 − beta^c) / (1 − beta) for a count of c: the
 * weights are 1 / E_c, rescaled so that they sum to the number of classes V. beta = 0 gives every class the weight 1; as
 * beta goes to 1 the weights go to inverse frequency.
 *
 * It reads the raw counts, whatever laws came before. A class that was never seen counts as seen once.
 *
 * @param beta a number or a schedule from 0 to below 1; 0.9 to 0.9999 is usual.
 * @throws LossError where beta is outside [0, 1), and for a field without counts.
 *
 * Source: Cui et al., arXiv 1901.05555.
 *
 * @example
 * ```ts
 * import { classBalanced, crossEntropy, evaluate, freqWeights, fromCounts, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([2, 1])), classBalanced(0.5), sum);
 * // The effective numbers 1.5 and 1 give 2/3 and 1, which sum to 2 as 0.8 and 1.2.
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [1] })).toBeCloseTo(1.2 * Math.log(2), 12);
 * ```
 */
export function classBalanced(beta: Numeric): LawCombinator {
  const share = lift(beta, "classBalanced(beta)", { lowest: 0, highest: 1 - Number.EPSILON / 2 });
  // 1 − beta, the same for every class, cancels in the rescaling.
  const weight = divide(constant(1), subtract<VocabularyAtom>(constant(1), pow<VocabularyAtom>(share, seenCount)));
  return law({
    name: `classBalanced(${showNumeric(beta)})`,
    map: divide(multiply<VocabularyAtom>(weight, vocabularySize), overVocabulary("sum", weight)),
  });
}
