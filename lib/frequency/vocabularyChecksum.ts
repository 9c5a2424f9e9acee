import { type TokenizerOptions, tokenizerOf } from "./tokenizer.ts";

/**
 * The checksum of a tokenizer's vocabulary: SHA-256, in hex, of the JSON of the list of the texts of all entries. The
 * text is "" for an entry that is no text alone: part of a character, a special token.
 * Tokenizers with the same ids have the same checksum, whatever package they are from; null for one without a `decode`.
 *
 * @throws LossError for what is no tokenizer, or one that does not tell its size and no vocabSize.
 *
 * @example
 * ```ts
 * import * as r50k from "gpt-tokenizer/encoding/r50k_base";
 * import { vocabularyChecksum } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * expect(await vocabularyChecksum({ tokenizer: r50k })).toMatch(/^[0-9a-f]{64}$/);
 * ```
 */
export async function vocabularyChecksum(options: TokenizerOptions): Promise<string | null> {
  return (await tokenizerOf(options, "vocabularyChecksum")).vocabulary.checksum;
}
