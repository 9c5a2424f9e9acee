/** Training a language model with `trainStep` of lossmith/training. */
import * as tf from "@tensorflow/tfjs";
import { language, pipe, sum, warmupCosine } from "lossmith";
import { type StepResult, stepClock, type TrainingCallback, trainStep } from "lossmith/training";
import type { TokenBatch } from "../model/batches.ts";
import { hiddenStates, type LanguageModel, logitsOf, variablesOf } from "../model/languageModel.ts";
import { modelLoss, sequences, type TrainingLoss } from "../model/modelLoss.ts";

/** What a training is told. */
export interface TrainingOptions {
  readonly steps: number;
  /** The highest learning rate, after the warm-up. */
  readonly learningRate: number;
  /** Whether the loss takes hidden states and the output layer in place of logits. */
  readonly linear: boolean;
  /** The next batch, in the parts that it is to be taken in. */
  readonly nextBatch: () => readonly TokenBatch[];
  /** Progress, logs and whatever else wants to know of each step. */
  readonly callbacks: readonly TrainingCallback[];
  /** Called after each step; waited for. */
  readonly afterStep?: (stepsTaken: number) => Promise<void>;
}

/** The longest gradient that an update is made of. */
const clipNorm = 1;

/**
 * Changes the model's weights by `steps` steps of Adam, with a warm-up, a cosine decay and clipped gradients.
 *
 * @returns the training loss of each step.
 * @throws LossError where the loss or the gradient is not finite for several steps in a row.
 */
export async function train(model: LanguageModel, loss: TrainingLoss, options: TrainingOptions): Promise<number[]> {
  const { steps, learningRate: peak, linear, nextBatch, callbacks, afterStep } = options;
  const warmup = Math.min(20, Math.ceil(steps / 10));
  const optimizer = tf.train.adam(peak);
  const rate = warmupCosine({ init: peak / warmup, peak, warmup, decay: steps + warmup, end: peak / 20 });
  const step = (linear ? linearStep : denseStep)(model, loss, { optimizer, learningRate: rate, clipNorm });
  const losses: number[] = [];
  try {
    for (const callback of callbacks) await callback.onTrainBegin();
    for (let taken = 0; taken < steps; taken++) {
      const result = await step.take(nextBatch());
      losses.push(result.loss);
      for (const callback of callbacks) await callback.onBatchEnd(taken, result.logs);
      await afterStep?.(taken + 1);
    }
  } finally {
    for (const callback of callbacks) await callback.onTrainEnd();
    optimizer.dispose();
    step.dispose();
  }
  return losses;
}

/** One step on the parts of a batch. */
interface Step {
  readonly take: (batch: readonly TokenBatch[]) => Promise<StepResult>;
  readonly dispose: () => void;
}

type Updates = Pick<Parameters<typeof trainStep>[0], "optimizer" | "learningRate" | "clipNorm">;

/** The usual way: the model gives logits, and the loss takes them. */
function denseStep(model: LanguageModel, loss: TrainingLoss, updates: Updates): Step {
  const step = trainStep({
    ...updates,
    loss,
    model: (inputs: Int32Array) => sequences(model, logitsOf(model, hiddenStates(model, inputs))),
    variables: variablesOf(model),
  });
  return {
    take: (batch) => step(batch.map(({ inputs, labels }) => ({ x: inputs, labels: rowsOf(model, labels) }))),
    dispose: () => step.dispose(),
  };
}

/**
 * Without logits. `trainStep` takes a loss of a model's output; here the model's output is the loss itself, in the linear form,
 * and what is minimised is the number that it gives. The denominators of all parts of a batch are added up before, as `trainStep`
 * does for logits.
 */
function linearStep(model: LanguageModel, loss: TrainingLoss, updates: Updates): Step {
  const compiled = modelLoss(model, loss, true);
  const clock = stepClock();
  const itself = pipe(language.lossOfValues(language.overColumns("sum", language.prediction)), sum);
  const step = trainStep({
    ...updates,
    clock,
    loss: itself,
    model: (batch: Parameters<typeof compiled>[0]) => compiled(batch).reshape([1, 1]),
    variables: [...variablesOf(model), ...compiled.variables],
  });
  return {
    take: async (batch) => {
      const parts = batch.map(({ inputs, labels }) => ({ inputs, labels: rowsOf(model, labels), step: clock.step }));
      const denominators =
        parts.length === 1
          ? null
          : tf.tidy(() =>
              parts
                .map(({ labels, step: at }) => compiled.denominators({ labels, step: at }))
                .reduce((total, one) => tf.add(total, one)),
            );
      try {
        const result = await step(
          parts.map((part) => ({ x: denominators === null ? part : { ...part, denominators }, targets: [[0]] })),
        );
        const tokens = batch.reduce((count, { labels }) => count + labels.filter((label) => label >= 0).length, 0);
        return { ...result, logs: { ...result.logs, tokens } };
      } finally {
        denominators?.dispose();
      }
    },
    dispose: () => {
      step.dispose();
      tf.dispose([...compiled.variables]);
      compiled.dispose();
    },
  };
}

/** Labels as [B, T], so that losses see where a window ends. */
function rowsOf({ sizes }: LanguageModel, labels: Int32Array): number[][] {
  const { window } = sizes;
  return Array.from({ length: labels.length / window }, (_, i) =>
    Array.from(labels.subarray(i * window, (i + 1) * window)),
  );
}
