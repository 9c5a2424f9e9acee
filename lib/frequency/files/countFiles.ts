import { LossError } from "../../loss/error.ts";
import type { CorpusCounts } from "../corpusCounts.ts";
import { mergeCounts } from "../mergeCounts.ts";
import { type AnyTokenizer, type Tokenizer, tokenizerOf } from "../tokenizer.ts";
import { type CorpusSettings, countPart, type OnProgress } from "./countPart.ts";
import { type Compression, type CorpusFormat, readingOf, standardInput } from "./format.ts";
import { type LoadedTokenizer, loadTokenizer } from "./loadTokenizer.ts";
import { type CorpusPart, partsOf, sizeOfParts } from "./parts.ts";
import { fileSize } from "./readFile.ts";
import { countInWorkers } from "./workers.ts";

/** How far counting has come. */
export interface CountProgress {
  /** How many bytes of the files have been read. */
  readonly bytes: number;
  /** How many bytes they have; null with standard input among them. */
  readonly totalBytes: number | null;
  /** How many tokens have been counted. */
  readonly tokens: number;
}

/** Options of `countFiles`. */
export interface CountFilesOptions {
  /**
   * The tokenizer of text: a name that `loadTokenizer` knows, the path of a tokenizer.json, or a tokenizer. Ids need none;
   * it then says what they are ids of.
   */
  readonly tokenizer?: string | AnyTokenizer;
  /** What the tokenizer is called in the counts; by default the name that it was loaded by. */
  readonly name?: string;
  /** The number of entries of the vocabulary; by default as many as the tokenizer has. */
  readonly vocabSize?: number;
  /** What is in the files; by default what their names say: .txt, .jsonl, .parquet, .uint16, .uint32. */
  readonly format?: CorpusFormat;
  /** How they are compressed; by default what their names say: .gz, .zst, .br. */
  readonly compression?: Compression;
  /** The path of the text in a line of JSON; "text" by default. See `countJsonLines`. */
  readonly field?: string;
  /** The path, or the column, of a prompt that is read before the text but not counted. */
  readonly prompt?: string;
  /** The column of a Parquet file; "text" by default. */
  readonly column?: string;
  /** Whether bad lines and rows are left out, and counted as `skipped`; false by default. */
  readonly skipBad?: boolean;
  /** An id that is counted once after each document of text; true for the tokenizer's own end of text. */
  readonly endOfText?: number | boolean;
  /** A label that is not a token and is not counted; −100 by default. */
  readonly ignoreIndex?: number;
  /** What special tokens in text are; "refuse" by default. */
  readonly specialText?: "refuse" | "text" | "token";
  /** See `countText`. */
  readonly longestHoldBack?: number;
  /** How many workers count at once; 1 by default, which starts none. Only a tokenizer that is named reaches them. */
  readonly workers?: number;
  /** Hears how far counting has come, some times a second. */
  readonly onProgress?: (progress: CountProgress) => void;
  /** Stops counting: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Counts the tokens of files: text (a document a file), JSON lines, Parquet, or ids as uint16 or uint32, compressed or
 * not; "-" is the standard input. In constant memory, and with several workers in parts that are cut where no token is
 * cut through, with the same result.
 *
 * @throws LossError for no file, a file that is not there, is cut or is wrong (with the place), an unknown format or
 * tokenizer, and where the files have no token at all.
 *
 * @example
 * ```ts
 * import { mkdtemp, writeFile } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import { countFiles } from "lossmith/frequency/files";
 * import { expect } from "expect";
 *
 * const path = join(await mkdtemp(join(tmpdir(), "corpus-")), "corpus.jsonl");
 * await writeFile(path, '{"text": "Call me Ishmael."}\n{"text": "Thar she blows!"}\n');
 * const { tokens, documents } = await countFiles([path], { tokenizer: "r50k_base", endOfText: true });
 * expect([tokens, documents]).toEqual([13, 2]);
 * ```
 */
export async function countFiles(paths: readonly string[], options: CountFilesOptions = {}): Promise<CorpusCounts> {
  const { workers = 1, signal } = options;
  if (!Number.isSafeInteger(workers) || workers < 1 || workers > 256) {
    throw new LossError("countFiles({ workers })", `got ${String(workers)}`, "Give a whole number from 1 to 256");
  }
  if (paths.length === 0) throw new LossError("countFiles", "got no files", "Name at least one");
  if (paths.filter((path) => path === standardInput).length > 1) {
    throw new LossError("countFiles", "the standard input is named twice", "Name it once: it can be read once");
  }
  const wholes = paths.map((path): CorpusPart => {
    const start = 0;
    return { path, ...readingOf(path, options), start, end: null, continues: false };
  });
  const sizes = await Promise.all(wholes.map(({ path }) => (path === standardInput ? null : fileSize(path))));
  const totalBytes = sizes.reduce((sum: number | null, size) => (sum === null || size === null ? null : sum + size), 0);
  const loaded = await loadedTokenizer(options);
  const tokenizer =
    loaded === null
      ? null
      : await tokenizerOf(
          { ...loaded, ...(options.specialText && { specialText: options.specialText }) },
          "countFiles",
        );
  const settings = settingsOf(options, tokenizer);
  const parts = await partsFor(wholes, totalBytes, workers, tokenizer);
  const onProgress = totalling(options.onProgress, totalBytes);
  signal?.throwIfAborted();
  const counted =
    // Only this thread has the standard input.
    parts.length === 1 || workers === 1 || paths.includes(standardInput)
      ? await oneAfterTheOther(parts, loaded, settings, onProgress, signal)
      : await countInWorkers(parts, Math.min(workers, parts.length), named(options), settings, onProgress, signal);
  signal?.throwIfAborted();
  // A file without any text is a document, which may have an end of text.
  const ends = settings.endOfText === undefined ? 0 : counted.counts[settings.endOfText];
  if (counted.tokens > ends) return counted;
  throw new LossError(
    "countFiles",
    `there is no token in ${paths.length === 1 ? paths[0] : `the ${paths.length} files`}`,
    "Name files with text or ids in them, and the right field or column",
  );
}

async function loadedTokenizer({ tokenizer, name, vocabSize }: CountFilesOptions): Promise<LoadedTokenizer | null> {
  if (tokenizer === undefined) return null;
  const loaded = typeof tokenizer === "string" ? await loadTokenizer(tokenizer) : { tokenizer };
  return { ...loaded, ...(name === undefined ? {} : { name }), ...(vocabSize === undefined ? {} : { vocabSize }) };
}

/** What a worker loads the tokenizer by. */
function named(options: CountFilesOptions): NamedTokenizer | null {
  const { tokenizer, name, vocabSize } = options;
  if (tokenizer === undefined) return null;
  if (typeof tokenizer === "string")
    return { tokenizer, ...(name === undefined ? {} : { name }), ...(vocabSize === undefined ? {} : { vocabSize }) };
  throw new LossError(
    "countFiles({ workers })",
    "the tokenizer is an object, which cannot be sent to a worker",
    "Name the tokenizer, or give one worker",
  );
}

/** A tokenizer that is to be loaded. */
export interface NamedTokenizer extends Pick<CountFilesOptions, "name" | "vocabSize"> {
  readonly tokenizer: string;
}

/** Loads it. */
export async function load(named: NamedTokenizer | null): Promise<LoadedTokenizer | null> {
  return named === null ? null : loadedTokenizer(named);
}

function settingsOf(options: CountFilesOptions, tokenizer: Tokenizer | null): CorpusSettings {
  const { name, vocabSize, field, prompt, column, skipBad, ignoreIndex, specialText, longestHoldBack } = options;
  const endOfText = endOfTextOf(options, tokenizer);
  const ofText = { field, prompt, skipBad, specialText, longestHoldBack };
  const given = { name, vocabSize, column, ignoreIndex, endOfText, ...ofText };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

const endOfTextNames = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[SEP]"];

function endOfTextOf({ endOfText }: CountFilesOptions, tokenizer: Tokenizer | null): number | undefined {
  if (typeof endOfText === "number") return endOfText;
  if (endOfText !== true) return undefined;
  const special = tokenizer?.vocabulary.special ?? {};
  const name = endOfTextNames.find((known) => Object.hasOwn(special, known));
  if (name !== undefined) return special[name];
  throw new LossError(
    "countFiles({ endOfText })",
    "the tokenizer has no special token that is known to end a text",
    "Give its id",
  );
}

async function partsFor(
  wholes: readonly CorpusPart[],
  totalBytes: number | null,
  workers: number,
  tokenizer: Tokenizer | null,
): Promise<readonly CorpusPart[]> {
  if (workers === 1 || totalBytes === null) return wholes;
  const size = sizeOfParts(totalBytes, workers);
  return (await Promise.all(wholes.map((whole) => partsOf(whole, size, tokenizer)))).flat();
}

async function oneAfterTheOther(
  parts: readonly CorpusPart[],
  tokenizer: LoadedTokenizer | null,
  settings: CorpusSettings,
  onProgress: OnProgress,
  signal: AbortSignal | undefined,
): Promise<CorpusCounts> {
  let sum: CorpusCounts | null = null;
  for (const part of parts) {
    const counted = await countPart(part, tokenizer, settings, onProgress, signal);
    sum = sum === null ? counted : mergeCounts(sum, counted);
  }
  return sum as CorpusCounts;
}

/** Ten times a second is often enough to watch. */
const millisecondsBetween = 100;

function totalling(tell: CountFilesOptions["onProgress"], totalBytes: number | null): OnProgress {
  if (tell === undefined) return () => {};
  let [bytes, tokens, told] = [0, 0, Number.NEGATIVE_INFINITY];
  return (done) => {
    bytes += done.bytes;
    tokens += done.tokens;
    const now = performance.now();
    if (now - told < millisecondsBetween && bytes !== totalBytes) return;
    told = now;
    tell({ bytes, totalBytes, tokens: Math.round(tokens) });
  };
}
