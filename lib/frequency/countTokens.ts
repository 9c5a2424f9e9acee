import { LossError } from "../loss/error.ts";
import type { Frequencies } from "./frequencies.ts";

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
  if (!Number.isSafeInteger(vocabSize) || vocabSize < 1 || vocabSize >= 2 ** 31) {
    throw new LossError(
      "countTokens({ vocabSize })",
      `got ${String(vocabSize)}`,
      "Give the number of entries of the vocabulary",
    );
  }
  const counts = new Float64Array(vocabSize);
  let position = 0;
  for (const id of ids) {
    if (id !== ignoreIndex) {
      if (!(id >= 0 && id < vocabSize && Number.isInteger(id))) {
        throw new LossError(
          "countTokens(ids)",
          `the id at position ${position} is ${String(id)}, outside a vocabulary of ${vocabSize} entries`,
          `Give integers from 0 to ${vocabSize - 1}, or a larger vocabSize`,
        );
      }
      counts[id]++;
    }
    position++;
  }
  return { kind: "frequencies", counts };
}
