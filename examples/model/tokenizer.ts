/** The tokenizer of the demo and the examples: r50k, GPT-2's. */
import { decode, encode } from "gpt-tokenizer/encoding/r50k_base";
import { joined } from "./joined.ts";
import { endOfText } from "./tokenIds.ts";

export { endOfText, tokenizerSize } from "./tokenIds.ts";

/** The ids of a text, without an end of text. */
export function tokensOf(text: string): Int32Array {
  return Int32Array.from(encode(text));
}

/** Documents as one stream of ids, an end of text after each. */
export function documentStream(documents: readonly string[]): Int32Array {
  return joined(documents.map((text) => [...encode(text), endOfText]));
}

/** Tokens as one line of text. */
export function textOf(tokens: ArrayLike<number>): string {
  return decode(Array.from(tokens)).replaceAll(/\s+/g, " ").trim();
}
