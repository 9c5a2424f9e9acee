import { LossError } from "../loss/error.ts";
import type { Loss } from "../loss/loss.ts";
import type { Trainable } from "../loss/parameter.ts";
import { crossEntropy } from "./crossEntropy.ts";
import { temperature } from "./temperature.ts";

/** Options of `infoNCE`. */
export interface InfoNCEOptions {
  /** What similarities are divided by, above 0; 0.07 by default. It may be scheduled or trained, as in CLIP. */
  readonly temperature?: Trainable;
}

/**
 * InfoNCE, the contrastive loss: cross entropy over similarities, in which each row has to find its own partner among
 * the candidates of the batch.
 *
 * Formula, for a row i: −log (exp(s_ii / T) / Σ_j exp(s_ij / T)), with s the similarities, in nats.
 * It is a loss over logits, which are the similarities, so that labelSmoothing, focal, weights and masks apply. The
 * batch of two sets of embeddings comes from `contrastivePairs`, and from `contrastiveViews` for NT-Xent.
 *
 * @throws LossError where the temperature is not above 0 or not finite.
 *
 * Source: van den Oord et al., arXiv 1807.03748; the temperature of He et al., arXiv 1911.05722. NT-Xent: Chen et al.,
 * arXiv 2002.05709. CLIP: Radford et al., arXiv 2103.00020.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { compile, contrastivePairs, evaluate, infoNCE } from "lossmith";
 * import { expect } from "expect";
 *
 * const batch = { logits: [[1, 0], [0, 1]], labels: [0, 1] };
 * expect(evaluate(infoNCE({ temperature: 0.5 }), batch)).toBeCloseTo(Math.log1p(Math.exp(-2)), 12);
 *
 * const loss = compile(infoNCE({ temperature: 0.5 }));
 * const [images, texts] = [tf.tensor2d([[2, 0], [0, 3]]), tf.tensor2d([[1, 0], [0, 1]])];
 * expect(loss(contrastivePairs(images, texts)).dataSync()[0]).toBeCloseTo(Math.log1p(Math.exp(-2)), 6);
 * ```
 */
export function infoNCE(options: InfoNCEOptions = {}): Loss<"logits", "without a weight field"> {
  if (typeof options !== "object" || options === null) {
    throw new LossError("infoNCE", `got ${String(options)}`, "Give { temperature }, such as { temperature: 0.07 }");
  }
  return temperature(options.temperature ?? 0.07)(crossEntropy);
}
