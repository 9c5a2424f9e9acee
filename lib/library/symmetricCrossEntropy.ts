import { LossError } from "../loss/error.ts";
import { add, constant, multiply, subtract, unary, weigh } from "../loss/expression.ts";
import { type ClassExpression, type Loss, lossOf } from "../loss/loss.ts";
import { nll } from "../loss/probability.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/** Options of `symmetricCrossEntropy`. */
export interface SymmetricCrossEntropyOptions {
  /** The coefficient of cross entropy, at least 0. */
  readonly alpha: Numeric;
  /** The coefficient of reverse cross entropy, at least 0. */
  readonly beta: Numeric;
  /** What stands for log 0, at most 0; −4 by default. */
  readonly A?: Numeric;
}

/**
 * Symmetric cross entropy: cross entropy, and the reverse one, which tolerates labels that are wrong.
 *
 * Formula: ℓ_c(z) = alpha · (−log p_c) − beta · A (1 − p_c), with p = softmax(z). The second part is −Σ_k p_k log q_k with q
 * one-hot and A for log 0. As for every loss, soft labels weigh the ℓ_c.
 * Shapes: logits [..., V]; integer labels [...] or soft labels [..., V].
 * The paper takes alpha 0.1 and beta 1 for 10 classes, 6 and 0.1 for 100. Its code has log 1e-4 = −9.21 for A.
 *
 * @throws LossError where alpha or beta is negative, A is positive, or one of them is not finite.
 *
 * Source: Wang et al., arXiv 1908.06112.
 *
 * @example
 * ```ts
 * import { evaluate, symmetricCrossEntropy } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = symmetricCrossEntropy({ alpha: 0.1, beta: 1 });
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [1] })).toBeCloseTo(0.1 * Math.log(2) + 4 * 0.5, 12);
 * ```
 */
export function symmetricCrossEntropy(options: SymmetricCrossEntropyOptions): Loss<"logits", "without a weight field"> {
  if (typeof options !== "object" || options === null) {
    throw new LossError(
      "symmetricCrossEntropy",
      `got ${String(options)}`,
      "Give { alpha, beta }, such as { alpha: 0.1, beta: 1 }",
    );
  }
  const alpha: ClassExpression = lift(options.alpha, "symmetricCrossEntropy({ alpha })", { lowest: 0 });
  const beta: ClassExpression = lift(options.beta, "symmetricCrossEntropy({ beta })", { lowest: 0 });
  const logOfZero: ClassExpression = lift(options.A ?? -4, "symmetricCrossEntropy({ A })", { highest: 0 });
  // 1 − p is −expm1(−nll): with no other statistic than nll the loss costs what cross entropy does.
  const reverse = multiply(logOfZero, unary("expm1", subtract(constant(0), nll)));
  return lossOf(add(weigh(alpha, nll), weigh(beta, reverse)));
}
