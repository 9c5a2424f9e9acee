import type { Loss } from "../loss/loss.ts";
import { entmax } from "./entmax.ts";

/**
 * The sparsemax loss, `entmax` at alpha = 2: its probabilities are the point of the simplex that is nearest to the logits.
 *
 * Formula: ℓ_c = ½ + ½ Σ_j (z_j² − τ²)[z_j > τ] − z_c, with τ such that Σ_j [z_j − τ]_+ = 1; its gradient is
 * sparsemax(z) − e_c. Shapes: logits [..., V], labels [...].
 *
 * Source: Martins and Astudillo, arXiv 1602.02068.
 *
 * @example
 * ```ts
 * import { evaluate, evaluateGradient, sparsemax } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[-2, 0, 0.5]], labels: [2] };
 * expect(evaluateGradient(sparsemax, batch)).toEqual([[0, 0.25, -0.25]]);
 * expect(evaluate(sparsemax, batch)).toBeCloseTo(0.0625, 12);
 * ```
 */
export const sparsemax: Loss<"logits", "without a weight field"> = entmax({ alpha: 2 });
