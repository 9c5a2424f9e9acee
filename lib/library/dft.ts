import { type Keep, keep } from "../loss/combinator.ts";
import { stopGradient, weigh } from "../loss/expression.ts";
import { mapValues } from "../loss/loss.ts";
import { likelihood } from "../loss/probability.ts";

/**
 * Dynamic fine-tuning: weighs a token by its own probability, so that the gradient of a token that the model finds unlikely
 * does not explode.
 *
 * Formula: ℓ_c ↦ sg(p_c) ℓ_c, with p = softmax of the loss's own logits and sg the stop-gradient, in every term built so far.
 *
 * Source: Wu et al., arXiv 2508.05629.
 *
 * @example
 * ```ts
 * import { crossEntropy, dft, evaluate, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(evaluate(pipe(crossEntropy, dft), { logits: [[2, 1, 0.1]], labels: [0] })).toBeCloseTo(0.27482326, 8);
 * ```
 */
export const dft: Keep = keep("dft", (loss) => mapValues(loss, (value) => weigh(stopGradient(likelihood), value)));
