import type * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import type { AnyLoss } from "../../loss/loss.ts";
import { disposeHead } from "../objective.ts";
import type { StepClock } from "../stepClock.ts";
import { stepLogs } from "../stepLogs.ts";
import { makeStepper } from "../stepper.ts";
import { type BatchDataset, batchesOfDataset, batchesOfTensors, checkDataset } from "./batches.ts";
import { epochsOf } from "./epochs.ts";
import { feedOf, type RowData, sizeOf } from "./feed.ts";
import { fitsOf } from "./fit.ts";
import { headsOf, type ReducedLoss } from "./heads.ts";
import { type Logs, modelSteps } from "./modelSteps.ts";
import type {
  EvaluateArgs,
  EvaluateDatasetArgs,
  FitArgs,
  FitDatasetArgs,
  FitOptions,
  WithLossOptions,
} from "./options.ts";
import type { PerName } from "./perOutput.ts";
import { whole } from "./wholeNumber.ts";

/** A model, the loss that it is trained with, and TensorFlow.js's ways to train it. */
export interface ModelWithLoss {
  readonly model: tf.LayersModel;
  readonly loss: AnyLoss | Readonly<Record<string, AnyLoss>>;
  readonly optimizer: tf.Optimizer;
  /** What scheduled parameters read: it advances with each step. */
  readonly clock: StepClock;
  /** The trainable parameters of the losses, by name; of several outputs' losses by output_name. */
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  /** The history of the last `fit` or `fitDataset`. */
  readonly history: tf.History | null;
  /**
   * Trains for some epochs. The history has, for each epoch, the loss over all its rows, and what else the options ask for,
   * "tokens", the values of scheduled and trained parameters at its end, "skipped" if steps were, and the same of the
   * validation data as "val_…".
   */
  fit(x: PerName<tf.Tensor>, y: PerName<tf.Tensor>, args?: FitArgs): Promise<tf.History>;
  /** `fit` for a dataset of batches { xs, ys, sampleWeight?, mask?, teacher?, inputs? }. */
  fitDataset(dataset: BatchDataset, args?: FitDatasetArgs): Promise<tf.History>;
  /** One step. Gives its logs, as `onBatchEnd` gets them. */
  trainOnBatch(
    x: PerName<tf.Tensor>,
    y: PerName<tf.Tensor>,
    args?: RowData & Pick<FitOptions, "classWeight" | "accumulate">,
  ): Promise<Logs>;
  /** The loss over all rows, exactly as of one batch, with the metrics. */
  evaluate(x: PerName<tf.Tensor>, y: PerName<tf.Tensor>, args?: EvaluateArgs): Promise<Logs>;
  evaluateDataset(dataset: BatchDataset, args?: EvaluateDatasetArgs): Promise<Logs>;
  /** The model's own `predict`. */
  predict(x: tf.Tensor | tf.Tensor[], args?: Parameters<tf.LayersModel["predict"]>[1]): tf.Tensor | tf.Tensor[];
  /** Frees what the losses keep on the device, their parameters among it. Model and optimizer stay. */
  dispose(): void;
}

/**
 * A LayersModel with composed losses: `fit`, `fitDataset`, `trainOnBatch`, `evaluate` and `evaluateDataset` with the arguments of TensorFlow.js's own,
 * and what those lack. Integer labels of any rank and soft labels; sample weights; class weights; the masks of
 * Masking and Embedding layers; a loss for each output; metrics that are exact over batches; schedules that advance with each
 * step, and trained parameters; accumulation; clipping and a guard. The model is not compiled.
 *
 * Losses, metrics and terms of several outputs are given by the names of the outputs.
 *
 * @throws LossError for a loss, an output or options that do not fit: a model that ends in a softmax, say, with a loss
 * over logits.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { crossEntropy, focal, linear, pipe } from "lossmith";
 * import { tokenAccuracy, withLoss } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [2] })] });
 * const loss = pipe(crossEntropy, focal({ gamma: linear({ init: 0, end: 1, steps: 60 }) }));
 * const training = withLoss(model, loss, { optimizer: tf.train.adam(0.1), metrics: [tokenAccuracy()] });
 *
 * const x = tf.tensor2d([[1, 0], [0, 1], [1, 1]]);
 * const y = tf.tensor1d([0, 1, 2], "int32");
 * const { history } = await training.fit(x, y, { epochs: 60, sampleWeight: tf.tensor1d([1, 1, 2]) });
 * expect(history["accuracy"].at(-1)).toBe(1);
 * expect(history["focal({ gamma })"].at(-1)).toBeCloseTo(59 / 60, 6);
 * expect((await training.evaluate(x, y)).loss).toBeLessThan(0.5);
 * ```
 */
