/**
 * Numbers of a row of logits that need more of it than sums of exponentials. They are computed by ordinary ops over all
 * entries, forward and back.
 */
import { LossError } from "./error.ts";
import { within } from "./expression.ts";
import { finite, type Schedule } from "./schedule.ts";

export type WholeRow =
  /**
   * max_p ⟨p, z⟩ + (1 − Σ_j p_j^alpha) / (alpha (alpha − 1)) over probabilities p, less logsumexp(z); alpha in (1, 2]. Its
   * gradient is entmax(z), where p is largest, less softmax(z).
   */
  | { readonly kind: "entmax"; readonly alpha: Schedule }
  /** The entropy of the softmax of the k highest entries alone. */
  | { readonly kind: "topEntropy"; readonly k: number };

/** The least alpha of entmax: at 1 it would be cross entropy, and the formula 0 / 0. */
export const lowestAlpha: number = 1 + 1e-6;

/** `of` with a number or a schedule that is checked against its bounds; a LossError where a number is outside. */
export function checkWholeRow(of: WholeRow): WholeRow {
  switch (of.kind) {
    case "entmax": {
      const { alpha } = of;
      const isChecked = alpha.kind === "within" && alpha.lowest >= lowestAlpha && alpha.highest <= 2;
      return isChecked ? of : { ...of, alpha: within(alpha, lowestAlpha, 2, "entmaxExcess(alpha)") };
    }
    case "topEntropy": {
      const k = finite(of.k, "topEntropy(k)", { lowest: 1 });
      if (!Number.isInteger(k)) throw new LossError("topEntropy(k)", `got ${k}`, "Give a whole number of at least 1");
      return of;
    }
  }
}
