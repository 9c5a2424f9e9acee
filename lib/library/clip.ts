import { type LawCombinator, law } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { atom, max, min } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/**
 * Keeps weights between two bounds: w ↦ min(max(w, lo), hi).
 *
 * @throws LossError where a bound is negative or not finite, or lo is above hi.
 *
 * @example
 * ```ts
 * import { classWeights, clip, crossEntropy, evaluate, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, classWeights([100, 1]), clip(0.5, 2), sum);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(2 * Math.log(2), 12);
 * ```
 */
export function clip(lo: Numeric, hi: Numeric): LawCombinator {
  const lowest = lift(lo, "clip(lo)", { lowest: 0 });
  const highest = lift(hi, "clip(hi)", { lowest: 0 });
  if (typeof lo === "number" && typeof hi === "number" && lo > hi) {
    throw new LossError("clip(lo, hi)", `lo ${lo} is above hi ${hi}`, "Give lo ≤ hi");
  }
  return law({
    name: `clip(${showNumeric(lo)}, ${showNumeric(hi)})`,
    map: min<VocabularyAtom>(max<VocabularyAtom>(atom({ kind: "value" }), lowest), highest),
  });
}
