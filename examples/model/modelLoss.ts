/** A loss of a language model, by way of the logits or without them. */
import type * as tf from "@tensorflow/tfjs";
import { type Batch, compile, compileLinear, type Kind, type Loss } from "lossmith";
import { hiddenStates, type LanguageModel, logitsOf } from "./languageModel.ts";

/** A loss that is one number a batch. */
export type TrainingLoss = Loss<"logits", Exclude<Kind, "already reduced per token">>;

/** Tokens to read, and what a compiled loss is given beside the logits. */
export interface ModelBatch extends Pick<Batch, "labels" | "step" | "denominators"> {
  readonly inputs: Int32Array;
}

/** A loss as a function of what a model reads and is to predict. */
export interface ModelLoss {
  (batch: ModelBatch): tf.Scalar;
  /** The loss's own trainable parameters. */
  readonly variables: readonly tf.Variable[];
  /** What each term's numerator is divided by, from labels alone. */
  denominators(batch: Omit<ModelBatch, "inputs">): tf.Tensor1D;
  dispose(): void;
}

/**
 * Compiles a loss for a model. In the linear form the loss is given the hidden states and the output layer, and makes the
 * logits itself, some rows at a time and none of ignored labels; the numbers are the same but for rounding.
 *
 * @param linear whether in the linear form.
 */
export function modelLoss(model: LanguageModel, loss: TrainingLoss, linear: boolean): ModelLoss {
  const { output, outputBias } = model.weights;
  if (linear) {
    const compiled = compileLinear(loss);
    const run = ({ inputs, ...entries }: ModelBatch): tf.Scalar =>
      compiled({ ...entries, hidden: sequences(model, hiddenStates(model, inputs)), kernel: output, bias: outputBias });
    return Object.assign(run, {
      variables: [...compiled.variables.values()],
      denominators: compiled.denominators,
      dispose: () => compiled.dispose(),
    });
  }
  const compiled = compile(loss);
  const run = ({ inputs, ...entries }: ModelBatch): tf.Scalar =>
    compiled({ ...entries, logits: sequences(model, logitsOf(model, hiddenStates(model, inputs))) });
  return Object.assign(run, {
    variables: [...compiled.variables.values()],
    denominators: compiled.denominators,
    dispose: () => compiled.dispose(),
  });
}

/** Rows [B · T, …] as [B, T, …]: losses may look at what stands before in the same window. */
export function sequences({ sizes }: LanguageModel, rows: tf.Tensor2D): tf.Tensor3D {
  return rows.reshape([-1, sizes.window, rows.shape[1]]);
}
