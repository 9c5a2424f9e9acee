import { type Attach, attach } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { changingSource } from "../loss/field.ts";
import { nonNegativeNumbers } from "../loss/numbers.ts";
import type { MovingAverage } from "./movingAverage.ts";

/** Options of `classWeights`. */
export interface ClassWeightsOptions {
  /** The raw count of each class, for laws that read counts (`normalise("tokenMean")`); none by default. */
  readonly counts?: ArrayLike<number>;
}

/**
 * Weighs class c by `weights[c]`: ℓ_c ↦ w_c ℓ_c. On integer labels that is w_y times the row, PyTorch's `weight`.
 *
 * @param weights one finite number of at least 0 for each of the V classes, or a `movingAverage` of such, which is read
 * as it is at each call.
 * @throws LossError for a weight that is negative, NaN or infinite, and for counts of another length.
 *
 * @example
 * ```ts
 * import { classWeights, crossEntropy, evaluate, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, classWeights([2, 4, 6]), sum);
 * const batch = { logits: [[0.2, 0.3, 0.5], [0.5, 0.2, 0.3]], labels: [2, 1] };
 * expect(evaluate(loss, batch)).toBeCloseTo(10.5983, 4);
 * ```
 */
export function classWeights(weights: ArrayLike<number> | MovingAverage, options: ClassWeightsOptions = {}): Attach {
  const changing = isMovingAverage(weights);
  const values = changing ? weights.weights() : nonNegativeNumbers(weights, "classWeights(weights)", "weight");
  const counts =
    options.counts === undefined ? null : nonNegativeNumbers(options.counts, "classWeights({ counts })", "count");
  if (counts !== null && counts.length !== values.length) {
    throw new LossError(
      "classWeights({ counts })",
      `${counts.length} counts for ${values.length} weights`,
      "Give one count for each weight",
    );
  }
  const source = changing
    ? changingSource("classWeights", { numbers: weights, options: counts === null ? {} : { counts } }, () => ({
        values: weights.weights(),
        counts,
      }))
    : { name: "classWeights", values, counts };
  return attach({ source, laws: [] });
}

function isMovingAverage(weights: ArrayLike<number> | MovingAverage): weights is MovingAverage {
  return typeof weights === "object" && weights !== null && "kind" in weights && weights.kind === "moving average";
}
