import { finite } from "../loss/schedule.ts";
import { absoluteDiscounting } from "./absoluteDiscounting.ts";
import { countContinuations } from "./countContinuations.ts";
import type { CountTokensOptions } from "./countTokens.ts";
import type { Frequencies } from "./frequencies.ts";

/** Options of `kneserNey`. */
export interface KneserNeyOptions extends CountTokensOptions {
  /** What is taken from each continuation count, from 0 to 1; by default n₁ / (n₁ + 2 n₂) of the continuation counts. */
  readonly discount?: number;
}

/**
 * The unigram distribution of interpolated Kneser–Ney smoothing: continuation counts a(w) = N₁₊(• w) with absolute
 * discounting, (max(a − d, 0) + d m / V) / N₁₊(• •), with m entries that follow anything at all and V entries. The result is
 * in pairs, with a total of N₁₊(• •), the number of different pairs.
 *
 * @param sequences sequences of token ids, one stream of ids, or pairs [previous, token], as for `countContinuations`.
 * @throws LossError for an id outside the vocabulary, where no token follows another, and as `absoluteDiscounting` does
 * for the discount.
 *
 * Source: R. Kneser and H. Ney, Improved backing-off for m-gram language modeling (1995); interpolated as in S. Chen and
 * J. Goodman, An empirical study of smoothing techniques for language modeling (1998).
 *
 * @example
 * ```ts
 * import { kneserNey } from "lossmith";
 * import { expect } from "expect";
 *
 * // 1 follows two different tokens, 0 and 3 one each.
 * const { counts } = kneserNey([[0, 1, 0, 1], [2, 1, 3]], { vocabSize: 4, discount: 0.5 });
 * expect([...counts]).toEqual([0.5 + 0.375, 1.5 + 0.375, 0.375, 0.5 + 0.375]);
 * ```
 */
export function kneserNey(
  sequences: Iterable<Iterable<number>> | Iterable<number>,
  options: KneserNeyOptions,
): Frequencies {
  const { discount } = options ?? {};
  if (discount !== undefined) finite(discount, "kneserNey({ discount })", { lowest: 0, highest: 1 });
  const continuations = countContinuations(sequences, options);
  return absoluteDiscounting(discount === undefined ? {} : { discount })(continuations);
}
