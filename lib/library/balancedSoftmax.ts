import type { Frequencies } from "../frequency/frequencies.ts";
import type { Keep } from "../loss/combinator.ts";
import { adjustByPriors } from "./logitAdjustment.ts";

/**
 * Balanced softmax: weighs each class's exponential by how often the class was counted, in every term built so far. It is
 * `logitAdjustment` at tau 1: a softmax with z + log count_c in place of z is the one with relative frequencies for counts.
 *
 * @param frequencies counts, each above 0 (see `addK`).
 * @throws LossError where a class was never counted.
 *
 * Source: Ren et al., arXiv 2007.10740.
 *
 * @example
 * ```ts
 * import { balancedSoftmax, crossEntropy, evaluate, fromCounts, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, balancedSoftmax(fromCounts([3, 1])));
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [1] })).toBeCloseTo(Math.log(4), 12);
 * ```
 */
export function balancedSoftmax(frequencies: Frequencies): Keep {
  return adjustByPriors("balancedSoftmax", frequencies, 1);
}
