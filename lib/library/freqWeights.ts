import type { DecayedCounts } from "../frequency/decayedCounts.ts";
import { checkFrequencies, type Frequencies, totalCount } from "../frequency/frequencies.ts";
import { type Attach, attach } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { changingSource, type FieldSource } from "../loss/field.ts";
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
 * see 0. Counts that change while training (`decayedCounts`) are read as they are at each call. Give special tokens a weight of their own with `override({ id: weight })`, after the law.
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
export function freqWeights(frequencies: Frequencies | DecayedCounts, options: FreqWeightsOptions = {}): Attach {
  const { as = "count", unseen = 1 } = options;
  if (as !== "count" && as !== "relative") {
    throw new LossError("freqWeights({ as })", `got ${String(as)}`, 'Give "count" or "relative"');
  }
  const unseenCount = unseen === "epsilon" ? 0 : finite(unseen, "freqWeights({ unseen })", { lowest: 0 });
  const numbersOf = (counted: Frequencies): Pick<FieldSource, "values" | "counts"> => {
    const counts = nonNegativeNumbers(counted.counts, "freqWeights", "count");
    const unit = as === "relative" ? tokensOf(counted) : 1;
    return { values: counts.map((count) => (count === 0 ? unseenCount : count) / unit), counts };
  };
  if (frequencies?.kind === "decayed counts") {
    const from = { numbers: frequencies, options: { as, unseen } };
    const source = changingSource("freqWeights", from, () => numbersOf(frequencies.frequencies()));
    return attach({ source, laws: [] });
  }
  checkFrequencies(frequencies, "freqWeights");
  return attach({ source: { name: "freqWeights", ...numbersOf(frequencies) }, laws: [] });
}

function tokensOf(frequencies: Frequencies): number {
  const total = totalCount(frequencies);
  if (total > 0) return total;
  throw new LossError(
    "freqWeights",
    "all counts are 0, so relative frequencies do not exist",
    "Count a corpus first, or use addK(1)",
  );
}
