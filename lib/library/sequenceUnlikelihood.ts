import { LossError } from "../loss/error.ts";
import { weigh } from "../loss/expression.ts";
import { inRepeat } from "../loss/language.ts";
import { type Loss, lossOf } from "../loss/loss.ts";
import type { Numeric } from "../loss/schedule.ts";
import { penaltyOfLikelihood } from "./penaltyOfLikelihood.ts";

/** Options of `sequenceUnlikelihood`. */
export interface SequenceUnlikelihoodOptions {
  /** The length of the repeats, in tokens; a whole number of at least 1, 4 by default. */
  readonly n?: number;
  /** The least 1 − p that is told from 0, from 0 to 1; 1e-20 by default. Below it a token has no gradient. */
  readonly clamp?: Numeric;
}

/**
 * Unlikelihood training on sequences: of text that the model has generated, the tokens of repeated n-grams are made less likely.
 *
 * Formula: ℓ = −log max(1 − p_y, clamp) where the row's token y is part of an n-gram of its sequence that stood there before, else 0.
 * A sequence is the last axis of the labels, which are the generated tokens; a row that is masked or ignored is part of no n-gram. The
 * mean is over all valid rows.
 * Shapes: logits [..., V]; integer labels [...]. Soft labels and label smoothing are refused.
 *
 * @throws LossError where n is no whole number above 0, or the clamp is outside [0, 1].
 *
 * Source: Welleck et al., arXiv 1908.04319 (n 4, clamp 1e-20). The authors' code looks at all n-grams but the last of a sequence; here
 * the last counts too.
 *
 * @example
 * ```ts
 * import { evaluate, pipe, sequenceUnlikelihood, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(sequenceUnlikelihood({ n: 2 }), sum);
 * const logits = Array.from({ length: 5 }, () => [0, 0]);
 * // 0 1 comes again at the end: two tokens of likelihood 1/2.
 * expect(evaluate(loss, { logits, labels: [0, 1, 1, 0, 1] })).toBeCloseTo(2 * Math.log(2), 12);
 * ```
 */
export function sequenceUnlikelihood(
  options: SequenceUnlikelihoodOptions = {},
): Loss<"logits", "without a weight field"> {
  if (typeof options !== "object" || options === null) {
    throw new LossError("sequenceUnlikelihood", `got ${String(options)}`, "Give { n }, such as { n: 4 }");
  }
  const { n = 4, clamp = 1e-20 } = options;
  if (!Number.isSafeInteger(n) || n < 1) {
    throw new LossError("sequenceUnlikelihood({ n })", `got ${String(n)}`, "Give a whole number of at least 1");
  }
  return lossOf(weigh(inRepeat(n), penaltyOfLikelihood(clamp, "sequenceUnlikelihood({ clamp })")));
}
