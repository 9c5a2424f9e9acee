/**
 * Numbers of a row of logits that need more of it than sums of exponentials. They are computed by ordinary ops over all
 * entries, forward and back.
 */
import type { Schedule } from "./schedule.ts";

export type WholeRow =
  /**
   * max_p ⟨p, z⟩ + (1 − Σ_j p_j^alpha) / (alpha (alpha − 1)) over probabilities p, less logsumexp(z); alpha in (1, 2]. Its
   * gradient is entmax(z), where p is largest, less softmax(z).
   */
  | { readonly kind: "entmax"; readonly alpha: Schedule }
  /** The entropy of the softmax of the k highest entries alone. */
  | { readonly kind: "topEntropy"; readonly k: number };
