import type { DecodedArray, SchemaTree } from "hyparquet";
import { LossError } from "../loss/error.ts";
import { type CorpusCounts, corpusCounts } from "./corpusCounts.ts";
import type { CountIdsOptions } from "./countIds.ts";
import { recordCounter, wrongRecord } from "./countJsonLines.ts";
import { type CountTextOptions, documentCounter } from "./documentCounter.ts";
import { checkVocabSize } from "./ids.ts";
import { openParquet, type ParquetFile, type ParquetSource } from "./parquetFile.ts";
import { type TokenIds, tokenHistogram } from "./tokenHistogram.ts";
import { tokenizerOf } from "./tokenizer.ts";

/** Where in a Parquet file to look. */
export interface ParquetColumnOptions {
  /** The column that is counted; "text" by default. */
  readonly column?: string;
  /** Whether rows without a text or a list are left out, and counted as `skipped`; false by default. */
  readonly skipBad?: boolean;
  /** The row groups to count, from 0: from the first to before the second number. All by default. */
  readonly rowGroups?: readonly [from: number, to: number];
}

/** Options for a column of text, each row a document. */
export interface CountParquetTextOptions extends CountTextOptions, ParquetColumnOptions {
  /** A column of prompts, which are read before the text but not counted; see `countJsonLines`. */
  readonly prompt?: string;
}

/** Options for a column of token ids or of lists of them. */
export interface CountParquetIdsOptions extends CountIdsOptions, ParquetColumnOptions {}

/**
 * Counts a column of a Parquet file, a row group at a time: text with a tokenizer, token ids, or lists of token ids,
 * each row a document.
 *
 * @throws LossError for a file that is no Parquet or is cut, a column that is missing or of another type, a row without
 * a value (unless `skipBad`), with its number from 0, and as `countText` and `countIds` do.
 *
 * @example
 * ```ts
 * import { countParquet } from "lossmith/frequency";
 * import { parquetWriteBuffer } from "hyparquet-writer";
 * import { expect } from "expect";
 *
 * const file = parquetWriteBuffer({ columnData: [{ name: "id", data: new Int32Array([4, 1, 4]) }] });
 * const { counts } = await countParquet(file, { column: "id", vocabSize: 5 });
 * expect([...counts]).toEqual([0, 1, 0, 0, 2]);
 * ```
 */
export async function countParquet(
  source: ParquetSource,
  options: CountParquetTextOptions | CountParquetIdsOptions,
): Promise<CorpusCounts> {
  const { column = "text", rowGroups } = options ?? {};
  const prompt = "prompt" in options ? options.prompt : undefined;
  const file = await openParquet(source, prompt === undefined ? [column] : [column, prompt], "countParquet(source)");
  const groups = file.groups.slice(...(rowGroups ?? []));
  const found = file.columns.find(({ element }) => element.name === column) as SchemaTree;
  return isTextColumn(found)
    ? countTexts(file, groups, column, textOptions(options, column))
    : countNumbers(file, groups, found, await idOptions(options, column));
}

function isTextColumn({ element }: SchemaTree): boolean {
  return element.type === "BYTE_ARRAY" && element.num_children === undefined;
}

function textOptions(
  options: CountParquetTextOptions | CountParquetIdsOptions,
  column: string,
): CountParquetTextOptions {
  if (typeof options.tokenizer === "object" && options.tokenizer !== null) return options as CountParquetTextOptions;
  throw new LossError(
    "countParquet({ tokenizer })",
    `the column "${column}" is text, and there is no tokenizer for it`,
    "Give a tokenizer, or name a column of token ids",
  );
}

/** Ids need no tokenizer; one that is given says what they are ids of. */
async function idOptions(
  options: CountParquetTextOptions | CountParquetIdsOptions,
  column: string,
): Promise<CountParquetIdsOptions> {
  if (typeof options.tokenizer === "object" && options.tokenizer !== null) {
    const { size, ...details } = (await tokenizerOf(options as CountParquetTextOptions, "countParquet")).vocabulary;
    return { ...(options as ParquetColumnOptions & Pick<CountIdsOptions, "endOfText">), ...details, vocabSize: size };
  }
  if (options.vocabSize !== undefined) return options as CountParquetIdsOptions;
  throw new LossError(
    "countParquet({ vocabSize })",
    `the column "${column}" has token ids, and nothing tells the size of their vocabulary`,
    "Give vocabSize or a tokenizer, or name a column of text",
  );
}

