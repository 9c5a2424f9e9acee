import { type LawCombinator, law } from "../loss/combinator.ts";
import { add, constant, divide, unary } from "../loss/expression.ts";
import { value } from "../loss/language.ts";

/**
 * Logarithmic decay of the weight field: f ↦ 1 / log(e + f), from 1 at f = 0. The gentlest of the decays: on counts, an
 * entry seen a million times weighs 1/14.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, logarithmic, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([1000, 1])), logarithmic, sum);
 * const expected = Math.log(2) / Math.log(Math.E + 1000);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(expected, 12);
 * ```
 */
export const logarithmic: LawCombinator = law({
  name: "logarithmic",
  map: divide(constant(1), unary("log", add(constant(Math.E), value))),
});
