import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import type { AnyLoss } from "../../loss/loss.ts";
import type { MicroBatch } from "../gradients.ts";
import { disposeHead, type Head, headBatch, headValueOf, readingsOf, takeApart } from "../objective.ts";
import type { StepClock } from "../stepClock.ts";
import { parameterValues, stepLogs } from "../stepLogs.ts";
import { makeStepper, type Taken } from "../stepper.ts";
import { type Tally, tallyOf } from "../tally.ts";
import {
  type BatchDataset,
  type BatchIterator,
  batchesOfDataset,
  batchesOfTensors,
  type StepFeed,
  shuffled,
} from "./batches.ts";
import { callbacksOf } from "./callbacks.ts";
import { prepare } from "./entries.ts";
import { type ClassWeight, type Feed, feedOf, mapFeed, type RowData, sizeOf, tensorsOf } from "./feed.ts";
import { headsOf, type ReducedLoss } from "./heads.ts";
import { masksOf } from "./masks.ts";
import type {
  EvaluateArgs,
  EvaluateDatasetArgs,
  FitArgs,
  FitDatasetArgs,
  FitOptions,
  WithLossOptions,
} from "./options.ts";
import { inOrder, type PerName } from "./perOutput.ts";

/** The loss, the loss of each output, named terms and metrics, by name. */
export type Logs = Record<string, number>;

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
  const masks = masksOf(model);
  const variables = (): readonly tf.Variable[] =>
    // A layer's variable reads as the tf.Variable that it wraps.
    model.trainableWeights.map((weight) => weight.read() as unknown as tf.Variable);
  const stepper = makeStepper(heads, variables, options, where);
  const { clock } = stepper;
  const logsOf = stepLogs(heads);
  const valuesAt = parameterValues(heads);
  let history: tf.History | null = null;
  let isTraining = false;

  const forward = (x: readonly tf.Tensor[], training: boolean): readonly tf.Tensor[] => {
    const inputs = x.map((tensor, i) =>
      tensor.rank === 1 && model.inputs[i].shape.length === 2 ? tensor.expandDims(-1) : tensor,
    );
    const outputs = model.apply(inputs.length === 1 ? inputs[0] : inputs, { training }) as tf.Tensor | tf.Tensor[];
    return Array.isArray(outputs) ? outputs : [outputs];
  };
  const penaltyOf = (): tf.Scalar | null => {
    const penalties = model.calculateLosses();
    return penalties.length === 0 ? null : (tf.addN(penalties) as tf.Scalar);
  };

  /** A step on a batch. */
  const take = async (
    parts: readonly Feed[],
    weights: readonly (ClassWeight | undefined)[],
    at: string,
  ): Promise<Taken> => {
    const prepared: ReturnType<typeof prepare>[] = [];
    try {
      const micro = parts.map((feed): MicroBatch => {
        const one = prepare(model, heads, masks, feed, weights, at);
        prepared.push(one);
        return { entries: one.entries, forward: () => ({ outputs: forward(feed.x, true), penalty: penaltyOf() }) };
      });
      return await stepper.take(micro);
    } finally {
      for (const { dispose } of prepared) dispose();
    }
  };

  /** Adds a batch to a tally, without training. */
  const measure = async (
    feed: Feed,
    weights: readonly (ClassWeight | undefined)[],
    tally: Tally,
    at: string,
  ): Promise<void> => {
    const { step } = clock;
    const { entries, dispose } = prepare(model, heads, masks, feed, weights, at);
    try {
      const readings = tf.tidy(() => {
        const outputs = forward(feed.x, false);
        const each = heads.map((head, i) => {
          const batch = headBatch(head, entries[i], outputs[i], step);
          return readingsOf(head, batch, headValueOf(head, batch, null));
        });
        const penalty = penaltyOf() ?? tf.scalar(0);
        return tf.concat([...each, penalty.reshape<tf.Tensor1D>([1])]);
      });
      try {
        const read = await readings.data();
        tally.add(takeApart(heads, read), read[read.length - 1], step);
      } finally {
        readings.dispose();
      }
    } finally {
      dispose();
    }
  };

  const measureAll = async (
    batches: Iterable<StepFeed> | AsyncIterable<StepFeed>,
    weights: readonly (ClassWeight | undefined)[],
    at: string,
  ): Promise<Logs> => {
    const tally = tallyOf(heads);
    for await (const { parts, dispose } of batches) {
      try {
        for (const feed of parts) await measure(feed, weights, tally, at);
      } finally {
        dispose();
      }
    }
    if (tally.batches === 0) throw new LossError(at, "there is no example", "Give at least one");
    return tally.logs();
  };

  const evaluateFeed = (
    feed: Feed,
    batchSize: number | undefined,
    weights: readonly (ClassWeight | undefined)[],
    at: string,
  ): Promise<Logs> => {
    const size = whole(batchSize ?? 32, `${at}, batchSize`, 1);
    return measureAll(batchesOfTensors(feed, { batchSize: size, parts: 1, limit: null, order: null }), weights, at);
  };

  const classWeightsOf = (given: FitOptions["classWeight"], at: string): readonly (ClassWeight | undefined)[] => {
    if (given === undefined) return heads.map(() => undefined);
    if (heads.length === 1) return [given as ClassWeight];
    const isWeights = (one: unknown): boolean =>
      typeof one === "object" && one !== null && Object.values(one).every((weight) => typeof weight === "number");
    return inOrder(given as PerName<ClassWeight>, model.outputNames, isWeights, `${at}, classWeight`, true);
  };

  /** The epochs of `fit` and `fitDataset`. */
  const run = async (
    args: FitOptions,
    at: string,
    sizes: { readonly batchSize: number | null; readonly samples: number | null; readonly steps: number | null },
    batchesOf: (epoch: number) => Promise<AsyncGenerator<StepFeed, { isExhausted: boolean }> | Generator<StepFeed>>,
    validate: (() => Promise<Logs>) | null,
  ): Promise<tf.History> => {
    if (isTraining) throw new LossError(at, "the model is being trained", "Await one fit before the next");
    const { epochs = 1, initialEpoch = 0 } = args;
    whole(epochs, `${at}, epochs`, 1);
    whole(initialEpoch, `${at}, initialEpoch`, 0);
    const weights = classWeightsOf(args.classWeight, at);
    isTraining = true;
    try {
      const { list, history: filled } = callbacksOf(model, args.callbacks, args.yieldEvery, {
        epochs,
        initialEpoch,
        ...(sizes.samples !== null && { samples: sizes.samples }),
        ...(sizes.steps !== null && { steps: sizes.steps }),
        ...(sizes.batchSize !== null && { batchSize: sizes.batchSize }),
        verbose: 0,
        doValidation: validate !== null,
        metrics: Object.keys(tallyNames(heads)).flatMap((name) => (validate === null ? [name] : [name, `val_${name}`])),
      });
      history = filled;
      model.stopTraining = false;
      await list.onTrainBegin();
      for (let epoch = initialEpoch; epoch < epochs && !model.stopTraining; epoch++) {
        await list.onEpochBegin(epoch);
        const tally = tallyOf(heads);
        let skipped = 0;
        let last = clock.step;
        const batches = await batchesOf(epoch);
        try {
          for (let batch = 0; ; batch++) {
            const next = await batches.next();
            if (next.done === true) {
              if ((next.value as { isExhausted: boolean } | undefined)?.isExhausted) {
                console.warn(`${at}: the dataset has ended before batchesPerEpoch; training ends. Repeat it to go on.`);
                model.stopTraining = true;
              }
              break;
            }
            const { parts, size, dispose } = next.value;
            try {
              await list.onBatchBegin(batch, { batch, size });
              const taken = await take(parts, weights, at);
              last = taken.step;
              if (taken.skipped === null) tally.add(taken.heads, taken.penalty, taken.step);
              else skipped++;
              await list.onBatchEnd(batch, { batch, size, ...(await logsOf(taken)) });
            } finally {
              dispose();
            }
            if (model.stopTraining) break;
          }
        } finally {
          await batches.return?.(undefined as never);
        }
        const validation = validate === null ? {} : await validate();
        await list.onEpochEnd(epoch, {
          ...tally.logs(),
          ...(await valuesAt(last)),
          ...(skipped > 0 && { skipped }),
          ...Object.fromEntries(Object.entries(validation).map(([name, value]) => [`val_${name}`, value])),
        });
      }
      await list.onTrainEnd();
      return filled;
    } finally {
      isTraining = false;
    }
  };

  const validationOf = (
    data: FitDatasetArgs["validationData"],
    batchSize: number | undefined,
    limit: number | null,
    at: string,
  ): (() => Promise<Logs>) | null => {
    if (data === undefined || data === null) return null;
    const noWeights = heads.map(() => undefined);
    if (Array.isArray(data)) {
      const [x, y, sampleWeight] = data as NonNullable<FitArgs["validationData"]>;
      if (data.length < 2 || data.length > 3) {
        throw new LossError(at, `an array of ${data.length}`, "Give [x, y] or [x, y, sampleWeight]");
      }
      const feed = feedOf(model, x, y, sampleWeight === undefined ? {} : { sampleWeight }, at);
      return () => evaluateFeed(feed, batchSize, noWeights, at);
    }
    const dataset = checkDataset(data, at);
    return async () =>
      measureAll(batchesOfDataset(model, await dataset.iterator(), { parts: 1, limit }, at), noWeights, at);
  };

  const fit: ModelWithLoss["fit"] = async (x, y, args = {}) => {
    const at = "fit(x, y, args)";
    const { batchSize = 32, accumulate = 1, shuffle = true, seed = null, stepsPerEpoch = null } = args;
    const { validationSplit, validationData } = args;
    whole(batchSize, `${at}, batchSize`, 1);
    whole(accumulate, `${at}, accumulate`, 1);
    if (seed !== null) whole(seed, `${at}, seed`, 0);
    if (typeof shuffle !== "boolean")
      throw new LossError(`${at}, shuffle`, `got ${String(shuffle)}`, "Give true or false");
    const all = feedOf(model, x, y, args, at);
    const size = sizeOf(all);
    if (validationSplit !== undefined && !(validationSplit > 0 && validationSplit < 1)) {
      throw new LossError(`${at}, validationSplit`, `got ${validationSplit}`, "Give a share above 0 and below 1");
    }
    if (validationSplit !== undefined && validationData !== undefined) {
      throw new LossError(at, "both validationSplit and validationData are given", "Give one of them");
    }
    const splitAt = validationSplit === undefined ? size : Math.floor(size * (1 - validationSplit));
    if (splitAt === 0 || (validationSplit !== undefined && splitAt === size)) {
      throw new LossError(at, `${size} examples, of which ${splitAt} are for training`, "Give more examples");
    }
    const steps = Math.ceil(splitAt / batchSize);
    if (stepsPerEpoch !== null && whole(stepsPerEpoch, `${at}, stepsPerEpoch`, 1) > steps) {
      throw new LossError(
        `${at}, stepsPerEpoch`,
        `${stepsPerEpoch} of ${steps} steps`,
        "Give more examples, or fewer steps",
      );
    }
    const part = (from: number, to: number): Feed => mapFeed(all, (tensor) => tf.slice(tensor, [from], [to - from]));
    const [training, held] = splitAt === size ? [all, null] : [part(0, splitAt), part(splitAt, size)];
    const own = held === null ? [] : [training, held];
    try {
      const validate =
        held === null
          ? validationOf(validationData, batchSize, null, `${at}, validationData`)
          : () =>
              evaluateFeed(
                held,
                batchSize,
                heads.map(() => undefined),
                `${at}, validationSplit`,
              );
      const sizes = { batchSize, samples: splitAt, steps: stepsPerEpoch ?? steps };
      return await run(
        args,
        at,
        sizes,
        async (epoch) => {
          const order = shuffle ? await shuffled(splitAt, seed === null ? null : seed * 1_000_003 + epoch) : null;
          return batchesOfTensors(training, { batchSize, parts: accumulate, limit: stepsPerEpoch, order });
        },
        validate,
      );
    } finally {
      tf.dispose(own.flatMap(tensorsOf));
    }
  };

  const fitDataset: ModelWithLoss["fitDataset"] = async (dataset, args = {}) => {
    const at = "fitDataset(dataset, args)";
    const { accumulate = 1, batchesPerEpoch = null, validationData, validationBatchSize, validationBatches } = args;
    whole(accumulate, `${at}, accumulate`, 1);
    if (batchesPerEpoch !== null) whole(batchesPerEpoch, `${at}, batchesPerEpoch`, 1);
    if (validationBatches !== undefined) whole(validationBatches, `${at}, validationBatches`, 1);
    checkDataset(dataset, at);
    const validate = validationOf(
      validationData,
      validationBatchSize,
      validationBatches ?? null,
      `${at}, validationData`,
    );
    let shared: BatchIterator | null = null;
    const steps = batchesPerEpoch === null ? null : Math.ceil(batchesPerEpoch / accumulate);
    return run(
      args,
      at,
      { batchSize: null, samples: null, steps },
      async () => {
        if (batchesPerEpoch === null || shared === null) shared = await dataset.iterator();
        return batchesOfDataset(model, shared, { parts: accumulate, limit: batchesPerEpoch }, at);
      },
      validate,
    );
  };

  return {
    model,
    loss: heads.length === 1 ? heads[0].loss : Object.fromEntries(heads.map(({ name, loss: one }) => [name, one])),
    optimizer: options.optimizer,
    clock,
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
      if (isTraining) throw new LossError(at, "the model is being trained", "Await one step before the next");
      isTraining = true;
      try {
        const { accumulate = 1, classWeight } = args;
        const feed = feedOf(model, x, y, args, at);
        const parts = whole(accumulate, `${at}, accumulate`, 1);
        const [batch] = batchesOfTensors(feed, { batchSize: sizeOf(feed), parts, limit: 1, order: null });
        if (batch === undefined) throw new LossError(at, "there is no example", "Give at least one");
        try {
          return await logsOf(await take(batch.parts, classWeightsOf(classWeight, at), at));
        } finally {
          batch.dispose();
        }
      } finally {
        isTraining = false;
      }
    },
    evaluate: async (x, y, args = {}) => {
      const at = "evaluate(x, y, args)";
      const feed = feedOf(model, x, y, args, at);
      return evaluateFeed(feed, args.batchSize, classWeightsOf(args.classWeight, at), at);
    },
    evaluateDataset: async (dataset, args = {}) => {
      const at = "evaluateDataset(dataset, args)";
      const { batches = null } = args;
      if (batches !== null) whole(batches, `${at}, batches`, 1);
      const iterator = await checkDataset(dataset, at).iterator();
      const weights = classWeightsOf(args.classWeight, at);
      return measureAll(batchesOfDataset(model, iterator, { parts: 1, limit: batches }, at), weights, at);
    },
    predict: (x, args) => model.predict(x, args),
    dispose: () => heads.forEach(disposeHead),
  };
}

/** The names of what logs have, without a batch. */
function tallyNames(heads: readonly Head[]): Logs {
  return Object.fromEntries(
    ["loss", ...heads.flatMap(({ measures }) => measures.map(({ name }) => name))].map((n) => [n, 0]),
  );
}

function checkDataset(dataset: unknown, where: string): BatchDataset {
  if (typeof dataset === "object" && dataset !== null && "iterator" in dataset) return dataset as BatchDataset;
  throw new LossError(
    where,
    `got ${String(dataset)} in place of a dataset`,
    "Give a tf.data.Dataset of batches { xs, ys }",
  );
}

function whole(n: number, where: string, lowest: number): number {
  if (Number.isSafeInteger(n) && n >= lowest) return n;
  throw new LossError(where, `got ${String(n)}`, `Give a whole number of at least ${lowest}`);
}
