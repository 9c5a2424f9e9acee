import { type Candidates, checkCandidateSource } from "../loss/candidates.ts";
import { LossError } from "../loss/error.ts";
import { add, constant, max, multiply, subtract, unary } from "../loss/expression.ts";
import { isCandidate, overCandidates } from "../loss/language.ts";
import { type ClassExpression, type Loss, lossOf } from "../loss/loss.ts";
import { likelihood, nll } from "../loss/probability.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/** Options of `scaleGrad`. */
export interface ScaleGradOptions {
  /** What the probability of a novel token is multiplied by, above 0, at most 1; 1 is cross entropy. The authors use 0.2, 0.5 and 0.8. */
  readonly gamma: Numeric;
  /**
   * Which tokens are not novel: "earlierLabels" (default), the labels at earlier valid positions of the row's sequence, which is the
   * last axis of the labels; or "given", the `candidates` [..., K] of the batch, ids with −1 for none.
   */
  readonly seen?: Candidates;
}

/** Of a row with no other class, or a sure one, what is left to others: its logarithm stays finite. */
const least = constant(1e-37);

/**
 * ScaleGrad: the probabilities of novel tokens, which the sequence has not had yet, count for less, so that the model learns to make them
 * likelier.
 *
 * Formula: ℓ = −log p̃_y with p̃_k = w_k p_k / Σ_j w_j p_j, p = softmax(z), and w_k = gamma for a novel token k, 1 for one that was seen.
 * With S the probability of the tokens that were seen but y, it is log(1 + (gamma (1 − p_y) + (1 − gamma) S) / (w_y p_y)), of which
 * nothing cancels.
 * Shapes: logits [..., V]; integer labels [...]. Soft labels and label smoothing are refused.
 *
 * @throws LossError where gamma is missing or outside (0, 1], and for other tokens that were seen.
 *
 * Source: Lin et al., arXiv 2106.07207. Their code adds 1e-8 to each w_k p_k; this does not.
 *
 * @example
 * ```ts
 * import { evaluate, perToken, pipe, scaleGrad } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(scaleGrad({ gamma: 0.5 }), perToken);
 * const [first, again] = evaluate(loss, { logits: [[0, 0], [0, 0]], labels: [1, 1] }) as number[];
 * // All are novel; then 1 was seen.
 * expect(first).toBeCloseTo(Math.log(2), 12);
 * expect(again).toBeCloseTo(-Math.log(0.5 / (0.5 * 0.5 + 0.5)), 12);
 * ```
 */
export function scaleGrad(options: ScaleGradOptions): Loss<"logits", "without a weight field"> {
  if (typeof options !== "object" || options === null || options.gamma === undefined) {
    throw new LossError("scaleGrad", "gamma is missing", "Give { gamma }, such as { gamma: 0.5 }");
  }
  const gamma: ClassExpression = lift(options.gamma, "scaleGrad({ gamma })", { lowest: Number.MIN_VALUE, highest: 1 });
  const { seen = "earlierLabels" } = options;
  checkCandidateSource(seen, "scaleGrad({ seen })");
  const ofSeen = multiply(subtract(constant(1), gamma), overCandidates(likelihood, seen));
  const complement = subtract(constant(0), unary("expm1", subtract(constant(0), nll)));
  const others = unary("log", max(add(multiply(gamma, complement), ofSeen), least));
  // −log gamma where the label is novel.
  const ofNovel = multiply(subtract(constant(1), isCandidate(seen)), subtract(constant(0), unary("log", gamma)));
  return lossOf(unary("softplus", add(add(others, nll), ofNovel)));
}
