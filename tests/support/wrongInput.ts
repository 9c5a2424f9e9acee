/** Wrong input, and what the LossError says of it. */
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  addK,
  type Batch,
  balancedSoftmax,
  classWeights,
  clip,
  compile,
  cosine,
  countTokens,
  crossEntropy,
  decayedCounts,
  freqWeights,
  fromCounts,
  fromFunction,
  fromProbabilities,
  generalisedCrossEntropy,
  ignoreIndex,
  klDivergence,
  labelSmoothing,
  language,
  ldam,
  linear,
  lossFromJSON,
  lossToJSON,
  mean,
  mergeCounts,
  mile,
  mixCE,
  movingAverage,
  named,
  normalise,
  override,
  type PlainBatch,
  perToken,
  pipe,
  powerLaw,
  ramp,
  scale,
  scaleGrad,
  scheduleToJSON,
  sequenceUnlikelihood,
  sum,
  superLoss,
  symmetricCrossEntropy,
  tokenSelection,
  uncertainty,
  unlikelihood,
  watchTerms,
} from "lossmith";

export const anything = (x: unknown): never => x as never;
export const apply = (combinator: unknown, loss: unknown): unknown => (combinator as (l: unknown) => unknown)(loss);
const f = fromCounts([3, 2, 1]);

/** A name, what throws, and parts of the message. */
export type WrongInput = readonly [string, () => unknown, ...string[]];

