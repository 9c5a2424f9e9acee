/**
 * The counts of a corpus, with what has to be known to trust and to merge them. Under `mergeCounts` those of one
 * vocabulary are a commutative monoid (`corpusCountsMonoid`), so shards that were counted anywhere, in any order, give
 * the counts of the whole; counts of different vocabularies are refused.
 */
import type { Monoid } from "fp-ts/lib/Monoid.js";
import { LossError } from "../loss/error.ts";
import { checkFrequencies, type Frequencies } from "./frequencies.ts";
import { mergeCounts } from "./mergeCounts.ts";
import { type Vocabulary, type VocabularyDetails, vocabularyOf } from "./vocabulary.ts";

/** Token counts of a corpus. They are `Frequencies`, which `freqWeights` and the smoothings take. */
export interface CorpusCounts extends Frequencies {
  readonly vocabulary: Vocabulary;
  /** The number of tokens: the sum of the counts. */
  readonly tokens: number;
  /** The number of documents; null where the input does not tell, as a file of ids. */
  readonly documents: number | null;
  /** How many labels had the ignore index and were left out. */
  readonly ignored: number;
  /** How many bad lines or rows were left out, where that was asked for. */
  readonly skipped: number;
  /** How often text had to be cut where a token may have been: each may have added a token (see `countText`). */
  readonly forcedCuts: number;
}

/** What is known of counts beside the counts. */
export interface CorpusDetails extends VocabularyDetails {
  readonly documents?: number | null;
  readonly ignored?: number;
  readonly skipped?: number;
  readonly forcedCuts?: number;
}

/**
 * Gives frequencies the description of a corpus: counts from a program of your own become ones that merge and save.
 *
 * @throws LossError where the frequencies are none, a special token is outside the vocabulary, or a number of
 * documents, ignored labels, skipped items or forced cuts is no whole number.
 *
 * @example
 * ```ts
 * import { corpusCounts, fromCounts } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * const counts = corpusCounts(fromCounts([5, 0, 2]), { tokenizer: "mine", special: { "<end>": 2 }, documents: 2 });
 * expect([counts.tokens, counts.vocabulary.size]).toEqual([7, 3]);
 * ```
 */
export function corpusCounts(frequencies: Frequencies, details: CorpusDetails = {}): CorpusCounts {
  checkFrequencies(frequencies, "corpusCounts");
  const { documents = null, ignored = 0, skipped = 0, forcedCuts = 0 } = details;
  for (const [name, value] of Object.entries({ documents, ignored, skipped, forcedCuts })) {
    if ((name === "documents" && value === null) || (Number.isSafeInteger(value) && (value as number) >= 0)) continue;
    throw new LossError(`corpusCounts({ ${name} })`, `got ${String(value)}`, "Give a whole number of at least 0");
  }
  const { counts } = frequencies;
  return {
    kind: "frequencies",
    counts,
    vocabulary: vocabularyOf(counts.length, details, "corpusCounts"),
    tokens: counts.reduce((sum, count) => sum + count, 0),
    documents,
    ignored,
    skipped,
    forcedCuts,
  };
}

/**
 * The monoid of the counts of a vocabulary of `vocabSize` entries: `concat` is `mergeCounts`, `empty` has counted
 * nothing.
 *
 * @throws LossError for a size that is none; `concat` does for counts of different vocabularies.
 *
 * @example
 * ```ts
 * import { corpusCounts, corpusCountsMonoid, fromCounts } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * const { concat, empty } = corpusCountsMonoid(2, { tokenizer: "mine" });
 * const shard = corpusCounts(fromCounts([3, 1]), { tokenizer: "mine", documents: 1 });
 * expect(concat(shard, empty)).toEqual(shard);
 * expect(concat(shard, shard).documents).toBe(2);
 * ```
 */
export function corpusCountsMonoid(vocabSize: number, details: VocabularyDetails = {}): Monoid<CorpusCounts> {
  const { size } = vocabularyOf(vocabSize, details, "corpusCountsMonoid");
  const nothing: Frequencies = { kind: "frequencies", counts: new Float64Array(size) };
  return { concat: (a, b) => mergeCounts(a, b), empty: corpusCounts(nothing, { ...details, documents: 0 }) };
}

/** Whether frequencies say what corpus they are of. */
export function isCorpusCounts(frequencies: Frequencies): frequencies is CorpusCounts {
  return "vocabulary" in frequencies;
}
