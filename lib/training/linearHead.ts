import * as tf from "@tensorflow/tfjs";
import { describe } from "../compiler/entries.ts";
import type { LinearLayer } from "../compiler/linear/layer.ts";
import { LossError } from "../loss/error.ts";
import { masksOf } from "./layers/masks.ts";

/** A model taken apart before its last dense layer. The parts are the model's own: to train them is to train it. */
export interface LinearHead {
  /** The model up to what its last dense layer takes, [..., D]. */
  readonly body: tf.LayersModel;
  /** The last layer's kernel [D, V]. */
  readonly kernel: tf.Variable;
  /** The last layer's bias [V]; null where it has none. */
  readonly bias: tf.Variable | null;
  /**
   * Hidden states of an input with the last layer, as a loss compiled by `compileLinear` takes them. Dropout and batch
   * normalisation do what they do in training, unless `{ training: false }` is given. The mask that the model's layers make is
   * among them; a mask of your own takes its place.
   */
  readonly apply: (x: tf.Tensor | tf.Tensor[], options?: { readonly training?: boolean }) => AppliedHead;
}

/** Hidden states with the layer that follows them. */
export interface AppliedHead extends LinearLayer {
  /** Which rows count, where Masking or Embedding({ maskZero }) layers of the model say so: false for the others. */
  readonly mask?: tf.Tensor;
}

/**
 * Takes a LayersModel apart before its last dense layer, for `compileLinear`: the logits of its output are then never
 * made as a whole, and the model is saved and predicts as before.
 *
 * The last layer may be a TimeDistributed one around a dense one. Its activation is linear, or softmax: the loss takes the logits before it, which is what cross entropy of its
 * probabilities means. Regularizers of the last layer are not part of the loss, as in any loop of one's own.
 *
 * @throws LossError for a model of several outputs, or one that does not end in such a layer.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { compileLinear, crossEntropy } from "lossmith";
 * import { linearHead } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const model = tf.sequential();
 * model.add(tf.layers.embedding({ inputDim: 10, outputDim: 4, inputLength: 6 }));
 * model.add(tf.layers.dense({ units: 10 }));
 *
 * const head = linearHead(model);
 * const loss = compileLinear(crossEntropy);
 * const optimizer = tf.train.adam(0.1);
 * const x = tf.tensor2d([[1, 2, 3, 4, 5, 6]]);
 * const step = () => loss({ ...head.apply(x), labels: [[2, 3, 4, 5, 6, 7]] });
 * const before = (await step().data())[0];
 * for (let i = 0; i < 10; i++) optimizer.minimize(step);
 * expect((await step().data())[0]).toBeLessThan(before);
 * ```
 */
export function linearHead(model: tf.LayersModel): LinearHead {
  const where = "linearHead";
  if (!(model instanceof tf.LayersModel)) {
    throw new LossError(
      where,
      `got ${describe(model)}`,
      "Give a LayersModel: of tf.model, tf.sequential or loadLayersModel",
    );
  }
  if (model.outputs.length !== 1) {
    throw new LossError(where, `the model has ${model.outputs.length} outputs`, "Take apart a model of one output");
  }
  const [output] = model.outputs;
  const last = output.sourceLayer;
  const layer = denseOf(last);
  if (layer === null) {
    throw new LossError(
      where,
      `the model ends in a ${last.getClassName()} layer`,
      "End it in a dense layer that gives the logits",
    );
  }
  const { activation } = layer.getConfig();
  if (activation !== "linear" && activation !== "softmax") {
    throw new LossError(
      where,
      `the last layer's activation is ${String(activation)}`,
      "Make it linear, or softmax: a loss over logits takes nothing else",
    );
  }
  const { inputTensors } = last.inboundNodes[output.nodeIndex];
  const body = tf.model({ inputs: model.inputs, outputs: inputTensors });
  const masks = masksOf(body);
  const [kernel, bias = null] = layer.weights.map((weight) => weight.read() as tf.Variable);
  return {
    body,
    kernel,
    bias,
    apply: (x, { training = true } = {}) => {
      const [kept = null] = masks?.(Array.isArray(x) ? x : [x]) ?? [];
      // Of the surrounding tidy, as the hidden states are.
      const mask = kept === null ? null : tf.clone(kept);
      kept?.dispose();
      return {
        hidden: body.apply(x, { training }) as tf.Tensor,
        kernel,
        ...(bias === null ? {} : { bias }),
        ...(mask === null ? {} : { mask }),
      };
    },
  };
}

/** A dense layer, also one that is applied to each step of a sequence, which it is in any case. */
function denseOf(layer: tf.layers.Layer): tf.layers.Layer | null {
  const isTimed = layer.getClassName() === "TimeDistributed";
  const inner = isTimed ? (layer as tf.layers.Layer & { readonly layer: tf.layers.Layer }).layer : layer;
  return inner.getClassName() === "Dense" ? inner : null;
}
