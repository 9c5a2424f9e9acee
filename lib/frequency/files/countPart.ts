import { createReadStream } from "node:fs";
import { LossError } from "../../loss/error.ts";
import type { CorpusCounts } from "../corpusCounts.ts";
import type { CountIdsOptions } from "../countIds.ts";
import { countLines } from "../countJsonLines.ts";
import { type CountParquetIdsOptions, type CountParquetTextOptions, countParquet } from "../countParquet.ts";
import { bytesPerId, countTokenised } from "../countTokenised.ts";
import { type CountTextOptions, documentCounter } from "../documentCounter.ts";
import { utf8Reader } from "../utf8.ts";
import { vocabularyOf } from "../vocabulary.ts";
import type { LoadedTokenizer } from "./loadTokenizer.ts";
import type { CorpusPart } from "./parts.ts";
import { openSlices, readPart } from "./readFile.ts";

/** What counting needs to know of a corpus, beside its tokenizer; all of it can be sent to a worker. */
export interface CorpusSettings {
  readonly name?: string;
  readonly vocabSize?: number;
  readonly field?: string;
  readonly prompt?: string;
  readonly column?: string;
  readonly skipBad?: boolean;
  readonly endOfText?: number;
  readonly ignoreIndex?: number;
  readonly specialText?: "refuse" | "text" | "token";
  readonly longestHoldBack?: number;
}

/** Hears what has been read and counted since it was last called. */
export type OnProgress = (done: { readonly bytes: number; readonly tokens: number }) => void;

/** Counts a part of a corpus. An error says of which file it is. */
export async function countPart(
  part: CorpusPart,
  tokenizer: LoadedTokenizer | null,
  settings: CorpusSettings,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<CorpusCounts> {
  try {
    return await counting[part.format](part, tokenizer, settings, onProgress, signal);
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    if (!(error instanceof LossError)) throw error;
    const { path } = part;
    throw error.where === path
      ? error
      : new LossError(path === "-" ? "standard input" : path, error.what, error.remedy);
  }
}

type Counting = (
  part: CorpusPart,
  tokenizer: LoadedTokenizer | null,
  settings: CorpusSettings,
  onProgress: OnProgress,
  signal?: AbortSignal,
) => Promise<CorpusCounts>;

function textOptions(tokenizer: LoadedTokenizer | null, settings: CorpusSettings): CountTextOptions {
  if (tokenizer !== null) return { ...tokenizer, ...settings };
  throw new LossError(
    "the tokenizer",
    "text needs a tokenizer, and none is named",
    "Name one, such as r50k_base, or give the path of a tokenizer.json",
  );
}

const counting: Readonly<Record<CorpusPart["format"], Counting>> = {
  text: async (part, tokenizer, settings, onProgress, signal) => {
    const counter = await documentCounter(textOptions(tokenizer, settings), "countText");
    const reader = utf8Reader(part.path, part.start);
    const tell = since(counter, onProgress);
    for await (const bytes of readPart(part, tell, signal)) counter.push(reader.read(bytes));
    reader.end();
    if (part.continues) counter.endText();
    else counter.endDocument();
    tell(0);
    return counter.read();
  },
  jsonl: async (part, tokenizer, settings, onProgress, signal) => {
    const count = async (firstLine: number, progress: OnProgress): Promise<CorpusCounts> => {
      const counter = await documentCounter(textOptions(tokenizer, settings), "countJsonLines");
      const bytes = readPart(part, since(counter, progress), signal);
      return counter.read(await countLines(counter, bytes, { ...settings, firstLine }));
    };
    try {
      return await count(1, onProgress);
    } catch (error) {
      if (part.start === 0 || !(error instanceof LossError)) throw error;
      // The number of a line is known once the lines before this part are counted, which is only then worth it.
      return await count((await linesBefore(part)) + 1, () => {});
    }
  },
  uint16: tokenised,
  uint32: tokenised,
  parquet: async (part, tokenizer, settings, onProgress, signal) => {
    const onBytes = (bytes: number): void => {
      signal?.throwIfAborted();
      onProgress({ bytes, tokens: 0 });
    };
    const { source, close } = await openSlices(part.path, onBytes);
    const rowGroups = { rowGroups: [part.start, part.end ?? Number.POSITIVE_INFINITY] as const };
    try {
      const named = settings.name === undefined ? {} : { tokenizer: settings.name };
      const options = { ...named, ...tokenizer, ...settings, ...rowGroups } as
        | CountParquetTextOptions
        | CountParquetIdsOptions;
      const counted = await countParquet(source, options);
      onProgress({ bytes: 0, tokens: counted.tokens + counted.ignored });
      return counted;
    } finally {
      await close();
    }
  },
};

async function tokenised(
  part: CorpusPart,
  tokenizer: LoadedTokenizer | null,
  settings: CorpusSettings,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<CorpusCounts> {
  const width = part.format === "uint16" ? "uint16" : "uint32";
  const size = bytesPerId[width];
  const bytes = readPart(part, (read) => onProgress({ bytes: read, tokens: read / size }), signal);
  const options = await idOptions(tokenizer, settings);
  return countTokenised(bytes, { ...options, width, firstPosition: part.start / size });
}

/** Ids need no tokenizer; one that is given says what they are ids of. */
async function idOptions(tokenizer: LoadedTokenizer | null, settings: CorpusSettings): Promise<CountIdsOptions> {
  const { vocabSize, endOfText, ignoreIndex, name } = settings;
  const given = {
    ...(name === undefined ? {} : { tokenizer: name }),
    ...(endOfText === undefined ? {} : { endOfText }),
    ...(ignoreIndex === undefined ? {} : { ignoreIndex }),
  };
  if (tokenizer !== null) {
    const { vocabulary } = (await documentCounter({ ...tokenizer, ...settings }, "countTokenised")).tokenizer;
    const { size, ...details } = vocabulary;
    return { ...given, ...details, vocabSize: size };
  }
  if (vocabSize !== undefined) return { ...given, vocabSize: vocabularyOf(vocabSize, {}, "countTokenised").size };
  throw new LossError(
    "the vocabulary",
    "nothing tells how many entries it has",
    "Give the number of entries, or the tokenizer that the ids are of",
  );
}

/** Tells how many tokens were counted since the last bytes. */
function since(counter: { readonly tokens: number }, onProgress: OnProgress): (bytes: number) => void {
  let told = 0;
  return (bytes) => {
    onProgress({ bytes, tokens: counter.tokens - told });
    told = counter.tokens;
  };
}

async function linesBefore({ path, start }: CorpusPart): Promise<number> {
  let lines = 0;
  for await (const bytes of createReadStream(path, { end: start - 1 }) as AsyncIterable<Uint8Array>) {
    for (const byte of bytes) if (byte === 10) lines++;
  }
  return lines;
}
