import { type Candidates, checkCandidateSource } from "../loss/candidates.ts";
import { type Keep, keep } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { weigh } from "../loss/expression.ts";
import { overCandidates } from "../loss/language.ts";
import { appendTermInOwnView, type ClassExpression } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { penaltyOfLikelihood } from "./penaltyOfLikelihood.ts";

/** Options of `unlikelihood`. */
export interface UnlikelihoodOptions {
  /** What the penalty counts for beside the loss, at least 0; 1 by default. */
  readonly weight?: Numeric;
  /** The least 1 − p that is told from 0, from 0 to 1; 1e-5 by default. Below it a candidate has no gradient. */
  readonly clamp?: Numeric;
  /**
   * Whose probabilities are penalised: "earlierLabels" (default), the labels at earlier valid positions of the row's sequence, which
   * is the last axis of the labels; or "given", the `candidates` [..., K] of the batch, ids with −1 for none. The row's own
   * label is left out, and an id counts once.
   */
  readonly candidates?: Candidates;
}

/**
 * Unlikelihood training on tokens: the model learns also what not to say, by default what it has said.
 *
 * Formula: + weight · Σ_{c ∈ C} −log max(1 − p_c, clamp), with C the row's candidates without its label and p the softmax of the logits
 * as the loss reads them: after `temperature(T)` of z / T. A term of its own, which weights attached before do not reach. Label
 * smoothing leaves it as it is: the candidates of a row are the same whatever its label is smoothed to.
 * Shapes: logits [..., V]; integer labels [...]. Soft labels are refused.
 *
 * The logits of the candidates are read one by one, so that it costs a second view of the logits and arithmetic on [N, K].
 *
 * @throws LossError for a weight below 0, a clamp outside [0, 1], and other candidates.
 *
 * Source: Welleck et al., arXiv 1908.04319 (weight 1; clamp as in the authors' code, which takes the labels of all sequences of a
 * batch for one and lets padding be a candidate: here each sequence has its own, without ignored and masked labels).
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, pipe, sum, unlikelihood } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, unlikelihood({ weight: 0.5 }), sum);
 * const logits = [[0, 0, 0], [0, 0, 0], [0, 0, 0]];
 * // Nothing was said before the first; before the second 2 was, which it is itself; before the third 2 was.
 * const expected = 3 * Math.log(3) + 0.5 * -Math.log(2 / 3);
 * expect(evaluate(loss, { logits, labels: [2, 2, 1] })).toBeCloseTo(expected, 12);
 * ```
 */
export function unlikelihood(options: UnlikelihoodOptions = {}): Keep {
  if (typeof options !== "object" || options === null) {
    throw new LossError("unlikelihood", `got ${String(options)}`, "Give { weight }, such as { weight: 1 }");
  }
  const { weight = 1, clamp = 1e-5, candidates = "earlierLabels" } = options;
  checkCandidateSource(candidates, "unlikelihood({ candidates })");
  const share: ClassExpression = lift(weight, "unlikelihood({ weight })", { lowest: 0 });
  const penalty = overCandidates(penaltyOfLikelihood(clamp, "unlikelihood({ clamp })"), candidates);
  return keep("unlikelihood", (loss) => appendTermInOwnView(loss, weigh(share, penalty)));
}
