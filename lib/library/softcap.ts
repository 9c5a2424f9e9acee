import { type Keep, keep } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { mapViews } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/**
 * Caps the logits softly in every term built so far: z ↦ cap · tanh(z / cap). Apply it once, before a bias.
 *
 * @param cap a number above 0, such as Gemma's 30, or a schedule.
 * @throws LossError where the cap is not above 0 or not finite, or the logits are capped or biased already.
 *
 * Source: Gemma 2, arXiv 2408.00118.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, pipe, softcap } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[100, 0]], labels: [1] };
 * expect(evaluate(pipe(crossEntropy, softcap(5)), batch)).toBeCloseTo(Math.log1p(Math.exp(5)), 9);
 * ```
 */
export function softcap(cap: Numeric): Keep {
  const highest = lift(cap, "softcap(cap)", { lowest: Number.MIN_VALUE });
  return keep("softcap", (loss) =>
    mapViews(loss, (view) => {
      if (view.cap !== null || view.bias.kind !== "constant") {
        throw new LossError(
          "softcap",
          "the logits are capped or biased already",
          "Put softcap before logitAdjustment, once",
        );
      }
      return { ...view, cap: highest };
    }),
  );
}
