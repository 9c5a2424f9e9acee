import { type LawCombinator, law } from "../loss/combinator.ts";
import { add, atom, constant, multiply, subtract } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/**
 * Blends the weights with 1: w ↦ 1 + a (w − 1). At a = 0 the loss is unweighted, at 1 the law holds in full; with a
 * schedule the weights come in while training.
 *
 * @param a a number from 0 to 1, or a schedule.
 * @throws LossError where a is outside [0, 1].
 *
 * @example
 * ```ts
 * import { classWeights, crossEntropy, evaluate, linear, pipe, ramp, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, classWeights([3, 1]), ramp(linear({ init: 0, end: 1, steps: 10 })), sum);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0], step: 5 })).toBeCloseTo(2 * Math.log(2), 12);
 * ```
 */
export function ramp(a: Numeric): LawCombinator {
  const share = lift(a, "ramp(a)", { lowest: 0, highest: 1 });
  const excess = subtract<VocabularyAtom>(atom({ kind: "value" }), constant(1));
  return law({
    name: `ramp(${showNumeric(a)})`,
    map: add<VocabularyAtom>(constant(1), multiply<VocabularyAtom>(share, excess)),
  });
}
