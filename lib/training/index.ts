/**
 * Training with composed losses: steps for loops by hand.
 *
 * @module
 */
export {
  type AccumulatedGradients,
  type AccumulateGradients,
  type AccumulateOptions,
  accumulateGradients,
} from "./accumulateGradients.ts";
export type { Measure, Metric } from "./metric.ts";
export { effectiveTokens } from "./metrics/effectiveTokens.ts";
export { perplexity } from "./metrics/perplexity.ts";
export { type TokenAccuracyOptions, tokenAccuracy } from "./metrics/tokenAccuracy.ts";
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
