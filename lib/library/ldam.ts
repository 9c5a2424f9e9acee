import type { Frequencies } from "../frequency/frequencies.ts";
import { LossError } from "../loss/error.ts";
import { add, atom, constant, max, multiply, subtract, unary } from "../loss/expression.ts";
import { type ClassAtom, type ClassExpression, type Loss, lossOf } from "../loss/loss.ts";
import { nonNegativeNumbers } from "../loss/numbers.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { plainView } from "../loss/view.ts";

/** Options of `ldam`. */
export interface LdamOptions {
  /** How often each class was counted, each above 0 (see `addK`). */
  readonly counts: Frequencies | ArrayLike<number>;
  /** The margin of the rarest class, at least 0; 0.5 by default. */
  readonly maxMargin?: Numeric;
  /** What the logits are multiplied by, above 0; 30 by default. */
  readonly scale?: Numeric;
}

/**
 * Label-distribution-aware margin loss: cross entropy that wants rare classes to win by a larger margin.
 *
 * Formula: ℓ_c(z) = −log softmax(scale · (z − m_c e_c))_c, with e_c the unit vector of class c and the margins m_c proportional
 * to count_c^(−1/4), the largest of them maxMargin.
 * Shapes: logits [..., V], in the paper's networks cosines in [−1, 1]; integer labels [...] or soft labels [..., V].
 *
 * @throws LossError where a class was never counted, maxMargin is negative, scale is not above 0, or one of them is not finite.
 *
 * Source: Cao et al., arXiv 1906.07413 (maxMargin 0.5, scale 30).
 *
 * @example
 * ```ts
 * import { evaluate, fromCounts, ldam } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = ldam({ counts: fromCounts([16, 1]), scale: 2 });
 * expect(evaluate(loss, { logits: [[0.8, 0.3]], labels: [1] })).toBeCloseTo(Math.log1p(Math.exp(2 * (0.5 + 0.5))), 12);
 * expect(evaluate(loss, { logits: [[0.8, 0.3]], labels: [0] })).toBeCloseTo(Math.log1p(Math.exp(2 * (-0.5 + 0.25))), 12);
 * ```
 */
export function ldam(options: LdamOptions): Loss<"logits", "without a weight field"> {
  if (typeof options !== "object" || options === null) {
    throw new LossError("ldam", `got ${String(options)}`, "Give { counts }, such as { counts: fromCounts([9, 1]) }");
  }
  const counts = countsOf(options.counts);
  const maxMargin: ClassExpression = lift(options.maxMargin ?? 0.5, "ldam({ maxMargin })", { lowest: 0 });
  const scale = lift(options.scale ?? 30, "ldam({ scale })", { lowest: Number.MIN_VALUE });
  const rarest = counts.reduce((a, b) => Math.min(a, b));
  const values = counts.map((count) => (count / rarest) ** -0.25);
  const share: ClassExpression = atom({
    kind: "weight",
    field: { source: { name: "ldam margins", values, counts }, laws: [] },
  });
  const of: ClassExpression = atom({ kind: "nll", view: { ...plainView, scale } });
  // The log of the odds (1 − p) / p, from nll alone; a margin m raises it by scale · m.
  const doubt = max(subtract(constant(0), unary("expm1", subtract(constant(0), of))), constant(1e-30));
  const margin = multiply<ClassAtom>(scale, multiply(maxMargin, share));
  return lossOf(unary("softplus", add(margin, add(of, unary("log", doubt)))));
}

function countsOf(counts: LdamOptions["counts"]): Float64Array {
  const given = typeof counts === "object" && counts !== null && "kind" in counts ? counts.counts : counts;
  const numbers = nonNegativeNumbers(given, "ldam({ counts })", "count");
  const unseen = numbers.indexOf(0);
  if (unseen >= 0) {
    throw new LossError(
      "ldam({ counts })",
      `class ${unseen} was never counted`,
      "Smooth the counts first, with addK(1)",
    );
  }
  return numbers;
}
