/** Wrong input to losses over values, and what the LossError says of it. */
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  binaryCrossEntropy,
  binaryFocal,
  classWeights,
  cosineSimilarity,
  crossEntropy,
  dice,
  dpo,
  focal,
  freqWeights,
  fromCounts,
  huber,
  ignoreIndex,
  jaccard,
  kto,
  labelSmoothing,
  language,
  linear,
  meanSquaredError,
  type PlainValuesBatch,
  pipe,
  quantile,
  simPO,
  tripletMargin,
  tversky,
  type ValuesBatch,
} from "lossmith";
import { anything, apply, type WrongInput } from "./wrongInput.ts";

const { lossOf, lossOfValues, modulate, multiply, nll, overColumns, prediction, probability } = language;

/** What is refused when it is composed, and parts of the message. */
export const badValueParameters: readonly WrongInput[] = [
  ["delta 0", () => huber({ delta: 0 }), "huber({ delta })", "got 0"],
  ["delta as the argument", () => huber(anything(1)), "huber", "got 1", "{ delta }"],
  ["quantile above 1", () => quantile(1.5), "quantile(tau)", "1.5", "from 0 to 1"],
  [
    "binary loss of what",
    () => binaryCrossEntropy(anything({})),
    "binaryCrossEntropy({ from })",
    "undefined",
    "logits",
  ],
  ["binary loss without options", () => binaryCrossEntropy(anything(undefined)), "undefined", '{ from: "logits" }'],
  ["binary loss misspelt", () => binaryFocal({ from: anything("logit") }), "binaryFocal({ from })", "logit"],
  ["gamma negative", () => binaryFocal({ from: "logits", gamma: -1 }), "binaryFocal({ gamma })", "-1", "at least 0"],
  ["alpha above 1", () => binaryFocal({ from: "logits", alpha: 2 }), "binaryFocal({ alpha })", "2", "from 0 to 1"],
  [
    "smoothing above 1",
    () => binaryCrossEntropy({ from: "logits", labelSmoothing: 2 }),
    "binaryCrossEntropy({ labelSmoothing })",
    "2",
  ],
  ["Tversky without options", () => tversky(anything(undefined)), "tversky", "{ alpha, beta }"],
  ["Tversky without beta", () => tversky(anything({ alpha: 1 })), "tversky({ beta })", "undefined"],
  ["smooth negative", () => dice({ smooth: -1 }), "dice({ smooth })", "-1"],
  ["smooth as the argument", () => jaccard(anything(1)), "jaccard", "got 1", "{ smooth }"],
  ["triplet norm below 1", () => tripletMargin({ p: 0.5 }), "tripletMargin({ p })", "0.5"],
  ["DPO's beta 0", () => dpo({ beta: 0 }), "dpo({ beta })", "got 0"],
  ["preference smoothing above ½", () => simPO({ labelSmoothing: 0.6 }), "simPO({ labelSmoothing })", "from 0 to 0.5"],
  ["KTO's weight negative", () => kto({ undesirableWeight: -1 }), "kto({ undesirableWeight })", "-1"],
  ["columns without names", () => language.namedColumns(), "namedColumns(names)", "a name for each part"],
  ["parts without a name", () => language.equalParts("first", anything(2)), "equalParts(names)", "first"],
  ["aggregate misspelt", () => overColumns(anything("average"), prediction), "overColumns", "average", '"mean"'],
];

/** Compositions of the two inputs, with the static types forgotten. */
export const mixedInputs: readonly WrongInput[] = [
  ["weights by frequency of values", () => apply(freqWeights(fromCounts([1, 2])), meanSquaredError), "no classes"],
  ["class weights of values", () => apply(classWeights([1, 2]), meanSquaredError), "classWeights", "no classes"],
  ["label smoothing of values", () => apply(labelSmoothing(0.1), meanSquaredError), "labelSmoothing", "no classes"],
  ["focal of values", () => apply(focal({ gamma: 2 }), meanSquaredError), "focal", "no classes"],
  ["ignoreIndex of values", () => apply(ignoreIndex(0), meanSquaredError), "ignoreIndex", "no classes"],
  [
    "values added to logits",
    () => apply(add(meanSquaredError), crossEntropy),
    "add(other)",
    "over values",
    "over logits",
  ],
  ["logits added to values", () => apply(add(crossEntropy), meanSquaredError), "add(other)", "no batch fits both"],
  [
    "a modulator that reads probabilities, of values",
    () =>
      apply(
        modulate("dft", (loss) => multiply(probability, loss)),
        meanSquaredError,
      ),
    "dft",
    "logOdds of the logits",
    "overColumns",
  ],
  [
    "a modulator that reads values, of logits",
    () =>
      apply(
        modulate("mine", (loss) => multiply(overColumns("sum", prediction), loss)),
        crossEntropy,
      ),
    "mine",
    "values in a loss over logits",
  ],
  ["a loss over values of logits", () => lossOfValues(nll), "lossOfValues", "nll of the logits"],
  ["a loss over logits of values", () => lossOf(overColumns("sum", prediction)), "lossOf(value)", "lossOfValues"],
];

export interface BadValues {
  readonly name: string;
  readonly loss: AnyLoss;
  readonly batch: PlainValuesBatch;
  readonly parts: readonly string[];
}

