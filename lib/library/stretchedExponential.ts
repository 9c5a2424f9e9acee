import { type LawCombinator, law } from "../loss/combinator.ts";
import { constant, divide, pow, subtract, unary } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { value } from "../loss/language.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/** Options of `stretchedExponential`. */
export interface StretchedExponentialOptions {
  /** The value at which a weight has fallen to 1/e, in the field's own unit; above 0. */
  readonly tau: Numeric;
  /** The stretch, at least 0: 1 is `exponentialDecay(1 / tau)`, below 1 the tail is heavier, 0 weighs all by 1/e. */
  readonly beta: Numeric;
}

/**
 * Stretched exponential decay of the weight field: f ↦ exp(−(f / tau)^beta).
 *
 * @throws LossError where tau is not above 0, beta is negative, or one of them is not finite.
 *
 * Source: the function of R. Kohlrausch (1854), and of Laherrère and Sornette for frequencies by rank,
 * arXiv cond-mat/9801293.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, pipe, stretchedExponential, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([36, 4])), stretchedExponential({ tau: 4, beta: 0.5 }), sum);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(Math.exp(-3) * Math.log(2), 12);
 * ```
 */
export function stretchedExponential(options: StretchedExponentialOptions): LawCombinator {
  const { tau, beta } = options ?? {};
  const scale = lift(tau, "stretchedExponential({ tau })", { lowest: Number.MIN_VALUE });
  const stretch = lift(beta, "stretchedExponential({ beta })", { lowest: 0 });
  const power = pow<VocabularyAtom>(divide<VocabularyAtom>(value, scale), stretch);
  return law({
    name: `stretchedExponential({ tau: ${showNumeric(tau)}, beta: ${showNumeric(beta)} })`,
    map: unary("exp", subtract(constant(0), power)),
  });
}