type Groups = ParquetFile["groups"];

async function countTexts(
  file: ParquetFile,
  groups: Groups,
  column: string,
  options: CountParquetTextOptions,
): Promise<CorpusCounts> {
  const { prompt, skipBad = false } = options;
  const counter = await documentCounter(options, "countParquet");
  const count = recordCounter(
    counter,
    { field: "text", ...(prompt === undefined ? {} : { prompt: "prompt" }) },
    "countParquet",
  );
  let skipped = 0;
  for (const group of groups) {
    const texts = await file.read(column, group);
    const prompts = prompt === undefined ? null : await file.read(prompt, group);
    for (let row = 0; row < texts.length; row++) {
      const record = { text: texts[row], ...(prompts === null ? {} : { prompt: prompts[row] }) };
      const isBytes = Object.values(record).some((value) => value instanceof Uint8Array);
      const wrong = isBytes ? "it is not UTF-8" : count(record, `row ${group.rowStart + row}`);
      if (wrong === null) continue;
      if (!skipBad) throw wrongRecord("countParquet(source)", `row ${group.rowStart + row}`, wrong);
      skipped++;
    }
  }
  return counter.read(skipped);
}

async function countNumbers(
  file: ParquetFile,
  groups: Groups,
  { element, children }: SchemaTree,
  options: CountParquetIdsOptions,
): Promise<CorpusCounts> {
  const { vocabSize, ignoreIndex = -100, endOfText, skipBad = false } = options;
  checkVocabSize(vocabSize, "countParquet({ vocabSize })");
  const isList = children.length > 0;
  const numbers = isList ? innermost(children[0]) : element;
  if (numbers.type !== "INT32" && numbers.type !== "INT64") {
    throw new LossError(
      "countParquet({ column })",
      `the column "${element.name}" is of ${numbers.type ?? "several fields"}, neither text nor token ids`,
      "Name a column of text, of integers, or of lists of integers",
    );
  }
  // Ids that are no lists are one a row, whatever row group is the first.
  const firstPosition = isList ? 0 : (groups[0]?.rowStart ?? 0);
  const histogram = tokenHistogram({ vocabSize, ignoreIndex, where: `countParquet("${element.name}")`, firstPosition });
  let [documents, skipped] = [0, 0];
  for (const group of groups) {
    const values = await file.read(element.name, group);
    if (!isList && !Array.isArray(values)) {
      histogram.add(values as TokenIds);
      continue;
    }
    for (let row = 0; row < values.length; row++) {
      const value: unknown = values[row];
      if (value === null || value === undefined) {
        const at = `row ${group.rowStart + row}`;
        if (!skipBad) throw wrongRecord("countParquet(source)", at, `there is no "${element.name}"`);
        skipped++;
      } else if (isList) {
        inRow(group.rowStart + row, () => histogram.add(value as TokenIds));
        documents++;
      }
    }
    if (!isList) histogram.addEach(idsThatAre(values));
  }
  const { counts, ignored } = histogram.read();
  const separated = endOfText === undefined ? null : counts[endOfText];
  return corpusCounts(
    { kind: "frequencies", counts },
    { ...options, documents: isList ? documents : separated, ignored, skipped },
  );
}

/** An error of `count` says of which row it is. */
function inRow(row: number, count: () => void): void {
  try {
    count();
  } catch (error) {
    if (error instanceof LossError) throw new LossError(error.where, `row ${row}: ${error.what}`, error.remedy);
    throw error;
  }
}

function innermost(tree: SchemaTree): SchemaTree["element"] {
  return tree.children.length === 0 ? tree.element : innermost(tree.children[0]);
}

function* idsThatAre(values: DecodedArray): Generator<number | bigint> {
  for (const value of values as Iterable<number | bigint | null | undefined>) {
    if (value !== null && value !== undefined) yield value;
  }
}