const good: PlainValuesBatch = {
  predictions: [
    [1, 2, 3],
    [4, 5, 6],
  ],
  targets: [
    [1, 2, 3],
    [0, 0, 0],
  ],
};
const scheduled = huber({ delta: linear({ init: 1, end: 2, steps: 10 }) });

export const badValues: readonly BadValues[] = [
  {
    name: "targets that would have to be stretched",
    loss: meanSquaredError,
    batch: { ...good, targets: [[1], [0]] },
    parts: ["targets", "[2, 1]", "predictions of shape [2, 3]", "[2, 3]"],
  },
  {
    name: "targets of another rank",
    loss: meanSquaredError,
    batch: { ...good, targets: [1, 0] },
    parts: ["targets", "[2]", "[2, 3]"],
  },
  {
    name: "no targets",
    loss: meanSquaredError,
    batch: anything({ predictions: [[1]] }),
    parts: ["targets", "undefined"],
  },
  {
    name: "ragged targets",
    loss: meanSquaredError,
    batch: { ...good, targets: [[1, 2, 3], [1]] },
    parts: ["targets", "ragged"],
  },
  {
    name: "a mask for each number",
    loss: meanSquaredError,
    batch: {
      ...good,
      mask: [
        [true, false, true],
        [true, true, true],
      ],
    },
    parts: ["mask", "[2, 3]", "predictions of shape [2, 3]", "row of the predictions: shape [2]"],
  },
  {
    name: "a negative sample weight",
    loss: meanSquaredError,
    batch: { ...good, sampleWeight: [1, -1] },
    parts: ["sampleWeight", "row 1", "-1"],
  },
  { name: "no step", loss: scheduled, batch: good, parts: ["step", "schedule"] },
  {
    name: "a schedule that leaves its bounds",
    loss: huber({ delta: linear({ init: 1, end: 0, steps: 10 }) }),
    batch: { ...good, step: 10 },
    parts: ["huber({ delta })", "got 0"],
  },
  {
    name: "an input that is missing",
    loss: pipe(
      meanSquaredError,
      modulate("weighted", (loss) => multiply(language.input("x"), loss)),
    ),
    batch: good,
    parts: ["inputs", '"x"'],
  },
  {
    name: "columns to compare, and no last axis",
    loss: cosineSimilarity,
    batch: { predictions: [1, 2, 3], targets: [1, 2, 3] },
    parts: ["predictions", "[3]", "[1, 3]", "[3, 1]"],
  },
  {
    name: "columns that are no pair",
    loss: dpo(),
    batch: good,
    parts: ["predictions", "[2, 3]", "2 columns: chosen, rejected", "[..., 2]"],
  },
  {
    name: "columns that are not three vectors",
    loss: tripletMargin(),
    batch: { predictions: [[1, 2]], targets: [[1, 2]] },
    parts: ["predictions", "[1, 2]", "3 parts of a row", "[..., 3 · D]"],
  },
  {
    name: "a single number",
    loss: meanSquaredError,
    batch: { predictions: 1, targets: 1 },
    parts: ["predictions", "[]"],
  },
  {
    name: "a batch of logits",
    loss: meanSquaredError,
    batch: anything({ logits: [[1, 2]], labels: [0] }),
    parts: ["batch", "logits", "over values", "{ predictions, targets }"],
  },
];

/** Batches of values for a loss over logits. */
export const valuesForLogits: readonly [AnyLoss, PlainValuesBatch, ...string[]] = [
  crossEntropy,
  good,
  "predictions",
  "over logits",
  "{ logits, labels }",
];

const x = (): tf.Tensor => tf.ones([2, 3]);

/** What only a compiled loss can be given; the tensors are made anew each time. */
export const badValueTensors: readonly (readonly [string, () => ValuesBatch, ...string[]])[] = [
  ["predictions as arrays", () => ({ predictions: anything([[1]]), targets: [[1]] }), "predictions", "evaluate"],
  [
    "int32 predictions",
    () => ({ predictions: tf.ones([2, 3], "int32"), targets: tf.ones([2, 3]) }),
    "predictions",
    "int32",
    "float32",
  ],
  ["predictions without columns", () => ({ predictions: tf.zeros([2, 0]), targets: tf.zeros([2, 0]) }), "[2, 0]"],
  [
    "too few targets in a typed array",
    () => ({ predictions: x(), targets: new Float32Array(5) }),
    "5 numbers",
    "Give 6",
  ],
  ["targets of text", () => ({ predictions: x(), targets: tf.tensor([["a"]]) }), "targets", "string"],
  [
    "targets of BigInt",
    () => ({ predictions: x(), targets: anything(new BigInt64Array(6)) }),
    "targets",
    "BigInt64Array",
    "a typed array",
  ],
  ["a function for targets", () => ({ predictions: x(), targets: anything(x) }), "targets", "a function"],
  ["targets of another shape", () => ({ predictions: x(), targets: tf.ones([3, 2]) }), "targets", "[3, 2]", "[2, 3]"],
  [
    "too short a typed mask",
    () => ({ predictions: x(), targets: x(), mask: new Uint8Array(1) }),
    "mask",
    "1 values beside predictions of shape [2, 3]",
  ],
  ["no batch", () => anything(undefined), "batch", "{ predictions, targets }"],
];
