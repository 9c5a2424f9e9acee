/**
 * What the regularizers of a model add to its loss, as in Keras: those of all layers, each once. TensorFlow.js leaves out those of
 * recurrent cells, of Bidirectional and of nested sequential models, and counts those of a shared layer for each of its uses.
 */
import * as tf from "@tensorflow/tfjs";

type Regularizer = tf.layers.Layer["losses"][number];

/** The layers that a layer is made of: a wrapper's, a recurrent layer's cell, the cells of a stack. */
interface Made {
  readonly layer?: tf.layers.Layer;
  readonly forwardLayer?: tf.layers.Layer;
  readonly backwardLayer?: tf.layers.Layer;
  readonly cell?: tf.layers.Layer;
  readonly cells?: readonly tf.layers.Layer[];
}

/** The sum of all penalties, differentiable; null where there is none. */
export function penaltyOf(model: tf.LayersModel): tf.Scalar | null {
  const all = [...new Set(regularizersOf(model))];
  return all.length === 0 ? null : (tf.addN(all.map((penalty) => penalty())) as tf.Scalar);
}

function regularizersOf(layer: tf.layers.Layer): readonly Regularizer[] {
  if (layer instanceof tf.LayersModel) return layer.layers.flatMap(regularizersOf);
  const { layer: wrapped, forwardLayer, backwardLayer, cell, cells = [] } = layer as Made;
  const parts = [wrapped, forwardLayer, backwardLayer, cell, ...cells].filter((part) => part !== undefined);
  return [...layer.losses, ...parts.flatMap(regularizersOf)];
}
