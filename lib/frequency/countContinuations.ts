import { LossError } from "../loss/error.ts";
import type { CountTokensOptions } from "./countTokens.ts";
import type { Frequencies } from "./frequencies.ts";
import { checkId, checkVocabSize } from "./ids.ts";

/**
 * Counts continuations: for each token, after how many different tokens it occurs, N₁₊(• w). "Francisco" may be frequent
 * and follow "San" alone. The total is the number of different pairs.
 *
 * The first token of a sequence follows nothing, and so does one after `ignoreIndex`. Unlike counts of tokens, these do
 * not add up over shards.
 *
 * @param sequences sequences of token ids, or one stream of ids; a pair [previous, token] is a sequence of two.
 * @throws LossError for an id that is not an integer or outside the vocabulary, with its position among all ids.
 *
 * @example
 * ```ts
 * import { countContinuations } from "lossmith";
 * import { expect } from "expect";
 *
 * const options = { vocabSize: 4 };
 * expect([...countContinuations([[0, 1, 0, 1], [2, 1, 3]], options).counts]).toEqual([1, 2, 0, 1]);
 * expect([...countContinuations([0, 1, 0, 1, 2], options).counts]).toEqual([1, 1, 1, 0]);
 * ```
 */
export function countContinuations(
  sequences: Iterable<Iterable<number>> | Iterable<number>,
  options: CountTokensOptions,
): Frequencies {
  if (typeof sequences !== "object" || sequences === null || !(Symbol.iterator in sequences)) {
    throw new LossError(
      "countContinuations(sequences)",
      `got ${String(sequences)}`,
      "Give sequences of token ids: arrays, typed arrays or any iterables",
    );
  }
  const { vocabSize, ignoreIndex = -100 } = options ?? {};
  checkVocabSize(vocabSize, "countContinuations({ vocabSize })");
  // A set for each token: one of all pairs may be too large for a Set.
  const before: (Set<number> | undefined)[] = new Array(vocabSize);
  let previous: number | null = null;
  let position = 0;
  const read = (id: number): void => {
    if (id === ignoreIndex) {
      previous = null;
    } else {
      checkId(id, position, vocabSize, "countContinuations(sequences)");
      if (previous !== null) before[id] = (before[id] ?? new Set()).add(previous);
      previous = id;
    }
    position++;
  };
  for (const item of sequences) {
    if (typeof item !== "object" || item === null) {
      read(item as number);
      continue;
    }
    previous = null;
    for (const id of item) read(id);
    previous = null;
  }
  return { kind: "frequencies", counts: Float64Array.from({ length: vocabSize }, (_, id) => before[id]?.size ?? 0) };
}
