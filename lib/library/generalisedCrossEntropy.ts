import { LossError } from "../loss/error.ts";
import { constant, divide, multiply, select, subtract, unary } from "../loss/expression.ts";
import { type ClassExpression, type Loss, lossOf } from "../loss/loss.ts";
import { nll } from "../loss/probability.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/** Options of `generalisedCrossEntropy`. */
export interface GeneralisedCrossEntropyOptions {
  /** From 0, which is cross entropy, to 1, which is 1 − p; 0.7 by default. */
  readonly q?: Numeric;
}

/**
 * Generalised cross entropy: between cross entropy and the mean absolute error, for labels of which some are wrong.
 *
 * Formula: ℓ_c(z) = (1 − p_c^q) / q with p = softmax(z), and −log p_c at q = 0. It is at most 1 / q.
 * Shapes: logits [..., V]; integer labels [...] or soft labels [..., V].
 *
 * @throws LossError where q is outside [0, 1].
 *
 * Source: Zhang and Sabuncu, arXiv 1805.07836 (q 0.7).
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, generalisedCrossEntropy, lossEq } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[0, 0]], labels: [1] };
 * expect(evaluate(generalisedCrossEntropy(), batch)).toBeCloseTo((1 - 0.5 ** 0.7) / 0.7, 12);
 * expect(evaluate(generalisedCrossEntropy({ q: 1 }), batch)).toBeCloseTo(0.5, 12);
 * expect(lossEq.equals(generalisedCrossEntropy({ q: 0 }), crossEntropy)).toBe(true);
 * ```
 */
export function generalisedCrossEntropy(
  options: GeneralisedCrossEntropyOptions = {},
): Loss<"logits", "without a weight field"> {
  if (typeof options !== "object" || options === null) {
    throw new LossError("generalisedCrossEntropy", `got ${String(options)}`, "Give { q }, such as { q: 0.7 }");
  }
  const q: ClassExpression = lift(options.q ?? 0.7, "generalisedCrossEntropy({ q })", { lowest: 0, highest: 1 });
  // p^q − 1 is expm1(q log p), which keeps its digits where q is small or p is near 1.
  const power = unary("expm1", multiply(subtract(constant(0), q), nll));
  return lossOf(select(constant(0), q, divide(subtract(constant(0), power), q), nll));
}
