import { LossError } from "../loss/error.ts";
import { type CorpusCounts, corpusCounts } from "./corpusCounts.ts";
import { agreeing, type CountsHeader, headerOf, readHeader, verified } from "./countsHeader.ts";

/** Options of `countsFromJson`. */
export interface CountsFromJsonOptions {
  /** The number of entries that the vocabulary is expected to have. */
  readonly vocabSize?: number;
  /** The tokenizer's name, for counts that do not say it, or the one that is expected. */
  readonly tokenizer?: string | null;
}

interface CountsJson extends CountsHeader {
  /** The ids that were seen, in ascending order, each as its distance from the one before, the first from −1. */
  readonly steps: readonly number[];
  readonly counts: readonly number[];
}

/**
 * Counts as compact JSON: what was seen, and what is known of the corpus. `countsFromJson` gives back the same, bit for
 * bit.
 *
 * @throws LossError for what are no counts of a corpus.
 *
 * @example
 * ```ts
 * import { corpusCounts, countsFromJson, countsToJson, fromCounts } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * const counts = corpusCounts(fromCounts([0, 2, 0, 0.1]), { tokenizer: "mine", documents: 1 });
 * const text = countsToJson(counts);
 * expect(text).toContain('"steps":[2,2],"counts":[2,0.1]');
 * expect(countsFromJson(text)).toEqual(counts);
 * ```
 */
export function countsToJson(counts: CorpusCounts): string {
  const header = headerOf(counts, "countsToJson");
  const seen = [...counts.counts.keys()].filter((id) => counts.counts[id] !== 0);
  const steps = seen.map((id, i) => id - (seen[i - 1] ?? -1));
  const json: CountsJson = { ...header, steps, counts: seen.map((id) => counts.counts[id]) };
  return `${JSON.stringify(json)}\n`;
}

/**
 * Reads what `countsToJson` wrote.
 *
 * @throws LossError for a text that is cut, foreign, of a later version, or whose numbers do not fit together.
 *
 * @example
 * ```ts
 * import { countsFromJson } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * expect(() => countsFromJson('{"counts": [1, 2]}')).toThrow("is not a file of counts");
 * ```
 */
export function countsFromJson(text: string, options: CountsFromJsonOptions = {}): CorpusCounts {
  const where = "countsFromJson";
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new LossError(
      where,
      `the JSON cannot be read: ${(error as Error).message}`,
      "Give a whole file that lossmith saved; save it anew where it was cut",
    );
  }
  const header = agreeing(readHeader(json, where), options, where);
  const { steps, counts: seen } = json as Partial<CountsJson>;
  const counts = new Float64Array(header.vocabulary.size);
  const areNumbers = (list: unknown): list is readonly number[] =>
    Array.isArray(list) && list.every((x) => typeof x === "number");
  if (!areNumbers(steps) || !areNumbers(seen) || steps.length !== seen.length || steps.some((step) => !(step >= 1))) {
    throw new LossError(where, "steps and counts do not fit together", "Save the counts anew");
  }
  let id = -1;
  for (const [i, step] of steps.entries()) {
    id += step;
    // Beyond the vocabulary nothing is stored, which the total shows.
    counts[id] = seen[i];
  }
  const { size, ...vocabulary } = header.vocabulary;
  return verified(corpusCounts({ kind: "frequencies", counts }, { ...header, ...vocabulary }), header, where);
}
