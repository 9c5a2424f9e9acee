import { type Frequencies, totalCount } from "../frequency/frequencies.ts";
import { type Attach, attach } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { nonNegativeNumbers } from "../loss/numbers.ts";
import { finite } from "../loss/schedule.ts";

/** Options of `freqWeights`. */
export interface FreqWeightsOptions {
  /**
   * "count" (default): the field's values are counts, as in the code of arXiv 2505.16900; "relative": counts divided by
   * their total. Under `weightedMean` the two differ only through powerLaw's epsilon.
   */
  readonly as?: "count" | "relative";
  /**
   * What an entry that was never seen counts as: a number of tokens (1 by default), or "epsilon" for 0, which powerLaw
   * turns into the paper's eps^−alpha.
   */
  readonly unseen?: number | "epsilon";
}

/**
 * Attaches the frequencies of a vocabulary as the loss's weight field, for a law such as `powerLaw` to turn into
 * weights. Without a law, class c is weighed by its frequency itself.
 *
 * The policy for unseen entries applies to the field's values; laws that read raw counts (`normalise("tokenMean")`)
 * see 0. Give special tokens a weight of their own with `override({ id: weight })`, after the law.
 *
 * @throws LossError where all counts are 0 and relative frequencies are asked for, and for a bad option.
 *
 * Source: arXiv 2505.16900.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, pipe, powerLaw, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const pdl = pipe(crossEntropy, freqWeights(fromCounts([100, 10, 1])), powerLaw(0.5), sum);
 * const batch = { logits: [[2, 1, 0.1], [0.5, 2.5, 0.3], [1, 1, 1]], labels: [0, 1, 2] };
 * expect(evaluate(pdl, batch)).toBeCloseTo(1.209901, 6);
 * ```
 */
export function freqWeights(frequencies: Frequencies, options: FreqWeightsOptions = {}): Attach {
  const { as = "count", unseen = 1 } = options;
  if (frequencies?.kind !== "frequencies") {
    throw new LossError(
      "freqWeights",
      "got no Frequencies",
      "Use fromCounts(counts) or countTokens(ids, { vocabSize })",
    );
  }
  if (as !== "count" && as !== "relative") {
    throw new LossError("freqWeights({ as })", `got ${String(as)}`, 'Give "count" or "relative"');
  }
  const counts = nonNegativeNumbers(frequencies.counts, "freqWeights", "count");
  const unseenCount = unseen === "epsilon" ? 0 : finite(unseen, "freqWeights({ unseen })", { lowest: 0 });
  const total = totalCount(frequencies);
  if (as === "relative" && total === 0) {
    throw new LossError(
      "freqWeights",
      "all counts are 0, so relative frequencies do not exist",
      "Count a corpus first, or use addK(1)",
    );
  }
  const unit = as === "relative" ? total : 1;
  const values = counts.map((count) => (count === 0 ? unseenCount : count) / unit);
  return attach({ source: { name: "freqWeights", values, counts }, laws: [] });
}
