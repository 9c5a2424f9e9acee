/**
 * What is wrong with TensorFlow.js 4.22's own losses, and the right number beside it. The first half of each case asserts
 * the wrong behaviour: when it fails, TensorFlow.js has been repaired, and the case and what is said of it can go.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  classWeights,
  compile,
  crossEntropy,
  evaluate,
  labelSmoothing,
  mean,
  type PlainBatch,
  perToken,
  pipe,
  weightedMean,
} from "lossmith";
import { startBackend } from "./support/backends.ts";
import { runCompiled } from "./support/compiled.ts";

beforeAll(startBackend("cpu"));

/** Rows whose cross entropies are 0.41703 and 0.22005, by PyTorch. */
const rows = [
  [2, 1, 0.1],
  [0.5, 2.5, 0.3],
];
const [first, second] = [0.41703002, 0.22004952];
const batch: PlainBatch = { logits: rows, labels: [0, 1] };
const logits = (): tf.Tensor2D => tf.tensor2d(rows);
const oneHot = (): tf.Tensor2D =>
  tf.tensor2d([
    [1, 0, 0],
    [0, 1, 0],
  ]);

/** Equal up to the rounding of float32 in a few operations. */
function expectNumber(actual: unknown, expected: number): void {
  expect(Math.abs((actual as number) - expected)).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(expected)));
}

function expectNumbers(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) expectNumber(actual[i], expected[i]);
}

/** Cross entropy as users write it for `compile`: one number a row, and the mean of the rows. */
const perRow = (labels: tf.Tensor, z: tf.Tensor): tf.Tensor => tf.neg(tf.sum(tf.mul(labels, tf.logSoftmax(z)), -1));
const scalar = (labels: tf.Tensor, z: tf.Tensor): tf.Tensor => tf.mean(perRow(labels, z));

/** A model that returns its input, so that a loss sees the numbers that the test gives; a step of size 0 keeps it so. */
function identityModel(loss: string | typeof perRow): tf.Sequential {
  const dense = tf.layers.dense({ units: 3, inputShape: [3], useBias: false, kernelInitializer: "identity" });
  const model = tf.sequential({ layers: [dense] });
  model.compile({ optimizer: tf.train.sgd(0), loss });
  return model;
}

