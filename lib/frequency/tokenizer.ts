/**
 * Tokenizers of other packages under one roof. What counting needs of one is the ids of a text; what it can learn of the
 * vocabulary (its size, the special tokens, the text of each entry) differs by package and is read here.
 */
import { LossError } from "../loss/error.ts";
import { sha256 } from "./sha256.ts";
import type { TokenIds } from "./tokenHistogram.ts";
import { type Vocabulary, vocabularyOf } from "./vocabulary.ts";

/**
 * Anything with an `encode` from text to ids, or to `{ ids }`: gpt-tokenizer's encodings, js-tiktoken's Tiktoken and
 * Tokenizer of \@huggingface/tokenizers are known, others are taken as they are.
 */
export interface AnyTokenizer {
  encode(text: string): ArrayLike<number> | { readonly ids: ArrayLike<number> };
  decode?(ids: number[]): string;
}

/**
 * What happens where text spells a special token out, such as "<|endoftext|>": the text is refused, taken as the text
 * that it is, or made the special token.
 */
export type SpecialText = "refuse" | "text" | "token";

/** Options of what reads text. */
export interface TokenizerOptions {
  /** Turns text into ids. */
  readonly tokenizer: AnyTokenizer;
  /** What the tokenizer is called in the counts, and when they are merged: "r50k_base". */
  readonly name?: string;
  /** The number of entries of the vocabulary; by default as many as the tokenizer says it has. */
  readonly vocabSize?: number;
  /** The ids of special tokens by name; by default those that the tokenizer tells. */
  readonly special?: Readonly<Record<string, number>>;
  /** "refuse" by default. A tokenizer that is not of a known package does what it does. */
  readonly specialText?: SpecialText;
}

/** A tokenizer as counting needs it. */
export interface Tokenizer {
  /** What it was made of. */
  readonly source: AnyTokenizer;
  readonly vocabulary: Vocabulary;
  /** What must not be cut through in text: the names of special tokens, unless they are text like any other. */
  readonly names: readonly string[];
  encode(text: string): TokenIds;
}

/** The tokenizer that the options describe; a LossError where it is none or does not tell the size of its vocabulary. */
export async function tokenizerOf(options: TokenizerOptions, where: string): Promise<Tokenizer> {
  const { tokenizer, name = null, specialText = "refuse" } = options ?? {};
  if (typeof tokenizer?.encode !== "function") {
    throw new LossError(
      `${where}({ tokenizer })`,
      `got ${String(tokenizer)}`,
      "Give a tokenizer with an encode, such as gpt-tokenizer/encoding/r50k_base",
    );
  }
  if (!["refuse", "text", "token"].includes(specialText)) {
    throw new LossError(`${where}({ specialText })`, `got ${String(specialText)}`, 'Give "refuse", "text" or "token"');
  }
  const package_ = packageOf(tokenizer);
  const reader = readers[package_](tokenizer as never, specialText, where, options.special);
  const { special } = reader;
  const size = options.vocabSize ?? reader.size;
  if (size === undefined) {
    throw new LossError(
      `${where}({ vocabSize })`,
      "the tokenizer does not tell how many entries its vocabulary has",
      "Give their number, special and added tokens included: the logits' last dimension",
    );
  }
  const details = { tokenizer: name, special };
  const { size: checked } = vocabularyOf(size, details, where);
  const checksum = await checksumOf(tokenizer, reader, checked);
  return {
    source: tokenizer,
    vocabulary: vocabularyOf(size, { ...details, checksum }, where),
    names: specialText === "text" ? [] : Object.keys(special).filter((name) => name !== ""),
    encode: refusing(reader.encode, where),
  };
}

/** What a package tells of its tokenizer. */
interface Reader {
  readonly size: number | undefined;
  readonly special: Readonly<Record<string, number>>;
  readonly textOf: ((id: number) => string) | null;
  encode(text: string): TokenIds;
}

type ReaderOf<T> = (
  tokenizer: T,
  specialText: SpecialText,
  where: string,
  /** The special tokens, where they were given. */
  given: Readonly<Record<string, number>> | undefined,
) => Reader;