/** What is refused when it is composed, and parts of the message. */
export const badParameters: readonly WrongInput[] = [
  ["JSON of nothing", () => lossFromJSON({}), "$.format", "undefined", "lossToJSON"],
  ["JSON of a newer version", () => lossFromJSON({ ...lossToJSON(crossEntropy), version: 9 }), "$.version", "newer"],
  ["JSON with a slip", () => lossFromJSON({ ...lossToJSON(crossEntropy), terms: [0] }), "$.terms[0]", "0", "object"],
  ["JSON of a function", () => scheduleToJSON(fromFunction(Math.sin)), "$.schedule", "fromFunction(sin)"],
  ["updates of counts", () => decayedCounts(f, { decay: 1, updates: -1 }), "updates", "-1", "at least 0"],
  ["updates of an average", () => movingAverage([1], { decay: 1, updates: 0.5 }), "updates", "0.5", "whole number"],
  ["alpha of entmaxExcess", () => language.entmaxExcess(language.constant(3)), "entmaxExcess(alpha)", "3", "to 2"],
  ["k of topEntropy", () => language.topEntropy(0), "topEntropy(k)", "0", "at least 1"],
  ["alpha NaN", () => powerLaw(Number.NaN), "powerLaw(alpha)", "NaN", "finite number"],
  ["alpha infinite", () => powerLaw(Infinity), "powerLaw(alpha)", "Infinity"],
  ["alpha text", () => powerLaw(anything("0.5")), "powerLaw(alpha)", "0.5", "schedule"],
  ["epsilon infinite", () => powerLaw(1, { epsilon: Infinity }), "epsilon", "Infinity"],
  ["epsilon negative", () => powerLaw(1, { epsilon: -1 }), "epsilon", "-1", "at least 0"],
  ["negative count", () => fromCounts([3, -2]), "id 1", "-2"],
  ["NaN count", () => fromCounts([Number.NaN]), "id 0", "NaN"],
  ["no counts", () => fromCounts([]), "fromCounts", "empty"],
  ["counts missing", () => fromCounts(anything(undefined)), "fromCounts", "undefined"],
  ["plain counts", () => freqWeights(anything([1, 2])), "fromCounts"],
  ["unseen negative", () => freqWeights(f, { unseen: -1 }), "unseen", "-1"],
  ["as misspelt", () => freqWeights(f, { as: anything("counts") }), "as", "counts", '"relative"'],
  ["relative of nothing", () => freqWeights(fromCounts([0, 0]), { as: "relative" }), "all counts are 0"],
  ["NaN weight", () => classWeights([1, Number.NaN]), "id 1", "NaN"],
  ["negative weight", () => classWeights([1, 1, -1]), "id 2", "-1"],
  ["counts of another length", () => classWeights([1, 2], { counts: [1] }), "1 counts for 2 weights"],
  ["smoothing above 1", () => labelSmoothing(1.5), "labelSmoothing(e)", "1.5", "from 0 to 1"],
  ["smoothing in no form", () => labelSmoothing(0.1, { form: anything("T5") }), "labelSmoothing({ form })", "T5"],
  ["q above 1", () => generalisedCrossEntropy({ q: 1.2 }), "generalisedCrossEntropy({ q })", "1.2", "from 0 to 1"],
  ["q without its name", () => generalisedCrossEntropy(anything(0.7)), "generalisedCrossEntropy", "0.7", "{ q }"],
  ["no coefficients", () => symmetricCrossEntropy(anything(undefined)), "symmetricCrossEntropy", "undefined"],
  ["no beta", () => symmetricCrossEntropy(anything({ alpha: 1 })), "symmetricCrossEntropy({ beta })", "undefined"],
  ["beta negative", () => symmetricCrossEntropy({ alpha: 1, beta: -1 }), "symmetricCrossEntropy({ beta })", "-1"],
  ["A positive", () => symmetricCrossEntropy({ alpha: 1, beta: 1, A: 4 }), "symmetricCrossEntropy({ A })", "4"],
  ["a mixture above 1", () => mixCE(2), "mixCE(e)", "2", "from 0 to 1"],
  ["gamma infinite", () => mile({ gamma: Infinity }), "mile({ gamma })", "Infinity"],
  ["gamma without its name", () => mile(anything(1)), "mile", "got 1", "{ gamma }"],
  ["lambda 0", () => superLoss({ lambda: 0 }), "superLoss({ lambda })", "got 0"],
  ["lambda without its name", () => superLoss(anything(1)), "superLoss", "got 1"],
  ["unlikelihood without its name", () => unlikelihood(anything(1)), "unlikelihood", "got 1", "{ weight }"],
  ["a penalty that rewards", () => unlikelihood({ weight: -1 }), "unlikelihood({ weight })", "-1"],
  ["a clamp above 1", () => unlikelihood({ clamp: 2 }), "unlikelihood({ clamp })", "2", "from 0 to 1"],
  ["candidates misspelt", () => unlikelihood({ candidates: anything("batch") }), "batch", '"earlierLabels" or "given"'],
  ["repeats of part of a token", () => sequenceUnlikelihood({ n: 1.5 }), "sequenceUnlikelihood({ n })", "1.5"],
  ["repeats of nothing", () => language.inRepeat(0), "inRepeat(length)", "got 0"],
  ["n without its name", () => sequenceUnlikelihood(anything(4)), "sequenceUnlikelihood", "got 4", "{ n }"],
  ["no gamma", () => scaleGrad(anything({})), "scaleGrad", "gamma is missing", "{ gamma: 0.5 }"],
  ["gamma 0", () => scaleGrad({ gamma: 0 }), "scaleGrad({ gamma })", "got 0"],
  ["gamma above 1", () => scaleGrad({ gamma: 1.5 }), "scaleGrad({ gamma })", "1.5"],
  ["seen misspelt", () => scaleGrad({ gamma: 1, seen: anything("all") }), "scaleGrad({ seen })", '"all"'],
  ["targets of candidates", () => language.overCandidates(language.target as never), "overCandidates", "targets"],
  ["tau misspelt", () => superLoss({ tau: anything("batchmean") }), "superLoss({ tau })", "batchmean", '"batchMean"'],
  ["tau NaN", () => superLoss({ tau: Number.NaN }), "superLoss({ tau })", "NaN"],
  ["a share of 0", () => tokenSelection(0), "tokenSelection(share)", "got 0"],
  ["a share above 1", () => tokenSelection(60), "tokenSelection(share)", "60", "to 1"],
  [
    "a reference without its name",
    () => tokenSelection(0.6, anything("base")),
    "tokenSelection",
    "base",
    "{ reference }",
  ],
  ["a reference of no name", () => tokenSelection(0.6, { reference: "" }), "input(name)", '""'],
  ["the highest none", () => language.highest(0, language.nll), "highest(share)", "got 0"],
  ["no margins", () => ldam(anything({})), "ldam({ counts })", "undefined"],
  ["no options of margins", () => ldam(anything(undefined)), "ldam", "undefined", "{ counts }"],
  ["a margin of a class never seen", () => ldam({ counts: [3, 0] }), "ldam({ counts })", "class 1", "addK(1)"],
  ["a margin below 0", () => ldam({ counts: [3, 1], maxMargin: -1 }), "ldam({ maxMargin })", "-1"],
  ["a scale of 0", () => ldam({ counts: [3, 1], scale: 0 }), "ldam({ scale })", "got 0"],
  ["plain priors", () => balancedSoftmax(anything([1, 2])), "balancedSoftmax", "fromCounts"],
  ["a prior of 0", () => balancedSoftmax(fromCounts([1, 0])), "balancedSoftmax", "class 1", "addK(1)"],
  ["smoothing of a divergence", () => pipe(klDivergence, labelSmoothing(0.1)), "labelSmoothing", "klDivergence"],
  ["a sum of a divergence", () => language.overClasses(language.target), "overClasses", "weights of its targets"],
  ["no loss of probabilities", () => fromProbabilities(anything({})), "fromProbabilities", "crossEntropy"],
  ["ramp below 0", () => ramp(-0.1), "ramp(a)", "-0.1"],
  ["clip upside down", () => clip(2, 1), "clip(lo, hi)", "lo 2 is above hi 1"],
  ["normalise misspelt", () => normalise(anything("tokenmean")), "normalise", "tokenmean"],
  ["override of a word", () => override(anything({ eot: 1 })), "override", "eot"],
  ["override negative", () => override({ 1: -1 }), "override({ 1 })", "-1"],
  ["ignoreIndex fraction", () => ignoreIndex(0.5), "ignoreIndex", "0.5"],
  ["scale NaN", () => scale(Number.NaN), "scale(factor)", "NaN"],
  ["linear without steps", () => linear(anything({ init: 0, end: 1 })), "linear({ steps })", "undefined"],
  ["cosine of no steps", () => cosine({ init: 1, steps: 0 }), "cosine({ steps })", "0"],
  ["addK negative", () => addK(-1), "addK(k)", "-1"],
  ["vocabSize missing", () => countTokens([1], anything({})), "vocabSize", "undefined"],
  ["id outside", () => countTokens([1, 7], { vocabSize: 4 }), "position 1", "7", "from 0 to 3"],
  ["id fraction", () => countTokens([0.5], { vocabSize: 4 }), "position 0", "0.5"],
  ["merging different vocabularies", () => mergeCounts(f, fromCounts([1])), "shard 1", "3 entries"],
  ["merging nothing", () => mergeCounts(), "mergeCounts"],
  ["merging what are no counts", () => mergeCounts(fromCounts([1]), {} as never), "mergeCounts"],
  ["an uncertainty without a name", () => uncertainty(""), "parameter(name)", '""'],
  ["an uncertainty from NaN", () => uncertainty("s", { init: Number.NaN }), "init", "NaN"],
  ["an uncertainty of no form", () => uncertainty("s", { form: anything("mse") }), "form", "mse", '"classification"'],
  [
    "an uncertainty's init without its name",
    () => uncertainty("s", anything(1)),
    "uncertainty",
    "got 1",
    "{ init, form }",
  ],
  ["terms without a name", () => named(""), "named(name)", '""'],
  ["a watch of no loss", () => watchTerms(anything(crossEntropy)), "watchTerms(loss)", "compile(loss)"],
  ["a watch of tokens", () => watchTerms(anything(compile(pipe(crossEntropy, perToken)))), "perToken", "withTerms"],
  ["not a loss", () => compile(anything({})), "compile", "crossEntropy"],
];

