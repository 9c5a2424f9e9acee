import { LossError } from "../loss/error.ts";
import type { CorpusCounts } from "./corpusCounts.ts";
import { type CountTextOptions, documentCounter } from "./documentCounter.ts";
import { piecesOf, type TextSource } from "./items.ts";
import { utf8Reader } from "./utf8.ts";

/**
 * Counts the tokens of a document of any length that arrives as text, or as the bytes of its UTF-8, in pieces cut anywhere.
 * The tokens are those of encoding the whole document at once, in constant memory: text is cut only where no token can
 * be, before a space that follows something else or a punctuation mark that follows a letter, and the tokenizer is
 * asked at the first such places whether that is so. One whose tokens depend on more gets each document whole. Text
 * with no such place for long is cut into pieces of `longestHoldBack` characters all the same, which may add a token, and
 * `forcedCuts` of the result says how often.
 *
 * Documents of their own are counted one by one, and merged, or by `countDocuments`.
 *
 * @throws LossError for bytes that are not UTF-8, with the place; for text that spells a special token out, unless
 * `specialText` says what it is; for an id outside the vocabulary.
 *
 * @example
 * ```ts
 * import * as r50k from "gpt-tokenizer/encoding/r50k_base";
 * import { countText } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * const options = { tokenizer: r50k, name: "r50k_base", endOfText: 50256 };
 * const { counts, tokens } = await countText(["It was the best of ti", "mes"], options);
 * expect([tokens, counts[50256]]).toEqual([r50k.encode("It was the best of times").length + 1, 1]);
 * ```
 */
export async function countText(source: TextSource, options: CountTextOptions): Promise<CorpusCounts> {
  const counter = await documentCounter(options, "countText");
  const reader = utf8Reader("countText(source)");
  for await (const piece of piecesOf(source, "countText(source)")) {
    counter.push(piece instanceof Uint8Array ? reader.read(piece) : textOf(piece, "countText(source)"));
  }
  reader.end();
  counter.endDocument();
  return counter.read();
}

/** `piece` if it is a text. */
export function textOf(piece: unknown, where: string): string {
  if (typeof piece === "string") return piece;
  throw new LossError(
    where,
    `got ${String(piece)} among the text`,
    "Give strings, or the bytes of UTF-8 in Uint8Arrays",
  );
}
