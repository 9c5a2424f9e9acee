import { LossError } from "../loss/error.ts";
import type { CorpusCounts } from "./corpusCounts.ts";
import { checkFrequencies, type Frequencies } from "./frequencies.ts";
import { joinVocabularies } from "./vocabulary.ts";

/**
 * Adds the counts of shards of one corpus, or of several corpora, that share a vocabulary. Where every shard says what
 * it is of (`CorpusCounts`), so does the result.
 *
 * @throws LossError for no shard, for shards whose vocabularies differ in size, and for ones that say that they are of
 * different vocabularies.
 *
 * @example
 * ```ts
 * import { fromCounts, mergeCounts } from "lossmith";
 * import { expect } from "expect";
 *
 * const merged = mergeCounts(fromCounts([1, 0, 2]), fromCounts([0, 5, 1]));
 * expect([...merged.counts]).toEqual([1, 5, 3]);
 * ```
 */
export function mergeCounts(...shards: readonly CorpusCounts[]): CorpusCounts;
export function mergeCounts(...shards: readonly Frequencies[]): Frequencies;
export function mergeCounts(...shards: readonly Frequencies[]): Frequencies {
  if (shards.length === 0) throw new LossError("mergeCounts", "got no counts", "Give at least one Frequencies");
  for (const shard of shards) checkFrequencies(shard, "mergeCounts");
  const [first] = shards;
  const counts = new Float64Array(first.counts.length);
  shards.forEach((shard, i) => {
    if (shard.counts.length !== counts.length) {
      throw new LossError(
        "mergeCounts",
        `shard 0 has a vocabulary of ${counts.length} entries, shard ${i} one of ${shard.counts.length}`,
        "Count every shard with the same tokenizer and vocabSize",
      );
    }
    for (let id = 0; id < counts.length; id++) counts[id] += shard.counts[id];
  });
  const described = shards.flatMap((shard, i) => ("vocabulary" in shard ? [{ of: shard as CorpusCounts, i }] : []));
  if (described.length === 0) return { kind: "frequencies", counts };
  const vocabulary = described
    .slice(1)
    .reduce(
      (joined, { of, i }) =>
        joinVocabularies(
          joined,
          of.vocabulary,
          { left: `shard ${described[0].i}`, right: `shard ${i}` },
          "mergeCounts",
        ),
      described[0].of.vocabulary,
    );
  if (described.length < shards.length) return { kind: "frequencies", counts };
  const sum = (of: (shard: CorpusCounts) => number): number =>
    described.reduce((total, shard) => total + of(shard.of), 0);
  const merged: CorpusCounts = {
    kind: "frequencies",
    counts,
    vocabulary,
    tokens: counts.reduce((total, count) => total + count, 0),
    documents: described.some(({ of }) => of.documents === null) ? null : sum((shard) => shard.documents ?? 0),
    ignored: sum(({ ignored }) => ignored),
    skipped: sum(({ skipped }) => skipped),
    forcedCuts: sum(({ forcedCuts }) => forcedCuts),
  };
  return merged;
}
