import { type Keep, keep } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { divide } from "../loss/expression.ts";
import { mapViews } from "../loss/loss.ts";
import { liftTrainable, type Trainable } from "../loss/parameter.ts";

/**
 * Divides the logits by a temperature in every term built so far: z ↦ z / T. Terms added later read the plain logits.
 *
 * @param t a number above 0, a schedule, or a trainable parameter.
 * @throws LossError where T is not above 0 or not finite, or the logits are capped or biased already. On cpu and wasm a
 * trained temperature is checked at each call.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, pipe, temperature } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[4, 0]], labels: [1] };
 * expect(evaluate(pipe(crossEntropy, temperature(2)), batch)).toBeCloseTo(Math.log1p(Math.exp(2)), 12);
 * ```
 */
export function temperature(t: Trainable): Keep {
  const divisor = liftTrainable(t, "temperature(t)", { lowest: Number.MIN_VALUE });
  return keep("temperature", (loss) =>
    mapViews(loss, (view) => {
      if (view.cap !== null || view.bias.kind !== "constant") {
        throw new LossError(
          "temperature",
          "the logits are capped or biased already",
          "Put temperature before softcap and logitAdjustment",
        );
      }
      return { ...view, scale: divide(view.scale, divisor) };
    }),
  );
}