describe("tf.losses.softmaxCrossEntropy", () => {
  test("smooths by shape[1], which on rank 3 is the length of the sequence", async () => {
    const [z, y] = [logits().reshape([1, 2, 3]), oneHot().reshape([1, 2, 3])];
    const theirs = tf.losses.softmaxCrossEntropy(y, z, 1, 0.1);
    // 0.1 / 2 goes to each of the three classes, in place of 0.1 / 3.
    expectNumber(theirs.arraySync(), 0.5119668);

    const smoothed = pipe(crossEntropy, labelSmoothing(0.1));
    const ours = await runCompiled(smoothed, { logits: [rows], labels: [[0, 1]] }, [1, 2, 3]);
    expectNumber(ours.value[0], (0.51369668 + 0.36004952) / 2);
    // On rank 2 the two agree.
    expectNumber(tf.losses.softmaxCrossEntropy(oneHot(), logits(), 1, 0.1).arraySync(), ours.value[0]);
  });

  test("is NaN where all weights are 0", async () => {
    for (const reduction of [tf.Reduction.MEAN, tf.Reduction.SUM_BY_NONZERO_WEIGHTS]) {
      const theirs = tf.losses.softmaxCrossEntropy(oneHot(), logits(), tf.zeros([2]), 0, reduction);
      expect(theirs.arraySync()).toBe(Number.NaN);
    }

    for (const [loss, on] of [
      [crossEntropy, { ...batch, sampleWeight: [0, 0] }],
      [pipe(crossEntropy, classWeights([0, 0, 5])), batch],
    ] as const) {
      const ours = await runCompiled(loss, on, [2, 3]);
      expectNumbers(ours.value, [0]);
      expectNumbers(ours.gradient, [0, 0, 0, 0, 0, 0]);
    }
  });

  test("has y − p as its gradient for the labels, which is that of nothing", async () => {
    const z = tf.tensor2d([[2, 1, 0.1]]);
    const q = tf.tensor2d([[0.7, 0.2, 0.1]]);
    const loss = (labels: tf.Tensor): tf.Scalar => tf.losses.softmaxCrossEntropy(labels as tf.Tensor2D, z).asScalar();
    const theirs = tf.grad(loss)(q).dataSync();
    expectNumbers(theirs, tf.sub(q, tf.softmax(z)).dataSync());

    // The loss is Σ q_c · −log p_c, so its gradient for q_c is the loss of label c.
    const eachLabel = { logits: [0, 1, 2].map(() => [2, 1, 0.1]), labels: [0, 1, 2] };
    const ours = await runCompiled(pipe(crossEntropy, perToken), eachLabel, [3, 3]);
    expectNumbers(ours.value, [0.41703002, 1.41703002, 2.31703002]);
  });

  test("divides a weighted loss by Σ w under MEAN, by the number of nonzero weights by default", async () => {
    const w = tf.tensor1d([2, 4]);
    const byDefault = tf.losses.softmaxCrossEntropy(oneHot(), logits(), w).arraySync();
    const underMean = tf.losses.softmaxCrossEntropy(oneHot(), logits(), w, 0, tf.Reduction.MEAN).arraySync();
    expectNumber(byDefault, (2 * first + 4 * second) / 2);
    expectNumber(underMean, (2 * first + 4 * second) / 6);
    // A row of weight 0 leaves the default's denominator, so the loss is no longer linear in the weights.
    const one = tf.losses.softmaxCrossEntropy(oneHot(), logits(), tf.tensor1d([2, 0])).arraySync();
    expectNumber(one, 2 * first);

    const weighed = { ...batch, sampleWeight: [2, 4] };
    const [ratio, plain] = [weightedMean, mean].map((reduction) => pipe(crossEntropy, reduction));
    expectNumber((await runCompiled(ratio, weighed, [2, 3])).value[0], (2 * first + 4 * second) / 6);
    expectNumber((await runCompiled(plain, weighed, [2, 3])).value[0], (2 * first + 4 * second) / 2);
    expectNumber((await runCompiled(plain, { ...batch, sampleWeight: [2, 0] }, [2, 3])).value[0], (2 * first) / 2);
  });
});

describe("layers' categoricalCrossentropy", () => {
  test("clips the probabilities: a confidently wrong row learns nothing", async () => {
    const z = tf.tensor2d([[-40, 40]]);
    const y = tf.tensor2d([[1, 0]]);
    const loss = (x: tf.Tensor): tf.Tensor => tf.metrics.categoricalCrossentropy(y, tf.softmax(x)).sum();
    expectNumber(loss(z).arraySync(), -Math.log(1e-7));
    expect(Array.from(tf.grad(loss)(z).dataSync(), Math.abs)).toEqual([0, 0]);

    const ours = await runCompiled(crossEntropy, { logits: [[-40, 40]], labels: [0] }, [1, 2]);
    expectNumbers(ours.value, [80]);
    expectNumbers(ours.gradient, [-1, 1]);
  });
});

describe("layers' sparseCategoricalCrossentropy", () => {
  /** The built-in, which is not exported, as a compiled model holds it. */
  const builtIn = (): ((labels: tf.Tensor, z: tf.Tensor, fromLogits?: boolean) => tf.Tensor) => {
    const inner = identityModel("sparseCategoricalCrossentropy") as unknown as {
      readonly model: { readonly lossFunctions: readonly [ReturnType<typeof builtIn>] };
    };
    return inner.model.lossFunctions[0];
  };

  test("throws for int32 labels", async () => {
    const labels = tf.tensor1d([0, 1], "int32");
    expect(() => builtIn()(labels, tf.softmax(logits()))).toThrow("must be float32 tensor, but got int32 tensor");

    const z = logits();
    const loss = compile(crossEntropy);
    expectNumber((await loss({ logits: z, labels }).data())[0], (first + second) / 2);
    loss.dispose();
  });

  test("clips logits to [1e-7, 1 − 1e-7] as if they were probabilities", async () => {
    const theirs = builtIn()(tf.tensor1d([0, 1]), logits(), true).dataSync();
    const clipped = tf.softmax(tf.clipByValue(logits(), 1e-7, 1 - 1e-7)).dataSync();
    expectNumber(theirs[0], -Math.log(clipped[0]));
    expectNumbers(theirs, [0.8782024, 0.7434201]);

    const ours = await runCompiled(pipe(crossEntropy, perToken), batch, [2, 3]);
    expectNumbers(ours.value, [first, second]);
  });
});

