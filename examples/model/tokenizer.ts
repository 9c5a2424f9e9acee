/** The tokenizer of the demo and the examples: r50k, GPT-2's. */
import { decode, encode } from "gpt-tokenizer/encoding/r50k_base";

/** The r50k id that ends a document. The tokenizer never makes it from text; it is appended here. */
export const endOfText = 50256;

/** The number of ids of the r50k tokenizer. */
export const tokenizerSize = 50257;

/** The ids of a text, without an end of text. */
export function tokensOf(text: string): Int32Array {
  return Int32Array.from(encode(text));
}

/** Documents as one stream of ids, an end of text after each. */
export function documentStream(documents: readonly string[]): Int32Array {
  const encoded = documents.map((text) => [...encode(text), endOfText]);
  const stream = new Int32Array(encoded.reduce((total, document) => total + document.length, 0));
  let offset = 0;
  for (const document of encoded) {
    stream.set(document, offset);
    offset += document.length;
  }
  return stream;
}

/** Tokens as one line of text. */
export function textOf(tokens: ArrayLike<number>): string {
  return decode(Array.from(tokens)).replaceAll(/\s+/g, " ").trim();
}
