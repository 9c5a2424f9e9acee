/**
 * Batches whose logits are probabilities: a loss reads z = log max(p, 1e-7) in their place, whose softmax is p divided by its
 * sum.
 */
import { showRow } from "./batch.ts";
import { LossError } from "./error.ts";

/** As Keras's epsilon. A probability below it counts as this much, and has no gradient. */
export const leastProbability = 1e-7;

export function logOfProbability(p: number): number {
  return Math.log(Math.max(p, leastProbability));
}

/** ∂z / ∂p. */
export function slopeOfLog(p: number): number {
  return p > leastProbability ? 1 / p : 0;
}

/** Throws for the first negative probability of a valid row. */
export function checkProbabilities(
  probabilities: ArrayLike<number>,
  rows: readonly number[],
  classes: number,
  isValid: (row: number) => boolean,
): void {
  for (let i = 0; i < probabilities.length; i++) {
    const row = Math.floor(i / classes);
    if (!(probabilities[i] < 0) || !isValid(row)) continue;
    throw new LossError(
      "logits",
      `the probability of class ${i % classes} in row ${showRow(row, rows)} is ${probabilities[i]}`,
      "Give probabilities, such as the output of a softmax, or leave fromProbabilities out for logits",
    );
  }
}
