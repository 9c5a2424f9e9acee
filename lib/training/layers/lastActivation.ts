/** Whether a model's output is logits or probabilities. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import { type AnyLoss, inputOf } from "../../loss/loss.ts";

/** Layers that leave the numbers of their input as they are, up to their places. */
const movers = new Set(["Reshape", "Flatten", "Permute", "Masking", "Dropout", "SpatialDropout1D", "RepeatVector"]);

/**
 * The activation that an output ends in, such as "softmax", or "linear" for a layer that has none; null where the layer does not say.
 */
export function lastActivation(output: tf.SymbolicTensor): string | null {
  const layer = output.sourceLayer;
  if (layer instanceof tf.LayersModel) return lastActivation(layer.outputs[output.outputTensorIndex ?? 0]);
  if (movers.has(layer.getClassName())) return output.inputs.length > 0 ? lastActivation(output.inputs[0]) : null;
  return activationOf(layer);
}

function activationOf(layer: tf.layers.Layer): string | null {
  const name = layer.getClassName();
  if (name === "Softmax") return "softmax";
  // A wrapper such as TimeDistributed.
  if ("layer" in layer) return activationOf(layer.layer as tf.layers.Layer);
  const { activation } = layer.getConfig();
  return typeof activation === "string" ? activation : null;
}

/** Throws where a loss over logits is given an output that says it is probabilities, or the other way round. */
export function checkActivation(loss: AnyLoss, output: tf.SymbolicTensor, name: string, where: string): void {
  if (inputOf(loss) === "values") return;
  const activation = lastActivation(output);
  if (activation === "softmax" && !loss.probabilities) {
    throw new LossError(
      where,
      `the output ${name} ends in a softmax, and the loss reads logits`,
      "Leave the softmax out of the model, which is exact for confident rows, or compose fromProbabilities into the loss",
    );
  }
  if (activation === "linear" && loss.probabilities) {
    throw new LossError(
      where,
      `the output ${name} is linear, and the loss reads probabilities`,
      "Leave fromProbabilities out, or let the model end in a softmax",
    );
  }
}
