/**
 * lossmith: a functional language of composable losses for TensorFlow.js.
 *
 * @module
 */
export { flow, pipe } from "fp-ts/lib/function.js";
export type { Batch, IntegerArray, RowEntries } from "./lib/compiler/batch.ts";
export {
  type Batches,
  type CompiledLoss,
  type CompileOptions,
  compile,
  compileEither,
} from "./lib/compiler/compile.ts";
export { type ExplainOptions, explain } from "./lib/compiler/explain.ts";
export { type Parts, partsSemigroup } from "./lib/compiler/parts.ts";
export type { ValuesBatch } from "./lib/compiler/valuesBatch.ts";
export { addK } from "./lib/frequency/addK.ts";
export { type CountTokensOptions, countTokens } from "./lib/frequency/countTokens.ts";
export { effectiveSampleSize } from "./lib/frequency/effectiveSampleSize.ts";
export { type Frequencies, fromCounts, mergeCounts } from "./lib/frequency/frequencies.ts";
export { add } from "./lib/library/add.ts";
export type { BinaryForm } from "./lib/library/binary.ts";
export { type BinaryCrossEntropyOptions, binaryCrossEntropy } from "./lib/library/binaryCrossEntropy.ts";
export { type BinaryFocalOptions, binaryFocal } from "./lib/library/binaryFocal.ts";
export { categoricalHinge } from "./lib/library/categoricalHinge.ts";
export { classBalanced } from "./lib/library/classBalanced.ts";
export { type ClassWeightsOptions, classWeights } from "./lib/library/classWeights.ts";
export { clip } from "./lib/library/clip.ts";
export { confidencePenalty } from "./lib/library/confidencePenalty.ts";
export { constant } from "./lib/library/constant.ts";
export { type CosineOptions, cosine } from "./lib/library/cosine.ts";
export { cosineSimilarity } from "./lib/library/cosineSimilarity.ts";
export { crossEntropy } from "./lib/library/crossEntropy.ts";
export { dice, type OverlapOptions } from "./lib/library/dice.ts";
export { type DistillationOptions, distillation } from "./lib/library/distillation.ts";
export { type ExponentialOptions, exponential } from "./lib/library/exponential.ts";
export { exponentialDecay } from "./lib/library/exponentialDecay.ts";
export { type FocalOptions, focal } from "./lib/library/focal.ts";
export { type FreqWeightsOptions, freqWeights } from "./lib/library/freqWeights.ts";
export { fromFunction } from "./lib/library/fromFunction.ts";
export { hinge } from "./lib/library/hinge.ts";
export { type HuberOptions, huber } from "./lib/library/huber.ts";
export { ignoreIndex } from "./lib/library/ignoreIndex.ts";
export { jaccard } from "./lib/library/jaccard.ts";
export { join } from "./lib/library/join.ts";
export { klDivergenceOfProbabilities } from "./lib/library/klDivergenceOfProbabilities.ts";
export { labelSmoothing } from "./lib/library/labelSmoothing.ts";
export { type LinearOptions, linear } from "./lib/library/linear.ts";
export { logCosh } from "./lib/library/logCosh.ts";
export { logitAdjustment } from "./lib/library/logitAdjustment.ts";
export { meanAbsoluteError } from "./lib/library/meanAbsoluteError.ts";
export { meanSquaredError } from "./lib/library/meanSquaredError.ts";
export { normalise } from "./lib/library/normalise.ts";
export { override } from "./lib/library/override.ts";
export { piecewiseConstant } from "./lib/library/piecewiseConstant.ts";
export { poisson } from "./lib/library/poisson.ts";
export { poly } from "./lib/library/poly.ts";
export { type PolynomialOptions, polynomial } from "./lib/library/polynomial.ts";
export { type PowerLawOptions, powerLaw } from "./lib/library/powerLaw.ts";
export { quantile } from "./lib/library/quantile.ts";
export { ramp } from "./lib/library/ramp.ts";
export { mean, perToken, sum, weightedMean } from "./lib/library/reductions.ts";
export { scale } from "./lib/library/scale.ts";
export { softcap } from "./lib/library/softcap.ts";
export { squaredHinge } from "./lib/library/squaredHinge.ts";
export { temperature } from "./lib/library/temperature.ts";
export { type TverskyOptions, tversky } from "./lib/library/tversky.ts";
export { type WarmupCosineOptions, warmupCosine } from "./lib/library/warmupCosine.ts";
export { zLoss } from "./lib/library/zLoss.ts";
export type { Nested } from "./lib/loss/batch.ts";
export {
  type AnyCombinator,
  type Attach,
  type Combinator,
  type Composed,
  compose,
  type Keep,
  type LawCombinator,
  type Reduce,
  type ReducePerToken,
  type Whole,
} from "./lib/loss/combinator.ts";
export { LossError } from "./lib/loss/error.ts";
export type { Field, FieldSource, Law } from "./lib/loss/field.ts";
export { lawMonoid, lossEq, lossMonoid, lossShow, scheduleRing } from "./lib/loss/instances.ts";
export * as language from "./lib/loss/language.ts";
export type { AnyLoss, Input, Kind, Loss, Open, Reduction, Term } from "./lib/loss/loss.ts";
export { type ParameterAtom, parameter, type Trainable } from "./lib/loss/parameter.ts";
export { addSchedules, at, multiplySchedules, type Numeric, type Schedule } from "./lib/loss/schedule.ts";
export { show } from "./lib/loss/show.ts";
export { evaluate, evaluateGradient } from "./lib/reference/evaluate.ts";
export type { PlainBatch, PlainBatches, PlainEntries, PlainValuesBatch } from "./lib/reference/plainBatch.ts";
export {
  type Adapter,
  type BackendName,
  type BackendOptions,
  type BackendReport,
  disposeBackend,
  type PassedOver,
  useBackend,
} from "./lib/runtime/index.ts";
