/** The epochs of `fit` and `fitDataset`. */
import type * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import { parameterValues, stepLogs } from "../stepLogs.ts";
import { logNames, tallyOf } from "../tally.ts";
import type { StepFeed } from "./batches.ts";
import { callbacksOf } from "./callbacks.ts";
import type { Logs, ModelSteps } from "./modelSteps.ts";
import type { FitOptions } from "./options.ts";
import { whole } from "./wholeNumber.ts";

/** What is known of an epoch's size. */
export interface EpochSizes {
  readonly batchSize: number | null;
  readonly samples: number | null;
  readonly steps: number | null;
}

/** The batches of an epoch; a dataset's tell whether it has ended early. */
export type EpochBatches = AsyncGenerator<StepFeed, { isExhausted: boolean }> | Generator<StepFeed>;

/** Trains for some epochs; `onHistory` gets the history before it is filled. */
export type RunEpochs = (
  args: FitOptions,
  at: string,
  sizes: EpochSizes,
  batchesOf: (epoch: number) => Promise<EpochBatches>,
  validate: (() => Promise<Logs>) | null,
) => Promise<tf.History>;

export function epochsOf(
  { model, heads, stepper: { clock }, take, classWeightsOf }: ModelSteps,
  onHistory: (history: tf.History) => void,
): RunEpochs {
  const logsOf = stepLogs(heads);
  const valuesAt = parameterValues(heads);
  return async (args, at, sizes, batchesOf, validate) => {
    const { epochs = 1, initialEpoch = 0 } = args;
    whole(epochs, `${at}, epochs`, 1);
    whole(initialEpoch, `${at}, initialEpoch`, 0);
    const weights = classWeightsOf(args.classWeight, at);
    const { list, history: filled } = callbacksOf(model, args.callbacks, args.yieldEvery, {
      epochs,
      initialEpoch,
      ...(sizes.samples !== null && { samples: sizes.samples }),
      ...(sizes.steps !== null && { steps: sizes.steps }),
      ...(sizes.batchSize !== null && { batchSize: sizes.batchSize }),
      verbose: 0,
      doValidation: validate !== null,
      metrics: logNames(heads).flatMap((name) => (validate === null ? [name] : [name, `val_${name}`])),
    });
    onHistory(filled);
    model.stopTraining = false;
    await list.onTrainBegin();
    for (let epoch = initialEpoch; epoch < epochs && !model.stopTraining; epoch++) {
      await list.onEpochBegin(epoch);
      const tally = tallyOf(heads);
      let skipped = 0;
      let last = clock.step;
      let count = 0;
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
          count++;
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
      // An epoch that has not begun has no loss.
      if (count === 0) {
        if (!model.stopTraining) throw new LossError(at, "there is no batch", "Give a dataset that has some");
        break;
      }
      const validation = validate === null ? {} : await validate();
      await list.onEpochEnd(epoch, {
        // Where every step was skipped the history keeps its place.
        ...(tally.batches > 0 ? tally.logs() : Object.fromEntries(logNames(heads).map((name) => [name, Number.NaN]))),
        ...(await valuesAt(last)),
        ...(skipped > 0 && { skipped }),
        ...Object.fromEntries(Object.entries(validation).map(([name, value]) => [`val_${name}`, value])),
      });
    }
    await list.onTrainEnd();
    return filled;
  };
}
