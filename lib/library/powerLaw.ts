import { type LawCombinator, law } from "../loss/combinator.ts";
import { add, atom, constant, pow, subtract } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/** Options of `powerLaw`. */
export interface PowerLawOptions {
  /** Added to the value before the power; 1e-7 by default, in the field's own unit. */
  readonly epsilon?: Numeric;
}

/**
 * Power-law decay of the weight field: f ↦ (f + epsilon)^−alpha. On frequencies this is the Power-Law Decay Loss.
 *
 * @param alpha the exponent, a number or a schedule; 0 is plain cross entropy, 0.25 to 1 is usual.
 * @throws LossError where alpha or epsilon is not finite, or epsilon is negative.
 *
 * Source: arXiv 2505.16900, and its code for epsilon.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, mean, pipe, powerLaw } from "lossmith";
 * import { expect } from "expect";
 *
 * const pdl = pipe(crossEntropy, freqWeights(fromCounts([100, 10, 1])), powerLaw(1), mean);
 * const batch = { logits: [[2, 1, 0.1], [0.5, 2.5, 0.3], [1, 1, 1]], labels: [0, 1, 2] };
 * expect(evaluate(pdl, batch)).toBeCloseTo(0.374929, 6);
 * ```
 */
export function powerLaw(alpha: Numeric, options: PowerLawOptions = {}): LawCombinator {
  const exponent = lift(alpha, "powerLaw(alpha)");
  const epsilon = lift(options.epsilon ?? 1e-7, "powerLaw({ epsilon })", { lowest: 0 });
  return law({
    name: `powerLaw(${showNumeric(alpha)})`,
    map: pow<VocabularyAtom>(add<VocabularyAtom>(atom({ kind: "value" }), epsilon), subtract(constant(0), exponent)),
  });
}