export function withLoss(
  model: tf.LayersModel,
  loss: ReducedLoss | readonly ReducedLoss[] | Readonly<Record<string, ReducedLoss>>,
  options: WithLossOptions,
): ModelWithLoss {
  const where = "withLoss(model, loss, options)";
  const heads = headsOf(model, loss, options, where);
  const variables = (): readonly tf.Variable[] =>
    // A layer's variable reads as the tf.Variable that it wraps.
    model.trainableWeights.map((weight) => weight.read() as unknown as tf.Variable);
  const stepper = makeStepper(heads, variables, options, where);
  const steps = modelSteps(model, heads, stepper);
  const logsOf = stepLogs(heads);
  let history: tf.History | null = null;
  let isTraining = false;

  /** Steps of two calls at once would mix. */
  const alone = async <T>(at: string, what: string, train: () => Promise<T>): Promise<T> => {
    if (isTraining) throw new LossError(at, "the model is being trained", `Await one ${what} before the next`);
    isTraining = true;
    try {
      return await train();
    } finally {
      isTraining = false;
    }
  };
  const run = epochsOf(steps, (filled) => {
    history = filled;
  });
  const { fit, fitDataset } = fitsOf(steps, (args, at, ...rest) => alone(at, "fit", () => run(args, at, ...rest)));
  return {
    model,
    loss: heads.length === 1 ? heads[0].loss : Object.fromEntries(heads.map(({ name, loss: one }) => [name, one])),
    optimizer: options.optimizer,
    clock: stepper.clock,
    parameters: new Map(
      heads.flatMap(({ name, compiled }) =>
        [...compiled.variables].map(
          ([own, variable]) => [heads.length === 1 ? own : `${name}_${own}`, variable] as const,
        ),
      ),
    ),
    get history() {
      return history;
    },
    fit,
    fitDataset,
    trainOnBatch: async (x, y, args = {}) => {
      const at = "trainOnBatch(x, y, args)";
      return alone(at, "step", async () => {
        const { accumulate = 1, classWeight } = args;
        const feed = feedOf(model, x, y, args, at);
        const parts = whole(accumulate, `${at}, accumulate`, 1);
        const [batch] = batchesOfTensors(feed, { batchSize: sizeOf(feed), parts, limit: 1, order: null });
        if (batch === undefined) throw new LossError(at, "there is no example", "Give at least one");
        try {
          return await logsOf(await steps.take(batch.parts, steps.classWeightsOf(classWeight, at), at));
        } finally {
          batch.dispose();
        }
      });
    },
    evaluate: async (x, y, args = {}) => {
      const at = "evaluate(x, y, args)";
      const feed = feedOf(model, x, y, args, at);
      return steps.evaluateFeed(feed, args.batchSize, steps.classWeightsOf(args.classWeight, at), at);
    },
    evaluateDataset: async (dataset, args = {}) => {
      const at = "evaluateDataset(dataset, args)";
      const { batches = null } = args;
      if (batches !== null) whole(batches, `${at}, batches`, 1);
      const iterator = await checkDataset(dataset, at).iterator();
      const weights = steps.classWeightsOf(args.classWeight, at);
      return steps.measureAll(batchesOfDataset(model, iterator, { parts: 1, limit: batches }, at), weights, at);
    },
    predict: (x, args) => model.predict(x, args),
    dispose: () => heads.forEach(disposeHead),
  };
}
