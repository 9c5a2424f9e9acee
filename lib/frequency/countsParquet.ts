import { parquetWriteBuffer } from "hyparquet-writer";
import { LossError } from "../loss/error.ts";
import { type CorpusCounts, corpusCounts } from "./corpusCounts.ts";
import { agreeing, headerOf, readHeader, verified } from "./countsHeader.ts";
import { checkVocabSize, outsideVocabulary } from "./ids.ts";
import { openParquet, type ParquetFile, type ParquetSource } from "./parquetFile.ts";
import type { VocabularyDetails } from "./vocabulary.ts";

/** The key of the file's own metadata under which the head is. */
const headKey = "lossmith";

/**
 * Counts as Parquet, for other programs too: a row for each token that was seen, `token` as INT32 and `count` as
 * INT64 where all are whole and as DOUBLE elsewhere. `countsFromParquet` gives back the same, bit for bit.
 *
 * @throws LossError for what are no counts of a corpus.
 *
 * @example
 * ```ts
 * import { corpusCounts, countsFromParquet, countsToParquet, fromCounts } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * const counts = corpusCounts(fromCounts([0, 2, 0, 7]), { tokenizer: "mine", documents: 1 });
 * expect(await countsFromParquet(countsToParquet(counts))).toEqual(counts);
 * ```
 */
export function countsToParquet(counts: CorpusCounts): Uint8Array {
  const header = headerOf(counts, "countsToParquet");
  const seen = [...counts.counts.keys()].filter((id) => counts.counts[id] !== 0);
  const numbers = seen.map((id) => counts.counts[id]);
  const areWhole = numbers.every(Number.isSafeInteger);
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: "token", data: Int32Array.from(seen), type: "INT32", nullable: false },
      areWhole
        ? { name: "count", data: numbers.map(BigInt), type: "INT64", nullable: false }
        : { name: "count", data: Float64Array.from(numbers), type: "DOUBLE", nullable: false },
    ],
    kvMetadata: [{ key: headKey, value: JSON.stringify(header) }],
  });
  return new Uint8Array(buffer);
}

/** Options of `countsFromParquet`. */
export interface CountsFromParquetOptions extends VocabularyDetails {
  /** The number of entries of the vocabulary, for a table of another program, which does not say it. */
  readonly vocabSize?: number;
  /** The column of token ids; "token" by default. */
  readonly token?: string;
  /** The column of counts; "count" by default. */
  readonly count?: string;
  /** The number of documents, where a table of another program is of so many. */
  readonly documents?: number;
}

/**
 * Reads counts from Parquet: what `countsToParquet` wrote, or a table (token, count) of any engine. In such a table a
 * token may be in several rows, whose counts add up; `countStatement` has the SQL that makes one.
 *
 * @throws LossError for a file that is cut, is no Parquet or has other columns; for a token or a count that is none;
 * for a table of another program without vocabSize.
 *
 * @example
 * ```ts
 * import { parquetWriteBuffer } from "hyparquet-writer";
 * import { countsFromParquet } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * const table = parquetWriteBuffer({
 *   columnData: [
 *     { name: "token", data: [3n, 1n], type: "INT64" },
 *     { name: "count", data: [5n, 2n], type: "INT64" },
 *   ],
 * });
 * const { counts } = await countsFromParquet(table, { vocabSize: 4, tokenizer: "mine" });
 * expect([...counts]).toEqual([0, 2, 0, 5]);
 * ```
 */
export async function countsFromParquet(
  source: ParquetSource,
  options: CountsFromParquetOptions = {},
): Promise<CorpusCounts> {
  const where = "countsFromParquet";
  const { token = "token", count = "count", vocabSize } = options;
  const file = await openParquet(source, [token, count], where);
  const head = file.metadata.key_value_metadata?.find(({ key }) => key === headKey)?.value;
  if (head === undefined) {
    if (vocabSize === undefined) {
      throw new LossError(
        `${where}({ vocabSize })`,
        "the table does not say how many entries the vocabulary has",
        "Give their number, special and added tokens included: the logits' last dimension",
      );
    }
    checkVocabSize(vocabSize, `${where}({ vocabSize })`);
    return corpusCounts({ kind: "frequencies", counts: await readTable(file, token, count, vocabSize) }, options);
  }
  const header = agreeing(readHeader(parsed(head), where), options, where);
  const { size, ...vocabulary } = header.vocabulary;
  const counts = await readTable(file, token, count, size);
  return verified(corpusCounts({ kind: "frequencies", counts }, { ...header, ...vocabulary }), header, where);
}

function parsed(head: string): unknown {
  try {
    return JSON.parse(head);
  } catch {
    return null;
  }
}

async function readTable(file: ParquetFile, token: string, count: string, size: number): Promise<Float64Array> {
  const where = "countsFromParquet";
  const counts = new Float64Array(size);
  for (const group of file.groups) {
    const tokens = await file.read(token, group);
    const numbers = await file.read(count, group);
    for (let row = 0; row < tokens.length; row++) {
      const id = numberOf(tokens[row]);
      const times = numberOf(numbers[row]);
      const at = group.rowStart + row;
      if (!(Number.isInteger(id) && id >= 0 && id < size)) throw outsideVocabulary(tokens[row], at, size, where);
      if (
        !(times >= 0 && times < Number.POSITIVE_INFINITY) ||
        (typeof numbers[row] === "bigint" && !Number.isSafeInteger(times))
      ) {
        throw new LossError(
          where,
          `the count in row ${at} is ${String(numbers[row])}`,
          "Give finite numbers of at least 0, whole ones below 2^53",
        );
      }
      counts[id] += times;
    }
  }
  return counts;
}

/** Decimals come as numbers, 64-bit integers as bigints; anything else is no number. */
function numberOf(value: unknown): number {
  return typeof value === "number" || typeof value === "bigint" ? Number(value) : Number.NaN;
}
