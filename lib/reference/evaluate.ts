/**
 * The meaning of a loss, in float64 over plain arrays: the specification that every compiled path is tested against.
 * Written for reading, one row at a time, one number for each class.
 */
import type { Nested } from "../loss/batch.ts";
import { type AnyLoss, finalTerms, type Input, type Kind, type Loss, type Reduction, type Term } from "../loss/loss.ts";
import { slopeOfLog } from "../loss/probabilities.ts";
import { addLogitsGradient, targetSum, targetsOf, total } from "./classes.ts";
import { nest, type PlainBatch, type PlainRows, readPlainBatch } from "./plainBatch.ts";

/**
 * The value of a loss on a batch of plain nested arrays: a number, or nested arrays of numbers in the shape of the
 * labels for a loss that ends in `perToken`.
 *
 * @throws LossError for anything in the batch that does not fit the loss.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[8, 1, 1], [0, 9, 1], [2, 3, 5]], labels: [0, 1, 2] };
 * expect(evaluate(crossEntropy, batch)).toBeCloseTo(0.057376, 6);
 * ```
 */
export function evaluate<I extends Input>(
  loss: Loss<I, "already reduced per token">,
  batch: PlainBatch,
): Nested<number>;
export function evaluate<I extends Input>(
  loss: Loss<I, Exclude<Kind, "already reduced per token">>,
  batch: PlainBatch,
): number;
export function evaluate(loss: AnyLoss, batch: PlainBatch): Nested<number> {
  const rows = readPlainBatch(loss, batch);
  const terms = finalTerms(loss).map((term) => ({
    values: rows.indices.map((row) => weighedRow(term, "value", rows, row)),
    weights: rows.indices.map((row) => weighedRow(term, "weight", rows, row)),
    reduction: term.reduction,
  }));
  if (terms.some((term) => term.reduction === "perToken")) {
    return nest(
      rows.indices.map((row) => total(terms.map((term) => term.values[row]))),
      rows.shape,
    );
  }
  const validRows = rows.valid.filter((valid) => valid).length;
  return total(
    terms.map(({ values, weights, reduction }) => {
      const denominator = denominatorOf(reduction, total(weights), validRows);
      return denominator === 0 ? 0 : total(values) / denominator;
    }),
  );
}

/**
 * The gradient of a reduced loss with respect to the logits, in float64, in the shape of the logits. For a loss that
 * ends in `perToken`, the gradient of the sum of its values.
 *
 * @throws LossError for anything in the batch that does not fit the loss.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluateGradient } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(evaluateGradient(crossEntropy, { logits: [[0, 0]], labels: [1] })).toEqual([[0.5, -0.5]]);
 * ```
 */
export function evaluateGradient(loss: AnyLoss, batch: PlainBatch): Nested<number> {
  const rows = readPlainBatch(loss, batch);
  const gradient = rows.logits.map((logits) => new Float64Array(logits.length));
  const validRows = rows.valid.filter((valid) => valid).length;
  for (const term of finalTerms(loss)) {
    const weights = total(rows.indices.map((row) => weighedRow(term, "weight", rows, row)));
    const denominator = denominatorOf(term.reduction, weights, validRows);
    if (denominator === 0) continue;
    const targets = targetsOf(term, rows);
    for (const row of rows.indices) {
      const share = rows.sampleWeight[row] / denominator;
      if (!rows.valid[row] || share === 0) continue;
      addLogitsGradient(
        term.value,
        targets(row).map((q) => q * share),
        rows,
        row,
        targets,
        gradient,
      );
    }
  }
  const { probabilities } = rows;
  if (probabilities !== null) {
    gradient.forEach((row, i) => {
      for (let c = 0; c < row.length; c++) row[c] *= slopeOfLog(probabilities[i][c]);
    });
  }
  return nest(
    gradient.flatMap((row) => [...row]),
    [...rows.shape, rows.classes],
  );
}

function denominatorOf(reduction: Reduction, weights: number, validRows: number): number {
  return { sum: 1, perToken: 1, mean: validRows, weightedMean: weights }[reduction];
}

/** sampleWeight · Σ_c q_c e_c with e the term's value or weight and q its targets, and 0 for a row that is not valid. */
function weighedRow(term: Term, part: "value" | "weight", rows: PlainRows, row: number): number {
  if (!rows.valid[row] || rows.sampleWeight[row] === 0) return 0;
  return rows.sampleWeight[row] * targetSum(term[part], rows, row, targetsOf(term, rows));
}
