import type { Attach } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { fieldsOf } from "../loss/inventory.ts";
import type { AnyLoss } from "../loss/loss.ts";
import { type Changing, isDecayedCounts, isMovingAverage } from "./changing.ts";

/**
 * The numbers of a loss or a weight field that change while training, each once, in order of appearance: what a run that goes on
 * from `lossFromJSON` has to update.
 *
 * @throws LossError for what is neither.
 *
 * @example
 * ```ts
 * import {
 *   changingOf, classWeights, crossEntropy, evaluate, lossFromJSON, lossToJSON, movingAverage, pipe, sum,
 * } from "lossmith";
 * import { expect } from "expect";
 *
 * const difficulty = movingAverage([1, 1], { decay: 0.75 });
 * difficulty.update([3, 1]);
 * const saved = JSON.stringify(lossToJSON(pipe(crossEntropy, classWeights(difficulty), sum)));
 *
 * const loss = lossFromJSON(JSON.parse(saved), { input: "logits", kind: "already reduced" });
 * const [resumed] = changingOf(loss);
 * if (resumed.kind === "moving average") resumed.update([0, 0]);
 * expect(resumed.version).toBe(2);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(0.75 * 1.5 * Math.log(2), 12);
 * ```
 */
export function changingOf(weights: AnyLoss | Attach): readonly Changing[] {
  const given = weights as Partial<AnyLoss & Attach> | null | undefined;
  if (given?.terms === undefined && given?.field === undefined) {
    throw new LossError("changingOf", `got ${String(weights)}`, "Give a loss, or a field such as freqWeights(counts)");
  }
  const fields = given.field === undefined ? fieldsOf(weights as AnyLoss) : [given.field];
  const numbers = fields.flatMap(({ source: { from } }): readonly Changing[] =>
    from !== undefined && (isDecayedCounts(from.numbers) || isMovingAverage(from.numbers)) ? [from.numbers] : [],
  );
  return [...new Set(numbers)];
}
