import { type LawCombinator, law } from "../loss/combinator.ts";
import { pow } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { value } from "../loss/language.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/**
 * Raises the weights to a power: w ↦ w^power. Below 1 it flattens them, above 1 it sharpens them; 0 weighs every entry by
 * 1, and 1 changes nothing.
 *
 * @param power a number or a schedule.
 * @throws LossError where the power is not finite, and, for a batch, where it is negative and a weight is 0.
 *
 * @example
 * ```ts
 * import { balanced, crossEntropy, evaluate, freqWeights, fromCounts, pipe, sum, temper } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([8, 2])), balanced, temper(0.5), sum);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [1] })).toBeCloseTo(Math.sqrt(2.5) * Math.log(2), 12);
 * ```
 */
export function temper(power: Numeric): LawCombinator {
  const exponent = lift(power, "temper(power)");
  return law({ name: `temper(${showNumeric(power)})`, map: pow<VocabularyAtom>(value, exponent) });
}
