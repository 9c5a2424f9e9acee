import type { Whole } from "../loss/combinator.ts";
import { ofProbabilities } from "../loss/loss.ts";

/**
 * For models that end in a softmax: what the batch gives as `logits` are probabilities p. In place of logits the loss reads
 * z = log max(p, 1e-7), whose softmax is p divided by its sum. That is a fact of the batch and holds for the whole loss, wherever
 * in the composition it is said; a teacher's logits stay logits.
 *
 * Formula: crossEntropy becomes −log p_c, as Keras's `categorical_crossentropy` with from_logits=False.
 * A probability below 1e-7 has no gradient, as in Keras. Near 1, probabilities have lost what logits still tell apart: give logits
 * where you have them.
 * Cost: the logarithm, [N, V], is formed with an ordinary op and kept for the backward pass.
 *
 * @throws LossError, in the call, where a valid row has a negative probability; on GPU backends the row's loss is NaN.
 *
 * Source: Keras 3, `keras.losses.CategoricalCrossentropy`.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, fromProbabilities, perToken, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, fromProbabilities, perToken);
 * const [first, second] = evaluate(loss, { logits: [[0.05, 0.95, 0], [0.1, 0.8, 0.1]], labels: [1, 2] }) as number[];
 * expect(first).toBeCloseTo(-Math.log(0.95), 6);
 * expect(second).toBeCloseTo(Math.log(10), 12);
 * ```
 */
export const fromProbabilities: Whole<"logits"> = (loss) => ofProbabilities(loss);
