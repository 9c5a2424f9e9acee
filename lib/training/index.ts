/**
 * Training with composed losses: LayersModel's `fit` and its kin, and steps for loops by hand.
 *
 * @module
 */
export {
  type AccumulatedGradients,
  type AccumulateGradients,
  type AccumulateOptions,
  accumulateGradients,
} from "./accumulateGradients.ts";
export { type JSONLinesOptions, jsonLines } from "./callbacks/jsonLines.ts";
export { drawLosses, type Losses, type LossPlotOptions, lossPlot } from "./callbacks/lossPlot.ts";
export { type ProgressBarOptions, type ProgressStream, progressBar } from "./callbacks/progressBar.ts";
export type { TrainingCallback } from "./callbacks/trainingCallback.ts";
export {
  type Checkpoint,
  type CheckpointNotes,
  type CheckpointOptions,
  checkpoint,
  type LoadedCheckpoint,
} from "./checkpoint/checkpoint.ts";
export type { BatchDataset, BatchIterator, DatasetElement } from "./layers/batches.ts";
export type { Callbacks, YieldEvery } from "./layers/callbacks.ts";
export type { ClassWeight, RowData } from "./layers/feed.ts";
export { advanceClock, type LayersLoss, type LossForOptions, lossFor } from "./layers/lossFor.ts";
export type { Logs } from "./layers/modelSteps.ts";
export type {
  EvaluateArgs,
  EvaluateDatasetArgs,
  FitArgs,
  FitDatasetArgs,
  FitOptions,
  WithLossOptions,
} from "./layers/options.ts";
export type { PerName } from "./layers/perOutput.ts";
export { type LoadOptions, loadWithLoss, type SaveOptions, saveWithLoss, type TrainedLoss } from "./layers/save.ts";
export { type ModelWithLoss, withLoss } from "./layers/withLoss.ts";
export { type AppliedHead, type LinearHead, linearHead } from "./linearHead.ts";
export type { Measure, Metric } from "./metric.ts";
export { effectiveTokens } from "./metrics/effectiveTokens.ts";
export { perplexity } from "./metrics/perplexity.ts";
export { type TokenAccuracyOptions, tokenAccuracy } from "./metrics/tokenAccuracy.ts";
export {
  type DynamicWeightAverage,
  type DynamicWeightAverageOptions,
  type DynamicWeightAverageState,
  dynamicWeightAverage,
} from "./several/dynamicWeightAverage.ts";
export {
  type GradNorm,
  type GradNormOptions,
  type GradNormState,
  type GradNormStepOptions,
  gradNorm,
} from "./several/gradNorm.ts";
export { type UncertaintyWeighting, uncertaintyWeighting } from "./several/uncertaintyWeighting.ts";
export { type StepClock, stepClock } from "./stepClock.ts";
export type { StepOptions } from "./stepper.ts";
export {
  type StepResult,
  type TrainBatch,
  type TrainEntries,
  type TrainStep,
  type TrainStepOptions,
  trainStep,
} from "./trainStep.ts";
