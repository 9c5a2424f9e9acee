/** The loops on backends whose tensors are awaited: webgpu where there is one, and one that the library does not know. */
import { describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { classWeights, crossEntropy, evaluate, ignoreIndex, parameter, pipe, temperature } from "lossmith";
import { checkpoint, effectiveTokens, perplexity, tokenAccuracy, trainStep, withLoss } from "lossmith/training";
import { behindGlass, gpuBackends, startBackend } from "../support/backends.ts";

const tokens = [
  [1, 2, 0],
  [3, 1, 2],
  [2, 0, 0],
];
const next = [
  [2, 3, -1],
  [1, 0, 3],
  [1, 1, 1],
];

async function loops(): Promise<void> {
  const model = tf.sequential({
    layers: [
      tf.layers.embedding({ inputDim: 4, outputDim: 3, inputShape: [3], maskZero: true }),
      tf.layers.dense({ units: 4 }),
    ],
  });
  const loss = pipe(crossEntropy, classWeights([1, 2, 3, 4]), ignoreIndex(-1));
  const metrics = [tokenAccuracy(), perplexity(), effectiveTokens()];
  const training = withLoss(model, loss, { optimizer: tf.train.sgd(0), metrics });
  const [x, y] = [tf.tensor2d(tokens, [3, 3], "int32"), tf.tensor2d(next)];
  const weights = [1, 0.5, 2];
  const sampleWeight = tf.tensor1d(weights);
  const mask = tokens.map((row) => row.map((id) => id !== 0));
  const classes = next.map((row, i) => row.map((label) => weights[i] * (label === 3 ? 5 : 1)));
  const output = model.predict(x) as tf.Tensor3D;
  const logits = await output.array();
  const expected = evaluate(loss, { logits, labels: next, mask, sampleWeight: classes });
  const args = { sampleWeight, classWeight: { 3: 5 }, batchSize: 2 };
  expect((await training.evaluate(x, y, args))["loss"]).toBeCloseTo(expected, 4);
  const { history } = await training.fit(x, y, { ...args, accumulate: 2, validationSplit: 0.4, seed: 1 });
  expect(history["val_tokens"]).toEqual([4]);
  // A label that is no whole number is no class, and never a silent number.
  const bad = await training.evaluate(x, tf.tensor2d([1.5, 1, 1, 1, 1, 1, 1, 1, 1], [3, 3]));
  expect(bad["loss"]).toBeNaN();
  training.dispose();

  const variable = tf.variable(tf.tensor2d([1, 0, 0, 1, 0.5, -1], [2, 3]));
  const optimizer = tf.train.adam(0.1);
  const step = trainStep({
    optimizer,
    loss: pipe(crossEntropy, temperature(parameter("t", 2))),
    model: (of: tf.Tensor2D) => tf.matMul(of, variable as tf.Tensor2D),
    clipNorm: 0.5,
  });
  const saved = checkpoint({ variables: [variable], optimizer, clock: step.clock, parameters: step.parameters });
  const inputs = tf.tensor2d([1, 2, 0, 1], [2, 2]);
  const batch = { x: inputs, labels: [0, 2] };
  await step([batch, batch]);
  const bytes = await saved.encode();
  const first = await step(batch);
  await step(batch);
  await saved.decode(bytes);
  expect((await step(batch)).loss).toBeCloseTo(first.loss, 6);
  step.dispose();
}

describe("loops where tensors are awaited", () => {
  for (const backend of gpuBackends) {
    test(backend, async () => {
      await startBackend(backend)();
      await loops();
    }, 60_000);
  }

  test("a backend that the library does not know", () => behindGlass(loops));
});