describe("LayersModel", () => {
  test("fit refuses sample weights", async () => {
    const options = { sampleWeight: tf.tensor1d([1, 2]), verbose: 0 } as const;
    await expect(identityModel(perRow).fit(logits(), oneHot(), options)).rejects.toThrow(
      "sample weight is not supported yet",
    );

    const ours = await runCompiled(crossEntropy, { ...batch, sampleWeight: [1, 2] }, [2, 3]);
    expectNumber(ours.value[0], (first + 2 * second) / 3);
  });

  test("evaluate leaves out the class weights that fit used", async () => {
    const model = identityModel(perRow);
    const { history } = await model.fit(logits(), oneHot(), { classWeight: { 0: 2, 1: 5, 2: 1 }, verbose: 0 });
    expectNumber(history["loss"][0], (2 * first + 5 * second) / 2);
    const evaluated = model.evaluate(logits(), oneHot()) as tf.Scalar;
    expectNumber(evaluated.arraySync(), (first + second) / 2);

    // Weights that are part of the loss are there in training and in evaluation.
    const loss = pipe(crossEntropy, classWeights([2, 5, 1]), mean);
    expectNumber((await runCompiled(loss, batch, [2, 3])).value[0], (2 * first + 5 * second) / 2);
    expectNumber(evaluate(loss, batch), (2 * first + 5 * second) / 2);
  });

  test("multiplies a scalar loss by the mean class weight", async () => {
    const { history } = await identityModel(scalar).fit(logits(), oneHot(), {
      classWeight: { 0: 2, 1: 5, 2: 1 },
      verbose: 0,
    });
    expectNumber(history["loss"][0], ((first + second) / 2) * 3.5);

    const ours = await runCompiled(pipe(crossEntropy, classWeights([2, 5, 1]), mean), batch, [2, 3]);
    expectNumber(ours.value[0], (2 * first + 5 * second) / 2);
  });

  test("keeps its masks from the loss: padded steps count", async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.masking({ maskValue: 0, inputShape: [2, 3] }),
        tf.layers.dense({ units: 3, useBias: false, kernelInitializer: "identity" }),
      ],
    });
    model.compile({ optimizer: tf.train.sgd(0), loss: (y: tf.Tensor, z: tf.Tensor) => tf.mean(perRow(y, z), -1) });
    const padded = [
      [
        [2, 1, 0.1],
        [0, 0, 0],
      ],
    ];
    const theirs = model.evaluate(tf.tensor3d(padded), oneHot().reshape([1, 2, 3])) as tf.Scalar;
    expectNumber(theirs.arraySync(), (first + Math.log(3)) / 2);

    const masked = { logits: padded, labels: [[0, 1]], mask: [[true, false]] };
    expectNumber((await runCompiled(crossEntropy, masked, [1, 2, 3])).value[0], first);
  });
});

describe("tf.tensorScatterUpdate on cpu", () => {
  test("writes the updates into the tensor that it is given", async () => {
    const given = tf.tensor1d([1, 2, 3]);
    tf.tensorScatterUpdate(given, tf.tensor2d([[1]], [1, 1], "int32"), tf.tensor1d([9]));
    expect(given.arraySync()).toEqual([1, 9, 3]);

    const loss = compile(crossEntropy);
    const z = logits();
    const before = z.arraySync();
    const gradient = tf.grad((x) => loss({ logits: x, labels: [0, 1] }).asScalar())(z);
    expect(z.arraySync()).toEqual(before);
    const share = Math.exp(-first);
    expectNumber(gradient.dataSync()[0], (share - 1) / 2);
    loss.dispose();
  });
});
