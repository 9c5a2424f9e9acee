/**
 * The masks that a model's Masking and Embedding({ maskZero }) layers give to its outputs. TensorFlow.js computes them while it
 * runs the layers and throws them away before the loss; here they are followed through the graph by Keras's rules:
 * a layer that supports masking passes its input's mask on, any other one drops it.
 */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";

/** The mask of each output, bool; null where it has none. The tensors are the caller's. */
export type Masks = (inputs: readonly tf.Tensor[]) => readonly (tf.Tensor | null)[];

type Mask = tf.Tensor | null;

/** What is known of the tensors that enter a model. */
interface Entering {
  readonly value: () => tf.Tensor;
  readonly mask: Mask;
}

type Environment = ReadonlyMap<number, Entering>;

/** Null where no layer of the model makes a mask. */
export function masksOf(model: tf.LayersModel): Masks | null {
  if (!layersOf(model).some(makesMask)) return null;
  return (inputs) => {
    const masks: Mask[] = [];
    tf.tidy(() => {
      const entering = new Map(model.inputs.map(({ id }, i) => [id, { value: () => inputs[i], mask: null }] as const));
      for (const output of model.outputs) {
        const mask = maskOf(output, entering);
        // Outputs may share a mask, or an input.
        masks.push(mask === null ? null : tf.keep(tf.clone(mask)));
      }
    });
    return masks;
  };
}

function layersOf(model: tf.LayersModel): readonly tf.layers.Layer[] {
  return model.layers.flatMap((layer) => (layer instanceof tf.LayersModel ? layersOf(layer) : [layer]));
}

function makesMask(layer: tf.layers.Layer): boolean {
  const name = layer.getClassName();
  return name === "Masking" || (name === "Embedding" && layer.getConfig()["maskZero"] === true);
}

function maskOf(symbolic: tf.SymbolicTensor, entering: Environment): Mask {
  const given = entering.get(symbolic.id);
  if (given !== undefined) return given.mask;
  const layer = symbolic.sourceLayer;
  const { inputs } = symbolic;
  if (inputs.length === 0) return null;
  if (layer instanceof tf.LayersModel) {
    const within = new Map(
      layer.inputs.map(({ id }, i) => {
        const value = (): tf.Tensor => enteringValue(inputs[i], entering, layer.name);
        return [id, { value, mask: maskOf(inputs[i], entering) }] as const;
      }),
    );
    return maskOf(layer.outputs[symbolic.outputTensorIndex ?? 0], within);
  }
  if (!layer.supportsMasking) return null;
  if (makesMask(layer)) {
    const value = enteringValue(inputs[0], entering, layer.name);
    return firstOf(layer.computeMask(value), 0);
  }
  const masks = inputs.map((input) => maskOf(input, entering));
  if (masks.every((mask) => mask === null)) return null;
  if (inputs.length > 1 && "mergeFunction" in layer) return merged(layer, symbolic, masks);
  return firstOf(layer.computeMask([], masks as tf.Tensor[]), symbolic.outputTensorIndex ?? 0);
}

function firstOf(masks: tf.Tensor | tf.Tensor[] | null, index: number): Mask {
  return Array.isArray(masks) ? (masks[Math.min(index, masks.length - 1)] ?? null) : masks;
}

/**
 * Rows count where they count in every input, as in Keras. TensorFlow.js forgets the last input, and gives masks a
 * dimension too many.
 */
function merged(layer: tf.layers.Layer, symbolic: tf.SymbolicTensor, masks: readonly Mask[]): Mask {
  if (layer.getClassName() === "Dot") return null;
  if (layer.getClassName() === "Concatenate") {
    const { axis } = layer.getConfig() as { readonly axis: number };
    const along = axis < 0 ? axis + symbolic.rank : axis;
    const rank = masks.find((mask) => mask !== null)?.rank ?? 0;
    if (along < rank) {
      if (masks.some((mask) => mask === null)) {
        throw new LossError(
          `the mask of ${layer.name}`,
          "it concatenates what is masked and what is not along an axis of the mask",
          "Mask all of its inputs, or give { mask } with the batch",
        );
      }
      return tf.concat(masks as tf.Tensor[], along);
    }
  }
  return masks.reduce((all, mask) => (all === null ? mask : mask === null ? all : tf.logicalAnd(all, mask)));
}

const random = new Set(["Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout"]);

/** What a layer that makes a mask reads: an input of the model, or what layers without weights make of one. */
function enteringValue(symbolic: tf.SymbolicTensor, entering: Environment, reader: string): tf.Tensor {
  const given = entering.get(symbolic.id);
  if (given !== undefined) return given.value();
  const { sourceLayer: layer, inputs } = symbolic;
  if (inputs.length === 0 || layer.countParams() > 0 || random.has(layer.getClassName())) {
    throw new LossError(
      `the mask of ${reader}`,
      `it is made of what the layer ${layer.name} computes, which is not known before the model runs`,
      "Put the layer that makes the mask right behind an input, or give { mask } with the batch",
    );
  }
  const values = inputs.map((input) => enteringValue(input, entering, reader));
  const made = layer.apply(values.length === 1 ? values[0] : values) as tf.Tensor | tf.Tensor[];
  return Array.isArray(made) ? made[symbolic.outputTensorIndex ?? 0] : made;
}
