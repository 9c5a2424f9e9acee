import { type LawCombinator, law } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { atom } from "../loss/expression.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/**
 * Gives single entries a weight of their own, whatever the law made of them: the way to treat special tokens (end of
 * text, padding, added tokens), whose counts say nothing.
 *
 * @param weights weights of at least 0 by token id.
 * @throws LossError for a key that is no id of the field's vocabulary, and for a weight that is negative or not finite.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, override, pipe, powerLaw, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([100, 0])), powerLaw(0.5), override({ 1: 3 }), sum);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [1] })).toBeCloseTo(3 * Math.log(2), 12);
 * ```
 */
export function override(weights: Readonly<Record<number, Numeric>>): LawCombinator {
  if (typeof weights !== "object" || weights === null || Object.getPrototypeOf(weights) !== Object.prototype) {
    throw new LossError("override", "got no plain object", "Give weights by token id, such as { 50256: 1 }");
  }
  const entries = Object.entries(weights).map(([key, weight]) => {
    const id = Number(key);
    if (!Number.isSafeInteger(id) || id < 0 || String(id) !== key) {
      throw new LossError(
        "override",
        `the key "${key}" is no token id`,
        "Give weights by token id, such as { 50256: 1 }",
      );
    }
    return { id, weight, schedule: lift(weight, `override({ ${id} })`, { lowest: 0 }) };
  });
  const shown = entries.slice(0, 4).map(({ id, weight }) => `${id}: ${showNumeric(weight)}`);
  const more = entries.length > 4 ? [`… ${entries.length - 4} more`] : [];
  return law({
    name: `override({ ${[...shown, ...more].join(", ")} })`,
    map: atom({
      kind: "overridden",
      of: atom({ kind: "value" }),
      ids: entries.map(({ id }) => id),
      weights: entries.map(({ schedule }) => schedule),
    }),
  });
}
