import { LossError } from "../loss/error.ts";
import { type CorpusCounts, isCorpusCounts } from "./corpusCounts.ts";
import { checkFrequencies, type Frequencies } from "./frequencies.ts";
import { specialName } from "./vocabulary.ts";
import type { Warning } from "./weightWarnings.ts";

/** What can be read off counts. Shares are from 0 to 1. */
export interface CountsDescription {
  /** V, the entries of the vocabulary. */
  readonly entries: number;
  readonly tokens: number;
  readonly seen: number;
  readonly seenOnce: number;
  /** The entropy of the unigram distribution, −Σ p log p, in nats. */
  readonly entropy: number;
  readonly zipf: ZipfExponents;
  /** The most frequent entries, the first one first, with the name of a special token. */
  readonly top: readonly {
    readonly id: number;
    readonly count: number;
    readonly share: number;
    readonly special: string | null;
  }[];
  readonly bands: readonly Band[];
  readonly special: readonly {
    readonly name: string;
    readonly id: number;
    readonly count: number;
    readonly share: number;
  }[];
  readonly warnings: readonly Warning[];
}

/** Zipf's exponent s of f(r) ∝ r^−s. NaN where fewer than two ranks are there to fit. */
export interface ZipfExponents {
  /** Of ranks 1 to 1000. */
  readonly head: number;
  /** Of the ranks from 1001 on whose entries were seen more than once. */
  readonly tail: number;
}

/** Entries by rank of their counts: from the first rank to the last, the most frequent entry having rank 1. */
export interface Band {
  readonly first: number;
  readonly last: number;
  /** The share of the tokens that are theirs. */
  readonly share: number;
}

/** The last rank of the head. */
export const headRanks = 1000;

/**
 * Describes counts: how many entries were seen, the entropy, Zipf's exponents by least squares of log f over log r, the
 * share of tokens by bands of ranks, special tokens, and what would ruin a run, with the remedy.
 *
 * @throws LossError for what are no counts, or where nothing was counted.
 *
 * @example
 * ```ts
 * import { describeCounts, fromCounts } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * const { seen, seenOnce, zipf, top } = describeCounts(fromCounts([6000, 3000, 2000, 1500, 0, 1]));
 * expect([seen, seenOnce, top[0].id]).toEqual([5, 1, 0]);
 * expect(describeCounts(fromCounts([6000, 3000, 2000, 1500])).zipf.head).toBeCloseTo(1, 12);
 * expect(zipf.tail).toBeNaN();
 * ```
 */
export function describeCounts(frequencies: Frequencies, options: { readonly top?: number } = {}): CountsDescription {
  checkFrequencies(frequencies, "describeCounts");
  const { counts } = frequencies;
  const tokens = counts.reduce((sum, count) => sum + count, 0);
  if (!(tokens > 0)) throw new LossError("describeCounts", "nothing was counted", "Count a corpus with tokens in it");
  const ranked = rankedIds(counts);
  const described = isCorpusCounts(frequencies) ? frequencies : null;
  const { top = 10 } = options;
  return {
    entries: counts.length,
    tokens,
    seen: ranked.length,
    seenOnce: counts.reduce((entries, count) => (count === 1 ? entries + 1 : entries), 0),
    entropy: counts.reduce((sum, count) => (count > 0 ? sum - (count / tokens) * Math.log(count / tokens) : sum), 0),
    zipf: {
      head: zipfExponent(counts, ranked, 1, headRanks),
      tail: zipfExponent(
        counts,
        ranked.filter((id) => counts[id] > 1),
        headRanks + 1,
        Number.POSITIVE_INFINITY,
      ),
    },
    top: Array.from(ranked.slice(0, top), (id) => ({
      id,
      count: counts[id],
      share: counts[id] / tokens,
      special: described === null ? null : specialName(described.vocabulary, id),
    })),
    bands: bandsOf(ranked).map(({ first, last, ids }) => ({
      first,
      last,
      share: ids.reduce((sum, id) => sum + counts[id], 0) / tokens,
    })),
    special: specialOf(described, counts, tokens),
    warnings: warningsOf(frequencies, ranked, tokens),
  };
}

function specialOf(described: CorpusCounts | null, counts: Float64Array, tokens: number): CountsDescription["special"] {
  return Object.entries(described?.vocabulary.special ?? {}).map(([name, id]) => ({
    name,
    id,
    count: counts[id],
    share: counts[id] / tokens,
  }));
}

/** The ids that were seen, the most frequent first; equal counts by id. */
export function rankedIds(counts: Float64Array): Int32Array {
  const seen = Int32Array.from([...counts.keys()].filter((id) => counts[id] > 0));
  return seen.sort((a, b) => counts[b] - counts[a] || a - b);
}

/** The ids by bands of ranks that grow tenfold: 1–10, 11–100, … */
export function bandsOf(
  ranked: Int32Array,
): readonly { readonly first: number; readonly last: number; readonly ids: Int32Array }[] {
  const bands: { first: number; last: number; ids: Int32Array }[] = [];
  for (let from = 0, to = 10; from < ranked.length; from = to, to *= 10) {
    const ids = ranked.subarray(from, to);
    bands.push({ first: from + 1, last: from + ids.length, ids });
  }
  return bands;
}

function zipfExponent(counts: Float64Array, ranked: Int32Array, first: number, last: number): number {
  const ids = ranked.subarray(first - 1, Math.min(last, ranked.length));
  if (ids.length < 2) return Number.NaN;
  const points = Array.from(ids, (id, i) => [Math.log(first + i), Math.log(counts[id])] as const);
  const mean = (axis: 0 | 1): number => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const covariance = points.reduce((sum, [logRank, logCount]) => sum + (logRank - x) * (logCount - y), 0);
  return -covariance / points.reduce((sum, [logRank]) => sum + (logRank - x) ** 2, 0);
}

function warningsOf(frequencies: Frequencies, ranked: Int32Array, tokens: number): readonly Warning[] {
  const { counts } = frequencies;
  const [first] = ranked;
  const warnings: Warning[] = [];
  if (counts[first] > tokens / 2) {
    const name = isCorpusCounts(frequencies) ? specialName(frequencies.vocabulary, first) : null;
    warnings.push({
      what: `${name === null ? `id ${first}` : `${name} (id ${first})`} is ${percent(counts[first] / tokens)} of all tokens`,
      remedy:
        "If it pads, leave it out with ignoreIndex (--ignore-index); else see that the corpus is what it should be",
    });
  }
  if (isCorpusCounts(frequencies)) {
    const { skipped, documents, forcedCuts } = frequencies;
    if (skipped > 0.01 * (skipped + (documents ?? 0))) {
      warnings.push({
        what: `${skipped} bad items were left out${documents === null ? "" : `, beside ${documents} documents`}`,
        remedy: "Count without skipBad (--skip-bad) to see the first of them",
      });
    }
    if (forcedCuts > 0) {
      warnings.push({
        what: `text without a place to cut was cut ${forcedCuts} times, which may have added as many tokens`,
        remedy: "Give a larger longestHoldBack (--longest-hold-back) if that matters",
      });
    }
  }
  return warnings;
}

/** A share from 0 to 1 in per cent, to three digits. */
export function percent(share: number): string {
  return `${Number((100 * share).toPrecision(3))} %`;
}
