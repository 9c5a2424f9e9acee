import { LossError } from "../loss/error.ts";
import type { Frequencies } from "./frequencies.ts";
import { checkVocabSize } from "./ids.ts";
import { type TokenIds, tokenHistogram } from "./tokenHistogram.ts";

/** Options of `countTokens`. */
export interface CountTokensOptions {
  /** The number of entries of the vocabulary, specials and added tokens included: the logits' last dimension. */
  readonly vocabSize: number;
  /** A label that is not a token and is not counted; −100 by default. */
  readonly ignoreIndex?: number;
}

/**
 * Counts token ids.
 *
 * @param ids token ids from 0 to vocabSize − 1: an array, a typed array or any iterable.
 * @throws LossError for an id that is not an integer or outside the vocabulary, with its position.
 *
 * @example
 * ```ts
 * import { countTokens } from "lossmith";
 * import { expect } from "expect";
 *
 * expect([...countTokens([0, 2, 2, -100], { vocabSize: 4 }).counts]).toEqual([1, 0, 2, 0]);
 * ```
 */
export function countTokens(ids: Iterable<number>, options: CountTokensOptions): Frequencies {
  if (typeof ids !== "object" || ids === null || !(Symbol.iterator in ids)) {
    throw new LossError(
      "countTokens(ids)",
      `got ${String(ids)}`,
      "Give token ids: an array, a typed array or any iterable",
    );
  }
  const { vocabSize, ignoreIndex = -100 } = options ?? {};
  checkVocabSize(vocabSize, "countTokens({ vocabSize })");
  const histogram = tokenHistogram({ vocabSize, ignoreIndex, where: "countTokens(ids)" });
  if (Array.isArray(ids) || ArrayBuffer.isView(ids)) histogram.add(ids as unknown as TokenIds);
  else histogram.addEach(ids);
  return { kind: "frequencies", counts: histogram.read().counts };
}
