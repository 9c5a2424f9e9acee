/** Batches for `tripletMargin`, made with ops that tapes see. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../loss/error.ts";
import { checkTensor } from "./entries.ts";

/** A batch for `tripletMargin`: three differences a row. */
export interface TripletBatch {
  /** [..., 3 D]: anchor, anchor, positive. */
  readonly predictions: tf.Tensor;
  /** [..., 3 D]: positive, negative, negative. */
  readonly targets: tf.Tensor;
}

/**
 * The batch in which each anchor stands beside its positive and its negative, for `tripletMargin`. Gradients reach all
 * three. The two tensors are yours to dispose, as those of any operation.
 *
 * Shapes: anchors, positives and negatives [..., D], of one shape: none is stretched to another.
 *
 * @throws LossError where the three are not float32 tensors of one shape [..., D], of rank 2 at least.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { triplets } from "lossmith";
 * import { expect } from "expect";
 *
 * const { predictions, targets } = triplets(tf.tensor2d([[1, 2]]), tf.tensor2d([[3, 4]]), tf.tensor2d([[5, 6]]));
 * expect(predictions.arraySync()).toEqual([[1, 2, 1, 2, 3, 4]]);
 * expect(targets.arraySync()).toEqual([[3, 4, 5, 6, 5, 6]]);
 * ```
 */
export function triplets(anchors: tf.Tensor, positives: tf.Tensor, negatives: tf.Tensor): TripletBatch {
  const remedy = "Give three float32 tensors [..., D] of one shape";
  const all = [anchors, positives, negatives];
  for (const x of all) {
    checkTensor("triplets", x, remedy);
    if (x.dtype !== "float32") throw new LossError("triplets", `embeddings have dtype ${x.dtype}`, remedy);
  }
  const shapes = all.map(({ shape }) => `[${shape.join(", ")}]`);
  if (anchors.rank < 2 || anchors.shape[anchors.rank - 1] === 0 || new Set(shapes).size > 1) {
    throw new LossError("triplets", `embeddings have the shapes ${shapes.join(", ")}`, remedy);
  }
  return {
    predictions: tf.concat([anchors, anchors, positives], -1),
    targets: tf.concat([positives, negatives, negatives], -1),
  };
}
