import { type KeepRows, keepRows } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { constant, subtract } from "../loss/expression.ts";
import { highest, input, overTargets } from "../loss/language.ts";
import { type ClassExpression, rowValueOf, weighTerms } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/** Options of `tokenSelection`. */
export interface TokenSelectionOptions {
  /**
   * The name of the batch's input that holds each row's loss under the reference model; "reference" by default. null selects
   * by the loss itself, without a reference: the hardest rows.
   */
  readonly reference?: string | null;
}

/**
 * Rho-1's selective training: only the share of the batch's rows in which the loss most exceeds that of a reference model
 * counts; there is something to learn there that can be learnt.
 *
 * Formula: ℓ_c ↦ I ℓ_c with I = 1 in the rows of the highest excess L − L_ref and 0 in the others; L is the loss of the row,
 * all of the terms built so far, and L_ref, in the same unit, the batch's `inputs.reference`, [...]. No gradient goes through
 * I.
 * - Of n valid rows as many count as share · n is, to the nearest whole number, and one at least. Of rows that tie for the
 *   last places those that come first in the batch count.
 * - A weighted mean, the default, divides by the weights of the rows that count, as the paper's 1 / (N · k %) does; `mean`
 *   divides by all valid rows.
 * - Weights that are attached before have a part in the excess, those after have none. A term that reads a teacher is
 *   chosen by the terms that read the same one.
 * - The choice couples the rows: such a loss has no `parts`, and micro-batches choose for themselves.
 *
 * @param share how many of the rows count, above 0 and at most 1: a number or a schedule; the paper's is 0.6, 0.7 for its
 * larger model. 1 is the loss itself.
 * @throws LossError where the share is outside, for an empty name, and for a batch without the input.
 *
 * Source: Lin et al., Rho-1, arXiv 2404.07965; its code for training is not public, so the rounding and ties are our own.
 * Without a reference: Shrivastava et al., online hard example mining, arXiv 1604.03540.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, pipe, tokenSelection } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[0, 0], [0, 3], [0, 5]], labels: [0, 0, 0], inputs: { reference: [0.1, 0.1, 5] } };
 * // The last row is the hardest, but for the reference model too.
 * expect(evaluate(pipe(crossEntropy, tokenSelection(1 / 3)), batch)).toBeCloseTo(Math.log1p(Math.exp(3)), 12);
 * const hardest = pipe(crossEntropy, tokenSelection(1 / 3, { reference: null }));
 * expect(evaluate(hardest, batch)).toBeCloseTo(Math.log1p(Math.exp(5)), 12);
 * ```
 */
export function tokenSelection(share: Numeric, options: TokenSelectionOptions = {}): KeepRows {
  if (typeof options !== "object" || options === null) {
    throw new LossError(
      "tokenSelection",
      `got ${String(options)}`,
      'Give { reference }, such as { reference: "base" }',
    );
  }
  const { reference = "reference" } = options;
  const expected: ClassExpression = reference === null ? constant(0) : input(reference);
  const counted = lift(share, "tokenSelection(share)", { lowest: Number.MIN_VALUE, highest: 1 });
  return keepRows("tokenSelection", (loss) =>
    weighTerms(loss, (term) => highest(counted, subtract(overTargets(rowValueOf(loss, term)), expected))),
  );
}
