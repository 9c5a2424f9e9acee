import { type CorpusCounts, corpusCounts } from "./corpusCounts.ts";
import { checkVocabSize } from "./ids.ts";
import { type Items, itemsOf } from "./items.ts";
import { type TokenIds, tokenHistogram } from "./tokenHistogram.ts";
import { type VocabularyDetails, vocabularyOf } from "./vocabulary.ts";

/** Options of what counts token ids; the tokenizer is named for merging and saving. */
export interface CountIdsOptions extends VocabularyDetails {
  /** The number of entries of the vocabulary, special and added tokens included: the logits' last dimension. */
  readonly vocabSize: number;
  /** A label that is not a token and is not counted; −100 by default. */
  readonly ignoreIndex?: number;
  /** The id at the end of each document, by which documents are counted; without it they are not known. */
  readonly endOfText?: number;
  /** The position of the first id in errors, where the source is part of a longer one; 0 by default. */
  readonly firstPosition?: number;
}

/** Token ids: all at once, one after the other, or in arrays. */
export type IdSource = TokenIds | Items<number | bigint | TokenIds>;

/**
 * Counts token ids from any array, typed array, iterable, async iterable or ReadableStream, of ids or of arrays of ids,
 * in constant memory.
 *
 * @throws LossError for an id that is not an integer or outside the vocabulary, with its position among all ids.
 *
 * @example
 * ```ts
 * import { countIds } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * async function* batches() {
 *   yield new Uint16Array([7, 2, 9]);
 *   yield [2, -100, 9];
 * }
 * const counts = await countIds(batches(), { vocabSize: 10, tokenizer: "mine", endOfText: 9 });
 * expect([counts.counts[2], counts.tokens, counts.documents, counts.ignored]).toEqual([2, 5, 2, 1]);
 * ```
 */
export async function countIds(source: IdSource, options: CountIdsOptions): Promise<CorpusCounts> {
  return countIdsAs("countIds", source, options);
}

/** The same on behalf of the function `name`. */
export async function countIdsAs(name: string, source: IdSource, options: CountIdsOptions): Promise<CorpusCounts> {
  const { vocabSize, ignoreIndex = -100, endOfText, firstPosition = 0 } = options ?? {};
  checkVocabSize(vocabSize, `${name}({ vocabSize })`);
  const { special } = vocabularyOf(vocabSize, { special: endOfTextAsSpecial(options) }, name);
  const histogram = tokenHistogram({ vocabSize, ignoreIndex, where: `${name}(ids)`, firstPosition });
  if (isIds(source)) {
    histogram.add(source);
  } else {
    const items = itemsOf(source, `${name}(ids)`, "token ids: an array, an iterable or a stream of ids or of arrays");
    if (Symbol.iterator in items) {
      for (const item of runs(items)) isIds(item) ? histogram.add(item) : histogram.addEach(item);
    } else {
      for await (const item of items) isIds(item) ? histogram.add(item) : histogram.addEach([item]);
    }
  }
  const { counts, ignored } = histogram.read();
  const documents = endOfText === undefined ? null : counts[endOfText];
  return corpusCounts({ kind: "frequencies", counts }, { ...options, special, documents, ignored });
}

/** The named special tokens, and the end of text under a name of its own where it has none. */
function endOfTextAsSpecial({ special = {}, endOfText }: CountIdsOptions): Readonly<Record<string, number>> {
  if (endOfText === undefined || Object.values(special).includes(endOfText)) return special;
  return { ...special, "end of text": endOfText };
}

function isIds(item: unknown): item is TokenIds {
  return Array.isArray(item) ? typeof item[0] !== "object" : ArrayBuffer.isView(item) && !(item instanceof DataView);
}

/** Arrays as they are, and ids that follow each other as one iterable. */
function* runs(
  items: Iterable<number | bigint | TokenIds>,
): Generator<TokenIds | Iterable<number | bigint>, void, undefined> {
  const iterator = items[Symbol.iterator]();
  let next = iterator.next();
  const ids = function* (): Generator<number | bigint> {
    for (; !next.done && !isIds(next.value); next = iterator.next()) yield next.value as number | bigint;
  };
  while (!next.done) {
    if (isIds(next.value)) {
      yield next.value;
      next = iterator.next();
    } else {
      yield ids();
    }
  }
}
