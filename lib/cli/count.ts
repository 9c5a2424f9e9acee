import process from "node:process";
import { countFiles } from "../frequency/files/countFiles.ts";
import type { Compression, CorpusFormat } from "../frequency/files/format.ts";
import { LossError } from "../loss/error.ts";
import { expanded } from "./inputs.ts";
import { progressOn } from "./progress.ts";
import { checkResult, give, type ResultOptions } from "./result.ts";

/** The options of `lossmith count`, as its --help says. */
export interface CountOptions extends ResultOptions {
  readonly tokenizer?: string;
  readonly format?: CorpusFormat;
  readonly compression?: Compression;
  readonly field?: string;
  readonly prompt?: string;
  readonly column?: string;
  readonly skipBad?: boolean;
  readonly endOfText?: number | true;
  readonly ignoreIndex?: number;
  readonly special?: "refuse" | "text" | "token";
  readonly vocabSize?: number;
  readonly name?: string;
  readonly longestHoldBack?: number;
  readonly workers?: number;
}

export async function count(inputs: readonly string[], options: CountOptions, signal: AbortSignal): Promise<void> {
  await checkResult(options);
  const { out, json, quiet, special, ...counting } = options;
  const paths = await expanded(inputs);
  if (special !== undefined && options.tokenizer === undefined) {
    throw new LossError("--special", "there is no text without a tokenizer", "Name one with --tokenizer");
  }
  const progress = progressOn(quiet === true ? null : process.stderr);
  try {
    const counts = await countFiles(paths, {
      ...counting,
      ...(special === undefined ? {} : { specialText: special }),
      ...(progress === null ? {} : { onProgress: progress.update }),
      signal,
    });
    progress?.end();
    await give(counts, { ...(out === undefined ? {} : { out }), ...(json && { json }), ...(quiet && { quiet }) });
  } finally {
    progress?.end();
  }
}
