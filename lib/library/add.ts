import type { Whole } from "../loss/combinator.ts";
import { addLosses, type Input, type Kind, type Loss } from "../loss/loss.ts";

/**
 * Adds another loss, term by term. Each term keeps its own weights and its own reduction, and ignored labels are a
 * union. The field in focus stays that of the loss that is piped in; the other's is closed.
 *
 * @example
 * ```ts
 * import { add, crossEntropy, evaluate, pipe, scale, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, add(pipe(crossEntropy, scale(0.5), sum)));
 * expect(evaluate(loss, { logits: [[2, 1, 0.1]], labels: [0] })).toBeCloseTo(0.625545, 5);
 * ```
 */
export function add<Over extends Input>(other: Loss<Over, Kind>): Whole<Over> {
  return <I extends Over, K extends Kind>(loss: Loss<I, K>): Loss<I, K> => addLosses(loss, other);
}
