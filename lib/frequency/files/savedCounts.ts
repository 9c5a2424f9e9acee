import { readFile } from "node:fs/promises";
import { LossError } from "../../loss/error.ts";
import type { CorpusCounts } from "../corpusCounts.ts";
import { countsFromJson, countsToJson } from "../countsJson.ts";
import { type CountsFromParquetOptions, countsFromParquet, countsToParquet } from "../countsParquet.ts";
import { openSlices, unreadable } from "./readFile.ts";
import { writeWhole } from "./writeWhole.ts";

/**
 * Saves counts as Parquet or as JSON, by the name's ending. The file is there as a whole or not at all.
 *
 * @throws LossError for another ending, for what are no counts of a corpus, and where the file cannot be written.
 *
 * @example
 * ```ts
 * import { mkdtemp } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { countIds } from "lossmith/frequency";
 * import { loadCounts, saveCounts } from "lossmith/frequency/files";
 * import { expect } from "expect";
 *
 * const counts = await countIds([3, 1, 3], { vocabSize: 4, tokenizer: "mine" });
 * const path = join(await mkdtemp(join(tmpdir(), "counts-")), "counts.parquet");
 * await saveCounts(path, counts);
 * expect(await loadCounts(path)).toEqual(counts);
 * ```
 */
export async function saveCounts(path: string, counts: CorpusCounts): Promise<void> {
  await writeWhole(path, formatOfCounts(path) === "json" ? countsToJson(counts) : countsToParquet(counts));
}

/**
 * Loads what `saveCounts` saved, or a Parquet table (token, count) of any engine with `{ vocabSize }`.
 *
 * @throws LossError for another ending, and for a file that is not there, cut, foreign or damaged.
 *
 * @example
 * ```ts
 * import { loadCounts } from "lossmith/frequency/files";
 * import { expect } from "expect";
 *
 * await expect(loadCounts("nowhere.json")).rejects.toThrow("nowhere.json: there is no such file");
 * ```
 */
export async function loadCounts(path: string, options: CountsFromParquetOptions = {}): Promise<CorpusCounts> {
  if (formatOfCounts(path) === "json") return named(path, async () => countsFromJson(await textOf(path), options));
  const { source, close } = await openSlices(path, () => {});
  try {
    return await named(path, () => countsFromParquet(source, options));
  } finally {
    await close();
  }
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw unreadable(path, error);
  }
}

/** The format of saved counts, by the name's ending; a LossError for another. */
export function formatOfCounts(path: string): "json" | "parquet" {
  const ending = /\.(json|parquet)$/i.exec(path)?.[1].toLowerCase();
  if (ending !== undefined) return ending as "json" | "parquet";
  throw new LossError(path, "its ending does not tell how counts are kept", "Name it .parquet or .json");
}

/** Errors of reading say of which file they are. */
async function named<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof LossError) || error.where === path) throw error;
    throw new LossError(path, error.what, error.remedy);
  }
}