/** The names that those of tiktoken's encodings have for special tokens. */
const specialNames = [
  "<|endoftext|>",
  "<|fim_prefix|>",
  "<|fim_middle|>",
  "<|fim_suffix|>",
  "<|endofprompt|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|im_sep|>",
];

interface GptTokenizer extends AnyTokenizer {
  readonly vocabularySize: number;
  encode(text: string, options?: { allowedSpecial?: "all"; disallowedSpecial?: Set<string> }): number[];
  decode(ids: number[]): string;
}

interface Tiktoken extends AnyTokenizer {
  readonly specialTokens: Readonly<Record<string, number>>;
  encode(text: string, allowedSpecial?: "all" | string[], disallowedSpecial?: "all" | string[]): number[];
  decode(ids: number[]): string;
}

interface HuggingFaceTokenizer extends AnyTokenizer {
  encode(text: string, options?: { add_special_tokens: boolean }): { readonly ids: number[] };
  decode(ids: number[], options?: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  get_vocab(withAdded?: boolean): Map<string, number>;
  get_added_tokens_decoder(): Map<number, { readonly content: string; readonly special: boolean }>;
}

interface Readers {
  readonly gptTokenizer: ReaderOf<GptTokenizer>;
  readonly tiktoken: ReaderOf<Tiktoken>;
  readonly huggingFace: ReaderOf<HuggingFaceTokenizer>;
  readonly other: ReaderOf<AnyTokenizer>;
}

function packageOf(tokenizer: AnyTokenizer): keyof Readers {
  if ("get_added_tokens_decoder" in tokenizer) return "huggingFace";
  if ("specialTokens" in tokenizer) return "tiktoken";
  return "vocabularySize" in tokenizer && "setMergeCacheSize" in tokenizer ? "gptTokenizer" : "other";
}

const readers: Readers = {
  gptTokenizer: (tokenizer, specialText, _where, given) => {
    const found = specialNames.flatMap((name) => {
      const ids = tokenizer.encode(name, { allowedSpecial: "all" });
      return ids.length === 1 ? [[name, ids[0]] as const] : [];
    });
    const own = Object.fromEntries(found);
    const special = given ?? own;
    const asText = { disallowedSpecial: new Set<string>() };
    const encode = (text: string): number[] => tokenizer.encode(text, asText);
    return {
      special,
      size: sizeOf(tokenizer.vocabularySize, own),
      textOf: alone(tokenizer),
      // Where it is allowed, gpt-tokenizer 4.0.0 sees a special token at the start of a text alone.
      encode:
        specialText === "token"
          ? withSpecial(encode, special)
          : specialText === "text"
            ? encode
            : (text) => tokenizer.encode(text),
    };
  },
  tiktoken: (tokenizer, specialText, _where, given) => ({
    special: given ?? tokenizer.specialTokens,
    size: undefined,
    textOf: alone(tokenizer),
    encode: (text) =>
      specialText === "refuse"
        ? tokenizer.encode(text)
        : tokenizer.encode(text, specialText === "token" ? "all" : [], []),
  }),
  huggingFace: (tokenizer, specialText, where, given) => {
    const added = [...tokenizer.get_added_tokens_decoder()].filter(([, token]) => token.special);
    const special = given ?? Object.fromEntries(added.map(([id, { content }]) => [content, id]));
    const names = Object.keys(special).filter((name) => name !== "");
    if (specialText === "text" && names.length > 0) {
      throw new LossError(
        `${where}({ specialText })`,
        '"text" is not possible: @huggingface/tokenizers makes special tokens of their names in every text',
        'Give "refuse" or "token"',
      );
    }
    const encode = (text: string): number[] => tokenizer.encode(text, { add_special_tokens: false }).ids;
    return {
      special,
      size: sizeOf(0, Object.fromEntries(tokenizer.get_vocab(true))),
      textOf: (id) => tokenizer.decode([id], { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
      encode: (text) => {
        const found = specialText === "refuse" ? names.find((name) => text.includes(name)) : undefined;
        if (found !== undefined) throw new Error(`the text contains the special token ${found}`);
        return encode(text);
      },
    };
  },
  other: (tokenizer, _specialText, _where, given = {}) => ({
    special: given,
    size: undefined,
    textOf: typeof tokenizer.decode === "function" ? alone(tokenizer as Required<AnyTokenizer>) : null,
    encode: (text) => plainIds(tokenizer.encode(text)),
  }),
};

/** Makes special tokens of their names, and encodes what is between them. */
function withSpecial(
  encode: (text: string) => number[],
  special: Readonly<Record<string, number>>,
): (text: string) => number[] {
  const names = Object.keys(special).map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const separator = new RegExp(`(${names.join("|")})`);
  return (text) => {
    if (names.length === 0) return encode(text);
    const parts = text.split(separator);
    return parts.length === 1
      ? encode(text)
      : parts.flatMap((part, i) => (i % 2 === 1 ? [special[part]] : encode(part)));
  };
}

/** Entries that have a name of their own may be beyond those that a tokenizer counts. */
function sizeOf(size: number, ids: Readonly<Record<string, number>>): number {
  return Object.values(ids).reduce((most, id) => Math.max(most, id + 1), size);
}

/**
 * The text of a single id. The letter after it keeps a decoder from trimming, and from keeping what is no complete
 * character for its next call.
 */
function alone(tokenizer: { encode: AnyTokenizer["encode"]; decode(ids: number[]): string }): (id: number) => string {
  const letter = Array.from(plainIds(tokenizer.encode("a")));
  return (id) => tokenizer.decode([id, ...letter]).slice(0, -1);
}

function plainIds(encoded: ReturnType<AnyTokenizer["encode"]>): ArrayLike<number> {
  return "ids" in encoded ? encoded.ids : encoded;
}

const checksums = new WeakMap<AnyTokenizer, Map<number, Promise<string>>>();

function checksumOf(tokenizer: AnyTokenizer, reader: Reader, size: number): Promise<string> | null {
  if (reader.textOf === null) return null;
  const known = checksums.get(tokenizer) ?? new Map<number, Promise<string>>();
  checksums.set(tokenizer, known);
  const checksum = known.get(size) ?? sha256(JSON.stringify(textsOf(reader, reader.textOf, size)));
  known.set(size, checksum);
  return checksum;
}

/**
 * The text of each entry, and "" for a special token and where it is not encoded as that entry. Decoders make different things of part of a
 * character and of a byte order mark, gpt-tokenizer's even of what it was given before: such a text is that of
 * another entry, or not of ASCII, and these are encoded to see.
 */
function textsOf({ encode, special }: Reader, textOf: (id: number) => string, size: number): readonly string[] {
  const named = new Set(Object.values(special));
  const decoded = Array.from({ length: size }, (_, id) => (named.has(id) ? "" : attempt(() => textOf(id)))).map(
    // Packages differ in which special tokens of later models they know.
    (text) => (/^<\|[^|]+\|>$/.test(text) ? "" : text),
  );
  const times = new Map<string, number>();
  for (const text of decoded) times.set(text, (times.get(text) ?? 0) + 1);
  return decoded.map((text, id) => {
    if (times.get(text) === 1 && /^[\x20-\x7e]*$/.test(text)) return text;
    return attempt(() => {
      const ids = encode(text);
      return ids.length === 1 && ids[0] === id && !text.startsWith("\ufeff") ? text : "";
    });
  });
}

/** "" for what throws, as some decoders do at a gap in the vocabulary. */
function attempt(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}

/** What a tokenizer throws as a LossError. */
function refusing(encode: (text: string) => TokenIds, where: string): (text: string) => TokenIds {
  return (text) => {
    try {
      return encode(text);
    } catch (error) {
      throw new LossError(
        `${where}({ tokenizer })`,
        `the tokenizer refuses the text: ${error instanceof Error ? error.message : String(error)}`,
        'Where text spells a special token out, say what it is: { specialText: "text" } or "token" (--special)',
      );
    }
  };
}
