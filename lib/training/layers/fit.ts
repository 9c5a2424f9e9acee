/** `fit` and `fitDataset`: what their arguments say, as batches for each epoch. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import {
  type BatchDataset,
  type BatchIterator,
  batchesOfDataset,
  batchesOfTensors,
  checkDataset,
  shuffled,
} from "./batches.ts";
import type { RunEpochs } from "./epochs.ts";
import { type Feed, feedOf, mapFeed, sizeOf, tensorsOf } from "./feed.ts";
import type { Logs, ModelSteps } from "./modelSteps.ts";
import type { FitArgs, FitDatasetArgs } from "./options.ts";
import type { PerName } from "./perOutput.ts";
import { whole } from "./wholeNumber.ts";

export interface Fits {
  fit(x: PerName<tf.Tensor>, y: PerName<tf.Tensor>, args?: FitArgs): Promise<tf.History>;
  fitDataset(dataset: BatchDataset, args?: FitDatasetArgs): Promise<tf.History>;
}

export function fitsOf({ model, heads, measureAll, evaluateFeed }: ModelSteps, run: RunEpochs): Fits {
  // Class weights are for training alone.
  const noWeights = heads.map(() => undefined);
  const validationOf = (
    data: FitDatasetArgs["validationData"],
    batchSize: number | undefined,
    limit: number | null,
    at: string,
  ): (() => Promise<Logs>) | null => {
    if (data === undefined || data === null) return null;
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

  const fit: Fits["fit"] = async (x, y, args = {}) => {
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
          : () => evaluateFeed(held, batchSize, noWeights, `${at}, validationSplit`);
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

  const fitDataset: Fits["fitDataset"] = async (dataset, args = {}) => {
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

  return { fit, fitDataset };
}
