import { type Keep, keep } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { add, constant, divide, max, pow, stopGradient, weigh } from "../loss/expression.ts";
import { batchMean } from "../loss/language.ts";
import { type ClassExpression, mapValues } from "../loss/loss.ts";
import { entropy } from "../loss/probability.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/** Options of `mile`. */
export interface MileOptions {
  /** How strongly a row counts where the model is unsure; 0 changes nothing, 1 by default. */
  readonly gamma?: Numeric;
}

/**
 * MiLe: rows count by how unsure the model is, relative to the mean over the batch's valid rows.
 *
 * Formula: ℓ_c ↦ sg((1 + H)^gamma / mean over the batch of (1 + H)^gamma) ℓ_c, with H the entropy of the loss's own softmax and
 * sg the stop-gradient, in every term built so far. The mean couples the rows: such a loss has no `parts`.
 *
 * @throws LossError where gamma is not finite.
 *
 * Source: Su et al., arXiv 2310.19531 (gamma 1).
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, mile, perToken, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[0, 0], [100, 0]], labels: [0, 1] };
 * const [unsure, sure] = evaluate(pipe(crossEntropy, mile(), perToken), batch) as number[];
 * const weight = (h: number): number => (1 + h) / ((1 + Math.log(2) + 1) / 2);
 * expect(unsure).toBeCloseTo(weight(Math.log(2)) * Math.log(2), 12);
 * expect(sure).toBeCloseTo(weight(0) * 100, 12);
 * ```
 */
export function mile(options: MileOptions = {}): Keep {
  if (typeof options !== "object" || options === null) {
    throw new LossError("mile", `got ${String(options)}`, "Give { gamma }, such as { gamma: 1 }");
  }
  const gamma: ClassExpression = lift(options.gamma ?? 1, "mile({ gamma })");
  const unsure = pow(add(constant(1), entropy), gamma);
  // Soft labels may be 0 in every row.
  const average = max(batchMean(unsure), constant(1e-30));
  // A gamma of 0 couples no rows.
  const weight = unsure.kind === "constant" ? unsure : stopGradient(divide(unsure, average));
  return keep("mile", (loss) => mapValues(loss, (value) => weigh(weight, value)));
}
