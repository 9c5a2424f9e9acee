import { LossError } from "../loss/error.ts";
import { checkFrequencies, type Frequencies, totalCount } from "./frequencies.ts";

/**
 * The share of each entry in the distribution that a smoothing falls back on: that of `background`, or the same for
 * each of `size` entries.
 */
export function backgroundShares(background: Frequencies | undefined, size: number, where: string): Float64Array {
  if (background === undefined) return new Float64Array(size).fill(1 / size);
  checkFrequencies(background, where);
  const { counts } = background;
  if (counts.length !== size) {
    throw new LossError(
      where,
      `it has ${counts.length} entries, and the counts to smooth have ${size}`,
      "Count both with the same tokenizer and vocabSize",
    );
  }
  const total = totalCount(background);
  if (total === 0) throw new LossError(where, "all its counts are 0", "Give a background that was counted");
  return counts.map((count) => count / total);
}

/** The number of tokens that were counted; a LossError where there are none to smooth. */
export function tokensOf(frequencies: Frequencies, where: string): number {
  checkFrequencies(frequencies, where);
  const total = totalCount(frequencies);
  if (total > 0) return total;
  throw new LossError(where, "all counts are 0, so there is nothing to smooth", "Count a corpus first, or use addK(1)");
}
