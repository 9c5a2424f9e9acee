import * as tf from "@tensorflow/tfjs";

/**
 * The variables of a model's weights, layer by layer. `model.weights` has those that are not trainable last, so that its order changes when
 * a layer is frozen or thawed.
 */
export function weightsOf(model: tf.LayersModel): readonly tf.Variable[] {
  return model.layers.flatMap((layer) =>
    layer instanceof tf.LayersModel
      ? weightsOf(layer)
      : // A layer's variable reads as the tf.Variable that it wraps.
        layer.weights.map((weight) => weight.read() as unknown as tf.Variable),
  );
}