/** Orders without a meaning, with the static types forgotten. */
export const illKinded: readonly WrongInput[] = [
  ["a law without a field", () => apply(powerLaw(0.5), crossEntropy), "no weight field"],
  ["a law after a reduction", () => apply(powerLaw(0.5), pipe(crossEntropy, freqWeights(f), mean)), "already reduced"],
  ["a reduction of a reduction", () => apply(mean, mean(crossEntropy)), "already reduced, by mean"],
  ["perToken of a reduction", () => apply(perToken, mean(crossEntropy)), "already reduced"],
  ["smoothing after a reduction", () => apply(labelSmoothing(0.1), mean(crossEntropy)), "before the reduction"],
  ["a field after a reduction", () => apply(freqWeights(f), mean(crossEntropy)), "before the reduction"],
  ["the uncertainty of tokens", () => apply(uncertainty("s"), perToken(crossEntropy)), "uncertainty", "perToken"],
  ["a modulator after an uncertainty", () => apply(mixCE(0.5), uncertainty("s")(crossEntropy)), "already reduced"],
  ["perToken beside a sum", () => pipe(crossEntropy, add(pipe(crossEntropy, sum)), perToken), "one number a token"],
  ["counts that are not there", () => pipe(crossEntropy, classWeights([1, 2]), normalise("tokenMean")), "raw counts"],
  ["override outside", () => pipe(crossEntropy, freqWeights(f), override({ 3: 1 })), "id 3 is outside"],
];

