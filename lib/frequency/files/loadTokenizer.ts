import { readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { LossError } from "../../loss/error.ts";
import type { AnyTokenizer, TokenizerOptions } from "../tokenizer.ts";
import { unreadable } from "./readFile.ts";

/** A tokenizer that was loaded, with what is known of its vocabulary. */
export type LoadedTokenizer = Pick<TokenizerOptions, "tokenizer" | "name" | "vocabSize" | "special">;

const endOfText = "<|endoftext|>";

/** tiktoken's encodings; their packages do not agree on the special tokens. */
const encodings: Readonly<Record<string, Required<Pick<LoadedTokenizer, "vocabSize" | "special">>>> = {
  r50k_base: { vocabSize: 50257, special: { [endOfText]: 50256 } },
  p50k_base: { vocabSize: 50281, special: { [endOfText]: 50256 } },
  p50k_edit: {
    vocabSize: 50284,
    special: { [endOfText]: 50256, "<|fim_prefix|>": 50281, "<|fim_middle|>": 50282, "<|fim_suffix|>": 50283 },
  },
  cl100k_base: {
    vocabSize: 100277,
    special: {
      [endOfText]: 100257,
      "<|fim_prefix|>": 100258,
      "<|fim_middle|>": 100259,
      "<|fim_suffix|>": 100260,
      "<|endofprompt|>": 100276,
    },
  },
  o200k_base: { vocabSize: 200019, special: { [endOfText]: 199999, "<|endofprompt|>": 200018 } },
};

/** The names that `loadTokenizer` knows. */
export const tokenizerNames: readonly string[] = Object.keys(encodings);

/**
 * Loads a tokenizer: one of tiktoken's encodings by its name (from the package gpt-tokenizer, or js-tiktoken), or a
 * tokenizer.json of Hugging Face by its path (by \@huggingface/tokenizers), with the tokenizer_config.json beside it. The
 * packages are not installed with lossmith.
 *
 * @throws LossError for an unknown name, a file that is no tokenizer, and a package that is missing.
 *
 * @example
 * ```ts
 * import { countText } from "lossmith/frequency";
 * import { loadTokenizer } from "lossmith/frequency/files";
 * import { expect } from "expect";
 *
 * const { vocabulary } = await countText("Call me Ishmael.", await loadTokenizer("r50k_base"));
 * expect([vocabulary.tokenizer, vocabulary.size]).toEqual(["r50k_base", 50257]);
 * ```
 */
export async function loadTokenizer(name: string): Promise<LoadedTokenizer> {
  if (name.endsWith(".json")) return fromFile(name);
  if (!Object.hasOwn(encodings, name)) {
    throw new LossError(
      "the tokenizer",
      `"${name}" is not known`,
      `Give one of ${tokenizerNames.join(", ")}, or the path of a tokenizer.json`,
    );
  }
  return { tokenizer: await encodingOf(name), name, ...encodings[name] };
}

async function encodingOf(name: string): Promise<AnyTokenizer> {
  const gptTokenizer = await optional<AnyTokenizer>(`gpt-tokenizer/encoding/${name}`);
  if (gptTokenizer !== null) return gptTokenizer;
  const tiktoken = await optional<{ Tiktoken: new (ranks: unknown) => AnyTokenizer }>("js-tiktoken/lite");
  const ranks = await optional<{ default: unknown }>(`js-tiktoken/ranks/${name}`);
  if (tiktoken !== null && ranks !== null) return new tiktoken.Tiktoken(ranks.default);
  throw missing(name, "gpt-tokenizer");
}

async function fromFile(path: string): Promise<LoadedTokenizer> {
  const package_ = await optional<{ Tokenizer: new (tokenizer: object, config: object) => AnyTokenizer }>(
    "@huggingface/tokenizers",
  );
  if (package_ === null) throw missing(path, "@huggingface/tokenizers");
  const model = await json(path);
  const config = await json(join(dirname(path), "tokenizer_config.json")).catch(() => ({}));
  const name = basename(path) === "tokenizer.json" ? basename(dirname(resolve(path))) : basename(path, ".json");
  try {
    return { tokenizer: new package_.Tokenizer(model, config), name };
  } catch (error) {
    throw new LossError(
      path,
      `it is no tokenizer: ${(error as Error).message}`,
      "Give a tokenizer.json of Hugging Face",
    );
  }
}

async function json(path: string): Promise<object> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw unreadable(path, error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LossError(path, `it is no JSON: ${(error as Error).message}`, "Give a tokenizer.json of Hugging Face");
  }
}

function missing(name: string, package_: string): LossError {
  return new LossError(
    "the tokenizer",
    `the package ${package_}, which "${name}" needs, is not installed`,
    `Install it: npm install ${package_}`,
  );
}

/** A package that may not be installed. The name is not told to bundlers, which would want it. */
async function optional<T>(specifier: string): Promise<T | null> {
  try {
    return (await import(specifier)) as T;
  } catch {
    return null;
  }
}
