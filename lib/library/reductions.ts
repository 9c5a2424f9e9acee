import { type Reduce, type ReducePerToken, reduce, reducePerToken } from "../loss/combinator.ts";

/**
 * Adds the rows: Σ_i sampleWeight_i Σ_c q_ic value_ic over the valid rows. 0 where no row is valid.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[2, 1, 0.1], [2, 1, 0.1]], labels: [0, 0] };
 * expect(evaluate(pipe(crossEntropy, sum), batch)).toBeCloseTo(0.83406, 5);
 * ```
 */
export const sum: Reduce = reduce("sum");

/**
 * The sum divided by the number of valid rows, whatever their weights. 0 where no row is valid.
 *
 * @example
 * ```ts
 * import { classWeights, crossEntropy, evaluate, mean, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, classWeights([2, 1, 1]), mean);
 * expect(evaluate(loss, { logits: [[2, 1, 0.1]], labels: [0] })).toBeCloseTo(0.83406, 5);
 * ```
 */
export const mean: Reduce = reduce("mean");

/**
 * The sum divided by the sum of the weights: Σ_i sampleWeight_i Σ_c q_ic Π w_c, over the valid rows and with the labels
 * as they were before smoothing; PyTorch's `reduction="mean"` with `weight`. 0 where the weights sum to 0. This is the
 * reduction of a loss that names none.
 *
 * @example
 * ```ts
 * import { classWeights, crossEntropy, evaluate, pipe, weightedMean } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, classWeights([2, 1, 1]), weightedMean);
 * expect(evaluate(loss, { logits: [[2, 1, 0.1]], labels: [0] })).toBeCloseTo(0.41703, 5);
 * ```
 */
export const weightedMean: Reduce = reduce("weightedMean");

/**
 * No reduction: one weighted number a row, in the shape of the labels, 0 for rows that are not valid.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, ignoreIndex, perToken, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, ignoreIndex(-100), perToken);
 * const values = evaluate(loss, { logits: [[2, 1, 0.1], [1, 1, 1]], labels: [-100, 0] });
 * expect(values).toEqual([0, expect.closeTo(Math.log(3), 12)]);
 * ```
 */
export const perToken: ReducePerToken = reducePerToken;