/** A loss per token and a reduced one: their sum has no value. */
export const mixed = apply(add(pipe(crossEntropy, sum)), pipe(crossEntropy, perToken)) as typeof crossEntropy;

export interface BadBatch {
  readonly name: string;
  readonly loss: AnyLoss;
  readonly batch: PlainBatch;
  readonly parts: readonly string[];
  /** Whether it is seen in the logits alone: where the host cannot look at them without waiting, the second row is NaN. */
  readonly inLogits?: boolean;
}

export const good: PlainBatch = {
  logits: [
    [1, 2, 3],
    [4, 5, 6],
  ],
  labels: [0, 2],
};
const scheduled = pipe(crossEntropy, freqWeights(f), powerLaw(linear({ init: 0, end: 1, steps: 10 })));

export const badBatches: readonly BadBatch[] = [
  {
    name: "a vocabulary that does not match the field",
    loss: pipe(crossEntropy, freqWeights(fromCounts([1, 2])), powerLaw(0.5)),
    batch: good,
    parts: ["powerLaw(0.5) ∘ freqWeights", "2 entries", "3 classes", "vocabSize 3"],
  },
  {
    name: "labels of another rank",
    loss: crossEntropy,
    batch: { ...good, labels: [[0], [2]] },
    parts: ["labels", "[2, 1]", "[2, 3]", "[2]"],
  },
  {
    name: "too few labels",
    loss: crossEntropy,
    batch: { ...good, labels: [0] },
    parts: ["labels", "[1]", "shape [2]"],
  },
  {
    name: "a label above the vocabulary",
    loss: crossEntropy,
    batch: { ...good, labels: [0, 3] },
    parts: ["row 1", "3", "from 0 to 2"],
  },
  {
    name: "a negative label that is not ignored",
    loss: crossEntropy,
    batch: { ...good, labels: [-100, 0] },
    parts: ["row 0", "-100", "ignoreIndex(-100)"],
  },
  {
    name: "labels of BigInt",
    loss: crossEntropy,
    batch: { ...good, labels: anything(new BigInt64Array(2)) },
    parts: ["labels", "integer"],
  },
  {
    name: "float labels",
    loss: crossEntropy,
    batch: { ...good, labels: [0.5, 1] },
    parts: ["labels", "0.5", "integer"],
  },
  {
    name: "logits in place of probabilities",
    loss: pipe(crossEntropy, fromProbabilities),
    batch: {
      ...good,
      logits: [
        [1, 2, 3],
        [0.5, -2.5, 3],
      ],
    },
    parts: ["logits", "class 1 in row 1", "-2.5", "softmax"],
    inLogits: true,
  },
  {
    name: "candidates that are not there",
    loss: pipe(crossEntropy, unlikelihood({ candidates: "given" })),
    batch: good,
    parts: ["candidates", "has none", "[..., K]"],
  },
  {
    name: "candidates without a dimension of their own",
    loss: scaleGrad({ gamma: 0.5, seen: "given" }),
    batch: { ...good, candidates: [0, 1] },
    parts: ["candidates", "[2]", "[2, K]"],
  },
  {
    name: "a candidate above the vocabulary",
    loss: pipe(crossEntropy, unlikelihood({ candidates: "given" })),
    batch: {
      ...good,
      candidates: [
        [0, -1],
        [1, 3],
      ],
    },
    parts: ["candidates", "row 1 is 3", "from 0 to 2"],
  },
  {
    name: "soft labels for a loss that reads labels of others",
    loss: scaleGrad({ gamma: 0.5 }),
    batch: {
      ...good,
      labels: [
        [0, 1, 0],
        [1, 0, 0],
      ],
    },
    parts: ["labels", "weight for each class", "integer labels"],
  },
  { name: "ragged labels", loss: crossEntropy, batch: { ...good, labels: [[0], 2] }, parts: ["labels", "ragged"] },
  { name: "a mask of another shape", loss: crossEntropy, batch: { ...good, mask: [true] }, parts: ["mask", "[1]"] },
  {
    name: "a mask of numbers",
    loss: crossEntropy,
    batch: { ...good, mask: anything([1, 0]) },
    parts: ["mask", "booleans"],
  },
  {
    name: "negative sample weights",
    loss: crossEntropy,
    batch: { ...good, sampleWeight: [1, -1] },
    parts: ["sampleWeight", "row 1", "-1"],
  },
  {
    name: "NaN sample weights",
    loss: crossEntropy,
    batch: { ...good, sampleWeight: [Number.NaN, 1] },
    parts: ["sampleWeight", "row 0", "NaN"],
  },
  { name: "a scheduled loss without a step", loss: scheduled, batch: good, parts: ["step", "schedule"] },
  {
    name: "a step that is not a number",
    loss: scheduled,
    batch: { ...good, step: Number.NaN },
    parts: ["step", "NaN"],
  },
  {
    name: "a schedule that leaves its bounds",
    loss: pipe(crossEntropy, labelSmoothing(linear({ init: 0, end: 2, steps: 10 }))),
    batch: { ...good, step: 9 },
    parts: ["labelSmoothing(e)", "1.8", "from 0 to 1"],
  },
  {
    name: "a reference loss that is not there",
    loss: pipe(crossEntropy, tokenSelection(0.6)),
    batch: good,
    parts: ["inputs", '"reference"'],
  },
  {
    name: "a share that a schedule takes out of its bounds",
    loss: pipe(crossEntropy, tokenSelection(linear({ init: 1, end: -1, steps: 10 }), { reference: null })),
    batch: { ...good, step: 9 },
    parts: ["tokenSelection(share)", "-0.8"],
  },
  {
    name: "a law that gives infinite weights",
    loss: pipe(crossEntropy, freqWeights(fromCounts([1, 0, 1]), { unseen: "epsilon" }), powerLaw(1, { epsilon: 0 })),
    batch: good,
    parts: ["id 1", "Infinity", "powerLaw(1) ∘ freqWeights"],
  },
];

