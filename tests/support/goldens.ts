/** Published numbers, and numbers reproduced with PyTorch and optax. */
import {
  type AnyLoss,
  binaryCrossEntropy,
  binaryFocal,
  classWeights,
  confidencePenalty,
  cosineSimilarity,
  crossEntropy,
  dft,
  dice,
  focal,
  freqWeights,
  fromCounts,
  fromProbabilities,
  huber,
  ignoreIndex,
  labelSmoothing,
  logCosh,
  mean,
  type PlainBatch,
  type PlainValuesBatch,
  perToken,
  pipe,
  poly,
  powerLaw,
  sum,
  weightedMean,
} from "lossmith";

export interface Golden {
  readonly name: string;
  readonly loss: AnyLoss;
  readonly batch: PlainBatch | PlainValuesBatch;
  readonly expected: readonly number[];
  /** Half a unit in the last published digit. */
  readonly within: number;
}

const keras = {
  logits: [
    [0.2, 0.3, 0.5],
    [0.5, 0.2, 0.3],
  ],
  labels: [2, 1],
};
const probabilities = {
  logits: [
    [0.05, 0.95, 0],
    [0.1, 0.8, 0.1],
  ],
  labels: [1, 2],
};
const fiveClasses = { logits: [[0.14, 1.456, 2.356, -0.124, -2.47]], labels: [[0.1, 0.15, 0.2, 0.25, 0.3]] };
const diagonal = {
  logits: [
    [8, 1, 1],
    [0, 9, 1],
    [2, 3, 5],
  ],
  labels: [0, 1, 2],
};
const shared = {
  logits: [
    [2, 1, 0.1],
    [0.5, 2.5, 0.3],
    [1, 1, 1],
  ],
  labels: [0, 1, 2],
};
const confidentlyWrong = {
  logits: [
    [-100, 100],
    [-100, 100],
  ],
  labels: [0, 1],
};
const binary = {
  predictions: [
    [-18.6, 0.51],
    [2.94, -12.8],
  ],
  targets: [
    [0, 1],
    [0, 0],
  ],
};
const unsure = {
  predictions: [
    [0.6, 0.4],
    [0.4, 0.6],
  ],
  targets: [
    [0, 1],
    [0, 0],
  ],
};
const weighted = pipe(crossEntropy, classWeights([2, 4, 6]));
const pdl = (alpha: number) => pipe(crossEntropy, freqWeights(fromCounts([100, 10, 1])), powerLaw(alpha));

