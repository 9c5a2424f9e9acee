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
export {
  type ContrastiveBatch,
  type ContrastiveOptions,
  contrastivePairs,
  contrastiveViews,
} from "./lib/compiler/contrastive.ts";
export type { TermValues } from "./lib/compiler/execute.ts";
export { type ExplainOptions, explain } from "./lib/compiler/explain.ts";
export {
  type CompiledLinearLoss,
  type CompileLinearOptions,
  compileLinear,
} from "./lib/compiler/linear/compileLinear.ts";
export type { LinearSizes } from "./lib/compiler/linear/explainLinear.ts";
export type { KernelShape, LinearLayer, LinearPart } from "./lib/compiler/linear/layer.ts";
export type { LinearBatch } from "./lib/compiler/linear/linearBatch.ts";
export type { SparseLabels } from "./lib/compiler/linear/sparseLabels.ts";
export type { LinearTileOptions } from "./lib/compiler/linear/tileSizes.ts";
export { type Parts, partsSemigroup } from "./lib/compiler/parts.ts";
export {
  type PairOfResponses,
  type PreferenceBatch,
  type PreferencePairs,
  preferencePairs,
  type RatedBatch,
  type ResponsesToRate,
  type UnpairedPreferences,
  unpairedPreferences,
} from "./lib/compiler/preferences.ts";
export {
  type SequenceLogProbabilities,
  type SequenceLogProbabilitiesOptions,
  sequenceLogProbabilities,
} from "./lib/compiler/sequenceLogProbabilities.ts";
export { type TripletBatch, triplets } from "./lib/compiler/triplets.ts";
export type { ValuesBatch } from "./lib/compiler/valuesBatch.ts";
export { type TermNumbers, type WatchedLoss, watchTerms } from "./lib/compiler/watchTerms.ts";
export { type AbsoluteDiscountingOptions, absoluteDiscounting } from "./lib/frequency/absoluteDiscounting.ts";
export { addK } from "./lib/frequency/addK.ts";
export { countContinuations } from "./lib/frequency/countContinuations.ts";
export { type CountTokensOptions, countTokens } from "./lib/frequency/countTokens.ts";
export { type DecayedCounts, type DecayedCountsOptions, decayedCounts } from "./lib/frequency/decayedCounts.ts";
export { effectiveSampleSize } from "./lib/frequency/effectiveSampleSize.ts";
export { floor } from "./lib/frequency/floor.ts";
export { type Frequencies, fromCounts } from "./lib/frequency/frequencies.ts";
export { type GoodTuringOptions, goodTuring } from "./lib/frequency/goodTuring.ts";
export { type JelinekMercerOptions, jelinekMercer } from "./lib/frequency/jelinekMercer.ts";
export { type KneserNeyOptions, kneserNey } from "./lib/frequency/kneserNey.ts";
export { mergeCounts } from "./lib/frequency/mergeCounts.ts";
export type { Changing } from "./lib/json/changing.ts";
export { changingOf } from "./lib/json/changingOf.ts";
export type { JSONValue } from "./lib/json/codec.ts";
export type { JSONObject } from "./lib/json/document.ts";
export { fieldFromJSON, fieldToJSON } from "./lib/json/fieldJSON.ts";
export { lawFromJSON, lawToJSON } from "./lib/json/lawJSON.ts";
export { type ExpectedLoss, lossFromJSON, lossToJSON } from "./lib/json/lossJSON.ts";
export { scheduleFromJSON, scheduleToJSON } from "./lib/json/scheduleJSON.ts";
export { add } from "./lib/library/add.ts";
export { balanced } from "./lib/library/balanced.ts";
export { balancedSoftmax } from "./lib/library/balancedSoftmax.ts";
export type { BinaryForm } from "./lib/library/binary.ts";
export { type BinaryCrossEntropyOptions, binaryCrossEntropy } from "./lib/library/binaryCrossEntropy.ts";
export { type BinaryFocalOptions, binaryFocal } from "./lib/library/binaryFocal.ts";
export { categoricalHinge } from "./lib/library/categoricalHinge.ts";
export { clamp } from "./lib/library/clamp.ts";
export { classBalanced } from "./lib/library/classBalanced.ts";
export { type ClassWeightsOptions, classWeights } from "./lib/library/classWeights.ts";
export { clip } from "./lib/library/clip.ts";
export { confidencePenalty } from "./lib/library/confidencePenalty.ts";
export { constant } from "./lib/library/constant.ts";
export { type CosineOptions, cosine } from "./lib/library/cosine.ts";
export { cosineOneCycle } from "./lib/library/cosineOneCycle.ts";
export { cosineSimilarity } from "./lib/library/cosineSimilarity.ts";
export { crossEntropy } from "./lib/library/crossEntropy.ts";
export { type CyclicalOptions, cyclical, type RampShape } from "./lib/library/cyclical.ts";
export { delay } from "./lib/library/delay.ts";
export { dft } from "./lib/library/dft.ts";
export { dice, type OverlapOptions } from "./lib/library/dice.ts";
export { type DistillationOptions, distillation } from "./lib/library/distillation.ts";
export { type DpoOptions, dpo } from "./lib/library/dpo.ts";
export { type EaftOptions, eaft } from "./lib/library/eaft.ts";
export { type EntmaxOptions, entmax } from "./lib/library/entmax.ts";
export { type ExponentialOptions, exponential } from "./lib/library/exponential.ts";
export { exponentialDecay } from "./lib/library/exponentialDecay.ts";
export { face } from "./lib/library/face.ts";
export { type FocalOptions, focal } from "./lib/library/focal.ts";
export { type FreqWeightsOptions, freqWeights } from "./lib/library/freqWeights.ts";
export { fromFunction } from "./lib/library/fromFunction.ts";
export { fromProbabilities } from "./lib/library/fromProbabilities.ts";
export {
  type GeneralisedCrossEntropyOptions,
  generalisedCrossEntropy,
} from "./lib/library/generalisedCrossEntropy.ts";
export { type GloveOptions, glove } from "./lib/library/glove.ts";
export { hinge } from "./lib/library/hinge.ts";
export { type HuberOptions, huber } from "./lib/library/huber.ts";
export { type IdfOptions, idf } from "./lib/library/idf.ts";
export { ignoreIndex } from "./lib/library/ignoreIndex.ts";
export { type InfoNCEOptions, infoNCE } from "./lib/library/infoNCE.ts";
export type { Interpolation } from "./lib/library/interpolate.ts";
export { inverseFrequency } from "./lib/library/inverseFrequency.ts";
export { type InverseSqrtOptions, inverseSqrt } from "./lib/library/inverseSqrt.ts";
export { type InverseTimeOptions, inverseTime } from "./lib/library/inverseTime.ts";
export { type IpoOptions, ipo } from "./lib/library/ipo.ts";
export { jaccard } from "./lib/library/jaccard.ts";
export { join } from "./lib/library/join.ts";
export { keepProbability } from "./lib/library/keepProbability.ts";
export { klDivergence } from "./lib/library/klDivergence.ts";
export { klDivergenceOfProbabilities } from "./lib/library/klDivergenceOfProbabilities.ts";
export { type KtoOptions, kto } from "./lib/library/kto.ts";
export { type LabelSmoothingOptions, labelSmoothing } from "./lib/library/labelSmoothing.ts";
export { type LdamOptions, ldam } from "./lib/library/ldam.ts";
export { type LinearOptions, linear } from "./lib/library/linear.ts";
export { type LinearOneCycleOptions, linearOneCycle } from "./lib/library/linearOneCycle.ts";
export { logarithmic } from "./lib/library/logarithmic.ts";
export { logCosh } from "./lib/library/logCosh.ts";
export { logitAdjustment } from "./lib/library/logitAdjustment.ts";
export { meanAbsoluteError } from "./lib/library/meanAbsoluteError.ts";
export { meanSquaredError } from "./lib/library/meanSquaredError.ts";
export { type MileOptions, mile } from "./lib/library/mile.ts";
export { mixCE } from "./lib/library/mixCE.ts";
export { type MovingAverage, type MovingAverageOptions, movingAverage } from "./lib/library/movingAverage.ts";
export { named } from "./lib/library/named.ts";
export { normalise } from "./lib/library/normalise.ts";
export type { OneCycleOptions } from "./lib/library/oneCycle.ts";
export { type OrpoOptions, orpo } from "./lib/library/orpo.ts";
export { override } from "./lib/library/override.ts";
export { piecewiseConstant } from "./lib/library/piecewiseConstant.ts";
export { piecewiseInterpolate } from "./lib/library/piecewiseInterpolate.ts";
export { poisson } from "./lib/library/poisson.ts";
export { poly } from "./lib/library/poly.ts";
export { type PolynomialOptions, polynomial } from "./lib/library/polynomial.ts";
export { type PositionWeightsOptions, positionWeights } from "./lib/library/positionWeights.ts";
export { type PowerLawOptions, powerLaw } from "./lib/library/powerLaw.ts";
export { type PromptWeightOptions, promptWeight } from "./lib/library/promptWeight.ts";
export { quantile } from "./lib/library/quantile.ts";
export { ramp } from "./lib/library/ramp.ts";
export { mean, perToken, sum, weightedMean } from "./lib/library/reductions.ts";
export { repeat } from "./lib/library/repeat.ts";
export { scale } from "./lib/library/scale.ts";
export { type ScaleGradOptions, scaleGrad } from "./lib/library/scaleGrad.ts";
export { type SequenceUnlikelihoodOptions, sequenceUnlikelihood } from "./lib/library/sequenceUnlikelihood.ts";
export { sgdr } from "./lib/library/sgdr.ts";
export { sif } from "./lib/library/sif.ts";
export { type SigmoidRampOptions, sigmoidRamp } from "./lib/library/sigmoidRamp.ts";
export { type SimPOOptions, simPO } from "./lib/library/simPO.ts";
export { softcap } from "./lib/library/softcap.ts";
export { sparsemax } from "./lib/library/sparsemax.ts";
export { squaredHinge } from "./lib/library/squaredHinge.ts";
export {
  type StretchedExponentialOptions,
  stretchedExponential,
} from "./lib/library/stretchedExponential.ts";
export { type SuperLossOptions, superLoss } from "./lib/library/superLoss.ts";
export { type SymmetricCrossEntropyOptions, symmetricCrossEntropy } from "./lib/library/symmetricCrossEntropy.ts";
export { temper } from "./lib/library/temper.ts";
export { temperature } from "./lib/library/temperature.ts";
export { type TlatOptions, tlat } from "./lib/library/tlat.ts";
export { type TokenSelectionOptions, tokenSelection } from "./lib/library/tokenSelection.ts";
export { type TripletMarginOptions, tripletMargin } from "./lib/library/tripletMargin.ts";
export { type TverskyOptions, tversky } from "./lib/library/tversky.ts";
export { uncertainty } from "./lib/library/uncertainty.ts";
export { type UnlikelihoodOptions, unlikelihood } from "./lib/library/unlikelihood.ts";
export { type WarmupCosineOptions, warmupCosine } from "./lib/library/warmupCosine.ts";
export {
  type DecayShape,
  type WarmupStableDecayOptions,
  warmupStableDecay,
} from "./lib/library/warmupStableDecay.ts";
export { type ZipfMandelbrotOptions, zipfMandelbrot } from "./lib/library/zipfMandelbrot.ts";
export { zLoss } from "./lib/library/zLoss.ts";
export type { Nested } from "./lib/loss/batch.ts";
export {
  type AnyCombinator,
  type Attach,
  type Combinator,
  type Composed,
  compose,
  type Keep,
  type KeepRows,
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
export { at, type Numeric, type Schedule } from "./lib/loss/schedule.ts";
export {
  addSchedules,
  divideSchedules,
  maxSchedules,
  minSchedules,
  multiplySchedules,
  powSchedules,
  subtractSchedules,
} from "./lib/loss/scheduleArithmetic.ts";
export { show } from "./lib/loss/show.ts";
export type { UncertaintyOptions } from "./lib/loss/uncertainty.ts";
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