/** The logits of two rows of three classes. */
export const z = (): tf.Tensor =>
  tf.tensor2d([
    [1, 2, 3],
    [4, 5, 6],
  ]);

/** What only a compiled loss can be given, over three classes; the tensors are made anew each time. */
export const badTensors: readonly (readonly [string, () => Batch, ...string[]])[] = [
  ["logits as arrays", () => ({ logits: anything([[1, 2]]), labels: [0] }), "logits", "tensor"],
  [
    "int32 logits",
    () => ({ logits: tf.tensor2d([[1, 2]], [1, 2], "int32"), labels: [0] }),
    "logits",
    "int32",
    "float32",
  ],
  ["scalar logits", () => ({ logits: tf.scalar(1), labels: 0 }), "logits", "[]"],
  ["logits without classes", () => ({ logits: tf.zeros([2, 0]), labels: [0, 0] }), "logits", "[2, 0]"],
  ["float label tensor", () => ({ logits: z(), labels: tf.tensor1d([0, 1]) }), "labels", "float32", "int32"],
  [
    "Float32Array labels",
    () => ({ logits: z(), labels: anything(new Float32Array([0, 1])) }),
    "labels",
    "Float32Array",
  ],
  ["no labels", () => ({ logits: z(), labels: anything(undefined) }), "labels", "undefined"],
  ["one label too many", () => ({ logits: z(), labels: new Int32Array(3) }), "labels", "3 values", "2 rows"],
  ["a float mask", () => ({ logits: z(), labels: [0, 1], mask: tf.tensor1d([0, 1]) }), "mask", "float32", "bool"],
  [
    "a mask of bytes above 1",
    () => ({ logits: z(), labels: [0, 1], mask: new Uint8Array([1, 2]) }),
    "mask",
    "entry 1 is 2",
  ],
  [
    "int32 sample weights",
    () => ({ logits: z(), labels: [0, 1], sampleWeight: tf.tensor1d([0, 1], "int32") }),
    "sampleWeight",
    "int32",
  ],
  [
    "rank 3, the row by its index",
    () => ({
      logits: tf.zeros([2, 2, 3]),
      labels: [
        [0, 1],
        [7, 0],
      ],
    }),
    "row [1, 0]",
    "7",
  ],
];

/** A label out of range that the host has to read from a tensor; where it cannot without waiting, its row is NaN. */
export const labelTensorOutOfRange: readonly [string, () => Batch, ...string[]] = [
  "label tensor out of range",
  () => ({ logits: z(), labels: tf.tensor1d([0, 9], "int32") }),
  "row 1",
  "9",
];
