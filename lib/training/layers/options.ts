/** What `withLoss` and its loops are told. */
import type * as tf from "@tensorflow/tfjs";
import type { Numeric } from "../../loss/schedule.ts";
import type { Metric } from "../metric.ts";
import type { StepOptions } from "../stepper.ts";
import type { BatchDataset } from "./batches.ts";
import type { Callbacks, YieldEvery } from "./callbacks.ts";
import type { ClassWeight, RowData } from "./feed.ts";
import type { PerName } from "./perOutput.ts";

/** How a model is trained with a loss. With several outputs, what is of an output is given by its name, or in an array. */
export interface WithLossOptions extends StepOptions {
  /** What the loss of each output is multiplied by in the total; 1 by default. Numbers or schedules. */
  readonly lossWeights?: PerName<Numeric>;
  /** What is measured beside the loss; for each output, or the same for all. */
  readonly metrics?: readonly Metric[] | Readonly<Record<string, readonly Metric[]>>;
  /** Names for the terms of a loss, in the order in which they were added; each then has its value in logs and history. */
  readonly terms?: readonly string[] | Readonly<Record<string, readonly string[]>>;
}

/** What `fit` and `fitDataset` have in common; as in TensorFlow.js where it has them. */
export interface FitOptions {
  /** The epoch before which training ends, 1 by default. */
  readonly epochs?: number;
  /** The first epoch, 0 by default: what to give when training goes on. */
  readonly initialEpoch?: number;
  /** Callbacks of TensorFlow.js, such as `tf.callbacks.earlyStopping()`, or objects of functions. */
  readonly callbacks?: Callbacks;
  /** How often the loop waits for the next frame: "auto" by default. */
  readonly yieldEvery?: YieldEvery;
  /** Weights of classes while training, by class; with several outputs by output first. As sample weights, which they multiply. */
  readonly classWeight?: ClassWeight | Readonly<Record<string, ClassWeight>>;
  /**
   * Of how many micro-batches a step is made, 1 by default: `fit` cuts each batch into as many, `fitDataset` reads as many batches a
   * step. The gradient is that of the whole batch.
   */
  readonly accumulate?: number;
}

/** Options of `fit`. */
export interface FitArgs extends FitOptions, RowData {
  /** Examples in a step, 32 by default. */
  readonly batchSize?: number;
  /** The share of the examples, the last ones, that are kept for validation: above 0, below 1. */
  readonly validationSplit?: number;
  /** x, y and, if there are, sample weights. */
  readonly validationData?:
    | readonly [PerName<tf.Tensor>, PerName<tf.Tensor>]
    | readonly [PerName<tf.Tensor>, PerName<tf.Tensor>, PerName<tf.Tensor>];
  /** Whether each epoch has an order of its own; true by default. */
  readonly shuffle?: boolean;
  /** A seed for the orders of the epochs, so that training that goes on sees the same batches; Math.random by default. */
  readonly seed?: number;
  /** At most so many steps an epoch. */
  readonly stepsPerEpoch?: number;
}

/** Options of `fitDataset`. */
export interface FitDatasetArgs extends FitOptions {
  /** Batches an epoch; the next one goes on where it ended. By default an epoch is the whole dataset. */
  readonly batchesPerEpoch?: number;
  /** A dataset, or [x, y] or [x, y, sampleWeight]. */
  readonly validationData?: BatchDataset | NonNullable<FitArgs["validationData"]>;
  readonly validationBatchSize?: number;
  readonly validationBatches?: number;
}

/** Options of `evaluate`. */
export interface EvaluateArgs extends RowData {
  /** Examples that are worked on at once, 32 by default. The result does not depend on it. */
  readonly batchSize?: number;
  readonly classWeight?: FitOptions["classWeight"];
}

/** Options of `evaluateDataset`. */
export interface EvaluateDatasetArgs {
  /** At most so many batches. */
  readonly batches?: number;
  readonly classWeight?: FitOptions["classWeight"];
}
