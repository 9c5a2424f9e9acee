/**
 * Frequencies are counts of the entries of a vocabulary. Under `mergeCounts` they are a commutative monoid (with all
 * counts 0 as its unit), so shards counted anywhere give the counts of the whole.
 */
import { LossError } from "../loss/error.ts";
import { nonNegativeNumbers } from "../loss/numbers.ts";

/** How often each entry of a vocabulary occurs, in tokens. */
export interface Frequencies {
  readonly kind: "frequencies";
  /** counts[id]: a finite number of at least 0; not always whole (see `addK`). */
  readonly counts: Float64Array;
}

/**
 * Frequencies from counts: counts[id] is how often `id` occurs.
 *
 * @param counts an array or typed array with one finite number of at least 0 for each entry of the vocabulary.
 * @throws LossError for no counts, and for a count that is negative, NaN or infinite.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, pipe, powerLaw } from "lossmith";
 * import { expect } from "expect";
 *
 * const pdl = pipe(crossEntropy, freqWeights(fromCounts([100, 10, 1])), powerLaw(0.5));
 * const batch = { logits: [[2, 1, 0.1], [0.5, 2.5, 0.3], [1, 1, 1]], labels: [0, 1, 2] };
 * expect(evaluate(pdl, batch)).toBeCloseTo(0.854312, 6);
 * ```
 */
export function fromCounts(counts: ArrayLike<number>): Frequencies {
  return { kind: "frequencies", counts: nonNegativeNumbers(counts, "fromCounts", "count") };
}

/** Throws where `frequencies` are none. */
export function checkFrequencies(frequencies: unknown, where: string): asserts frequencies is Frequencies {
  const given = frequencies as Frequencies | null | undefined;
  if (given?.kind === "frequencies" && given.counts instanceof Float64Array) return;
  throw new LossError(where, "got no Frequencies", "Use fromCounts(counts) or countTokens(ids, { vocabSize })");
}

/** The sum of all counts, in tokens. */
export function totalCount(frequencies: Frequencies): number {
  return frequencies.counts.reduce((total, count) => total + count, 0);
}
