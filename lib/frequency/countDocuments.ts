import type { CorpusCounts } from "./corpusCounts.ts";
import { textOf } from "./countText.ts";
import { type CountTextOptions, documentCounter } from "./documentCounter.ts";
import { type Items, itemsOf } from "./items.ts";

/**
 * Counts the tokens of documents, each a string, from an iterable, an async iterable or a ReadableStream; as
 * `countText` of each, merged.
 *
 * @throws LossError as `countText` does.
 *
 * @example
 * ```ts
 * import * as r50k from "gpt-tokenizer/encoding/r50k_base";
 * import { countDocuments } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * const counted = await countDocuments(["One.", "Two."], { tokenizer: r50k, endOfText: 50256 });
 * expect([counted.tokens, counted.documents]).toEqual([6, 2]);
 * ```
 */
export async function countDocuments(documents: Items<string>, options: CountTextOptions): Promise<CorpusCounts> {
  const counter = await documentCounter(options, "countDocuments");
  // Iterated, a string would be documents of a character each.
  const items = typeof documents === "string" ? null : documents;
  const where = "countDocuments(documents)";
  for await (const document of itemsOf(items as Items<string>, where, "an iterable or a stream of strings")) {
    counter.push(textOf(document, where));
    counter.endDocument();
  }
  return counter.read();
}
