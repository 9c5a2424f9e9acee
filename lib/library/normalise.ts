import { type LawCombinator, law } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { atom, divide, type Expression, multiply } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";

type E = Expression<VocabularyAtom>;

const value: E = atom({ kind: "value" });
const count: E = atom({ kind: "count" });
const total = (body: E): E => atom({ kind: "overVocabulary", aggregate: "sum", body });

const units = {
  tokenMean: divide(total(multiply(count, value)), total(count)),
  typeMean: divide(total(value), atom<VocabularyAtom>({ kind: "vocabularySize" })),
  max: atom<VocabularyAtom>({ kind: "overVocabulary", aggregate: "max", body: value }),
} as const satisfies Record<string, E>;

/**
 * Divides the weights by a number that makes losses comparable:
 * - "tokenMean": the mean weight of a token, Σ c w / Σ c with the raw counts c; the loss keeps its scale under `mean`;
 * - "typeMean": the mean weight of an entry, Σ w / V;
 * - "max": the largest weight.
 *
 * @throws LossError for another unit, and for "tokenMean" on a field without counts.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, mean, normalise, pipe, powerLaw } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([3, 1])), powerLaw(1), normalise("tokenMean"), mean);
 * // The weights 1/3 and 1 have token mean (3 · 1/3 + 1 · 1) / 4 = 1/2, so they become 2/3 and 2.
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [1] })).toBeCloseTo(2 * Math.log(2), 6);
 * ```
 */
export function normalise(unit: "tokenMean" | "typeMean" | "max"): LawCombinator {
  if (!Object.hasOwn(units, unit)) {
    throw new LossError("normalise", `got ${String(unit)}`, 'Give "tokenMean", "typeMean" or "max"');
  }
  return law({ name: `normalise("${unit}")`, map: divide(value, units[unit]) });
}