export const goldens: readonly Golden[] = [
  {
    name: "1: class weights, none",
    loss: pipe(weighted, perToken),
    batch: keras,
    expected: [5.639, 4.9593],
    within: 5e-5,
  },
  { name: "1: class weights, sum", loss: pipe(weighted, sum), batch: keras, expected: [10.5983], within: 5e-5 },
  {
    name: "1: class weights, weighted mean",
    loss: pipe(weighted, weightedMean),
    batch: keras,
    expected: [1.0598],
    within: 5e-5,
  },
  {
    name: "2: confidently wrong, none",
    loss: pipe(crossEntropy, classWeights([20, 10]), perToken),
    batch: confidentlyWrong,
    expected: [4000, 0],
    within: 1e-3,
  },
  {
    name: "2: confidently wrong, weighted mean",
    loss: pipe(crossEntropy, classWeights([20, 10])),
    batch: confidentlyWrong,
    expected: [133.3333],
    within: 5e-5,
  },
  {
    name: "3: none",
    loss: pipe(crossEntropy, perToken),
    batch: {
      logits: [
        [1.2, -0.8, -0.5],
        [0.9, -1.2, 1.1],
      ],
      labels: [0, 1],
    },
    expected: [0.2761, 2.9518],
    within: 5e-5,
  },
  {
    name: "4: none",
    loss: pipe(crossEntropy, perToken),
    batch: {
      logits: [
        [10, 1, -2],
        [1, 4, 0.2],
      ],
      labels: [1, 0],
    },
    expected: [9.00013, 3.0696733],
    within: 5e-6,
  },
  { name: "5: poly 2", loss: pipe(crossEntropy, poly(2)), batch: fiveClasses, expected: [4.5317], within: 5e-5 },
  { name: "5: poly 0", loss: pipe(crossEntropy, poly(0)), batch: fiveClasses, expected: [2.899], within: 5e-5 },
  {
    name: "7: probabilities, none",
    loss: pipe(crossEntropy, fromProbabilities, perToken),
    batch: probabilities,
    expected: [51.3, 2303].map((x) => x / 1000),
    within: 5e-4,
  },
  {
    name: "7: probabilities, mean",
    loss: pipe(crossEntropy, fromProbabilities),
    batch: probabilities,
    expected: [1.177],
    within: 5e-4,
  },
  {
    name: "7: probabilities, sample weights",
    loss: pipe(crossEntropy, fromProbabilities, mean),
    batch: { ...probabilities, sampleWeight: [0.3, 0.7] },
    expected: [0.814],
    within: 5e-4,
  },
  {
    name: "7: probabilities, sum",
    loss: pipe(crossEntropy, fromProbabilities, sum),
    batch: probabilities,
    expected: [2.354],
    within: 5e-4,
  },
  {
    name: "9: none",
    loss: pipe(crossEntropy, perToken),
    batch: diagonal,
    expected: [0.001822, 0.000459, 0.169846],
    within: 5e-7,
  },
  // Published as .0573, which is .0573756 cut off.
  { name: "9: mean", loss: pipe(crossEntropy, mean), batch: diagonal, expected: [0.0573756], within: 5e-7 },
  {
    name: "10: smoothing of a confident row",
    loss: pipe(crossEntropy, labelSmoothing(0.1)),
    batch: { logits: [[100, -100, -100]], labels: [0] },
    expected: [13.3333],
    within: 5e-5,
  },
  {
    name: "11: an ignored label",
    loss: pipe(crossEntropy, ignoreIndex(-1), perToken),
    batch: {
      logits: [
        [0.854, 0.698, 0.598],
        [0.088, 0.86, 0.018],
      ],
      labels: [-1, 2],
    },
    expected: [0, 1.480129],
    within: 5e-7,
  },
  {
    name: "16: cross entropy",
    loss: pipe(crossEntropy, perToken),
    batch: shared,
    expected: [0.41703002, 0.22004952, 1.09861229],
    within: 3e-7,
  },
  {
    name: "16: smoothing 0.1",
    loss: pipe(crossEntropy, labelSmoothing(0.1), perToken),
    batch: shared,
    expected: [0.51369668, 0.36004952, 1.09861229],
    within: 3e-7,
  },
  { name: "17: PDL 0.5, sum", loss: pipe(pdl(0.5), sum), batch: shared, expected: [1.209901], within: 3e-7 },
  { name: "17: PDL 0.5, mean", loss: pipe(pdl(0.5), mean), batch: shared, expected: [0.40330033], within: 3e-7 },
  { name: "17: PDL 0.5, weighted mean", loss: pdl(0.5), batch: shared, expected: [0.85431248], within: 3e-7 },
  { name: "17: PDL 1, sum", loss: pipe(pdl(1), sum), batch: shared, expected: [1.12478743], within: 3e-7 },
  { name: "17: PDL 1, mean", loss: pipe(pdl(1), mean), batch: shared, expected: [0.37492914], within: 3e-7 },
  { name: "17: PDL 1, weighted mean", loss: pdl(1), batch: shared, expected: [1.0133221], within: 3e-7 },
  {
    name: "18: focal 2",
    loss: pipe(crossEntropy, focal({ gamma: 2 }), perToken),
    batch: shared,
    expected: [0.04849234, 0.00858513, 0.48827213],
    within: 3e-7,
  },
  {
    name: "18: DFT",
    loss: pipe(crossEntropy, dft, perToken),
    batch: shared,
    expected: [0.27482326, 0.17658513, 0.3662041],
    within: 3e-7,
  },
  {
    name: "18: confidence penalty 0.1",
    loss: pipe(crossEntropy, confidencePenalty(0.1), perToken),
    batch: shared,
    expected: [0.3323562, 0.15676204, 0.98875106],
    within: 3e-7,
  },
  // Published as .8654, which is .8654579 cut off.
  {
    name: "8: binary cross entropy",
    loss: binaryCrossEntropy({ from: "logits" }),
    batch: binary,
    expected: [0.8654579],
    within: 2e-7,
  },
  { name: "8: binary focal", loss: binaryFocal({ from: "logits" }), batch: binary, expected: [0.691], within: 5e-4 },
  {
    name: "8: binary focal, alpha 0.25",
    loss: binaryFocal({ from: "logits", alpha: 0.25 }),
    batch: binary,
    expected: [0.51],
    within: 5e-3,
  },
  // The examples in Keras's documentation.
  {
    name: "Keras: binary focal, gamma 4, sum",
    loss: pipe(binaryFocal({ from: "logits", gamma: 4 }), sum),
    batch: binary,
    expected: [1.222],
    within: 5e-4,
  },
  // Published as .0004 and .8670, cut off: the middles of what that may be.
  {
    name: "Keras: binary focal, gamma 5 and alpha 0.25, none",
    loss: pipe(binaryFocal({ from: "logits", gamma: 5, alpha: 0.25 }), perToken),
    batch: binary,
    expected: [0.00045, 0.86705],
    within: 5e-5,
  },
  {
    name: "Keras: binary cross entropy of probabilities",
    loss: pipe(binaryCrossEntropy({ from: "probabilities" }), perToken),
    batch: unsure,
    expected: [0.916, 0.714],
    within: 5e-4,
  },
  {
    name: "Keras: binary focal of probabilities",
    loss: pipe(binaryFocal({ from: "probabilities" }), perToken),
    batch: unsure,
    expected: [0.33, 0.206],
    within: 5e-4,
  },
  { name: "Keras: Huber", loss: huber(), batch: unsure, expected: [0.155], within: 5e-7 },
  {
    name: "Keras: log cosh",
    loss: logCosh,
    batch: {
      predictions: [
        [1, 1],
        [0, 0],
      ],
      targets: [
        [0, 1],
        [0, 0],
      ],
    },
    expected: [0.108],
    within: 5e-4,
  },
  {
    name: "Keras: cosine similarity",
    loss: pipe(cosineSimilarity, perToken),
    batch: {
      predictions: [
        [1, 0],
        [1, 1],
        [-1, -1],
      ],
      targets: [
        [0, 1],
        [1, 1],
        [1, 1],
      ],
    },
    expected: [0, -0.99999994, 0.99999994],
    within: 2e-7,
  },
  {
    name: "Keras: Dice, an image a row",
    loss: pipe(dice(), perToken),
    batch: {
      predictions: [
        [0, 1, 0, 1],
        [0.4, 0, 0, 0.9],
      ],
      targets: [
        [1, 1, 0, 0],
        [1, 1, 0, 0],
      ],
    },
    expected: [0.5, 0.75757575],
    within: 2e-7,
  },
  {
    name: "Keras: Dice, the batch as one row",
    loss: dice(),
    batch: { predictions: [[0, 1, 0, 1, 0.4, 0, 0, 0.9]], targets: [[1, 1, 0, 0, 1, 1, 0, 0]] },
    expected: [0.6164384],
    within: 2e-7,
  },
];

/** The shape of the logits or predictions of a golden number: a matrix. */
export function goldenShape({ batch }: Golden): readonly [number, number] {
  const rows = ("predictions" in batch ? batch.predictions : batch.logits) as readonly (readonly number[])[];
  return [rows.length, rows[0].length];
}
