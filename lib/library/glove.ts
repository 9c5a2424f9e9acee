import { type LawCombinator, law } from "../loss/combinator.ts";
import { constant, divide, min, pow } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { value } from "../loss/language.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/** Options of `glove`. */
export interface GloveOptions {
  /** The value from which on weights are 1, in the field's own unit, above 0; 100 by default. */
  readonly xMax?: Numeric;
  /** The power below it, at least 0; 0.75 by default. */
  readonly exponent?: Numeric;
}

/**
 * The weighting function of GloVe: f ↦ min(1, (f / xMax)^exponent). It weighs rare entries down, as noise.
 *
 * @throws LossError where xMax is not above 0, exponent is negative, or one of them is not finite.
 *
 * Source: Pennington et al., GloVe: Global Vectors for Word Representation (EMNLP 2014), and its code.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, glove, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([500, 25])), glove({ exponent: 0.5 }), sum);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(Math.log(2), 12);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [1] })).toBeCloseTo(0.5 * Math.log(2), 12);
 * ```
 */
export function glove(options: GloveOptions = {}): LawCombinator {
  const { xMax = 100, exponent = 0.75 } = options ?? {};
  const scale = lift(xMax, "glove({ xMax })", { lowest: Number.MIN_VALUE });
  const power = lift(exponent, "glove({ exponent })", { lowest: 0 });
  return law({
    name: `glove({ xMax: ${showNumeric(xMax)}, exponent: ${showNumeric(exponent)} })`,
    map: min(constant(1), pow<VocabularyAtom>(divide<VocabularyAtom>(value, scale), power)),
  });
}
