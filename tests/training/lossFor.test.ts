/** Composed losses in tensorflow.js's own loops, and what those make of them. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  classWeights,
  crossEntropy,
  evaluate,
  focal,
  fromFunction,
  fromProbabilities,
  ignoreIndex,
  LossError,
  language,
  linear,
  lossEq,
  mean,
  meanSquaredError,
  parameter,
  perToken,
  pipe,
  scale,
  sum,
  temperature,
  zLoss,
} from "lossmith";
import { advanceClock, loadWithLoss, lossFor, saveWithLoss, stepClock, withLoss } from "lossmith/training";
import { backends, startBackend } from "../support/backends.ts";

function dense(units = 3): tf.Sequential {
  const kernelInitializer = tf.initializers.glorotUniform({ seed: 4 });
  return tf.sequential({ layers: [tf.layers.dense({ units, inputShape: [2], kernelInitializer })] });
}

const nested = (t: tf.Tensor): never => t.arraySync() as never;

for (const backend of backends) {
  describe(`lossFor, ${backend}`, () => {
    beforeAll(startBackend(backend));

    const x = tf.randomUniform([6, 2], -1, 1, "float32", 1);
    const labels = [0, 1, 2, 1, 0, 2];
    const weighted = pipe(crossEntropy, classWeights([1, 2, 5]));
    const losses = {
      "a weighted mean": weighted,
      "a mean": pipe(weighted, mean),
      "a sum": pipe(weighted, sum),
      "several terms of several reductions": pipe(
        weighted,
        zLoss(0.1),
        add(pipe(crossEntropy, focal({ gamma: 2 }), scale(0.5), sum)),
        add(pipe(crossEntropy, mean)),
      ),
    };
    for (const [name, loss] of Object.entries(losses)) {
      test(`${name}: fit and evaluate report the loss of the batch`, async () => {
        const model = dense();
        const layersLoss = lossFor(loss, { model });
        model.compile({ optimizer: tf.train.sgd(0), loss: layersLoss });
        const y = tf.oneHot(tf.tensor1d(labels, "int32"), 3);
        const expected = evaluate(loss as typeof weighted, { logits: nested(model.predict(x) as tf.Tensor), labels });
        const { history } = await model.fit(x, y, { batchSize: 6 });
        expect(history["loss"]?.[0]).toBeCloseTo(expected, 4);
        const scalar = model.evaluate(x, y, { batchSize: 6 }) as tf.Scalar;
        expect((await scalar.data())[0]).toBeCloseTo(expected, 4);
        layersLoss.dispose();
      });
    }

    test("a training step moves the weights as withLoss does", async () => {
      const after = async (train: (model: tf.Sequential, y: tf.Tensor) => Promise<unknown>): Promise<number[]> => {
        const model = dense();
        await train(model, tf.oneHot(tf.tensor1d(labels, "int32"), 3));
        return [...(await model.getWeights()[0].data())];
      };
      const own = await after(async (model, y) => {
        model.compile({ optimizer: tf.train.sgd(0.5), loss: lossFor(losses["several terms of several reductions"]) });
        await model.fit(x, y, { batchSize: 6, shuffle: false });
      });
      const ours = await after((model, y) => {
        const training = withLoss(model, losses["several terms of several reductions"], {
          optimizer: tf.train.sgd(0.5),
        });
        return training.fit(x, y, { batchSize: 6, shuffle: false });
      });
      expect(Math.hypot(...own.map((w, i) => w - ours[i])) / Math.hypot(...ours)).toBeLessThan(1e-6);
    });

    test("classWeight weighs each example, where a scalar loss makes tensorflow.js weigh by the mean weight", async () => {
      const model = dense();
      const y = tf.oneHot(tf.tensor1d(labels, "int32"), 3);
      const classWeight = { 0: 1, 1: 4, 2: 9 };
      const sampleWeight = labels.map((label) => [1, 4, 9][label]);
      const logits = nested(model.predict(x) as tf.Tensor);
      const right = evaluate(pipe(crossEntropy, mean), { logits, labels, sampleWeight });
      model.compile({ optimizer: tf.train.sgd(0), loss: lossFor(pipe(crossEntropy, mean), { model }) });
      const { history } = await model.fit(x, y, { batchSize: 6, classWeight });
      expect(history["loss"]?.[0]).toBeCloseTo(right, 4);
      const scalar = (q: tf.Tensor, z: tf.Tensor): tf.Tensor => tf.losses.softmaxCrossEntropy(q, z);
      model.compile({ optimizer: tf.train.sgd(0), loss: scalar });
      const wrong = await model.fit(x, y, { batchSize: 6, classWeight });
      expect(Math.abs((wrong.history["loss"]?.[0] as number) - right)).toBeGreaterThan(0.1);
    });

    test("integer labels of tokens in fitDataset, ignored ones among them; a clock that a callback advances", async () => {
      const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [2, 2] })] });
      const clock = stepClock();
      const gamma = linear({ init: 0, end: 3, steps: 6 });
      const loss = pipe(crossEntropy, focal({ gamma }), ignoreIndex(-1));
      model.compile({ optimizer: tf.train.sgd(0), loss: lossFor(loss, { model, clock }) });
      const xs = tf.randomUniform<tf.Rank.R3>([3, 2, 2], -1, 1, "float32", 3);
      const tokens = [
        [0, -1],
        [2, 1],
        [-1, -1],
      ];
      const batches = tf.data.generator(function* () {
        yield { xs: xs.clone(), ys: tf.tensor2d(tokens, [3, 2], "int32") };
        yield { xs: xs.clone(), ys: tf.tensor2d(tokens) };
      } as never) as never;
      const { history } = await model.fitDataset(batches, { epochs: 2, callbacks: advanceClock(clock, loss) });
      const logits = nested(model.predict(xs) as tf.Tensor);
      const at = (step: number): number => evaluate(loss, { logits, labels: tokens, step });
      expect(history["loss"]?.[0]).toBeCloseTo((at(0) + at(1)) / 2, 5);
      expect(history["loss"]?.[1]).toBeCloseTo((at(2) + at(3)) / 2, 5);
      expect(history["focal({ gamma })"]).toEqual([0.5, 1.5]);
      expect(clock.step).toBe(4);
    });

    test("fit and evaluate leave nothing behind", async () => {
      const model = dense();
      const y = tf.oneHot(tf.tensor1d(labels, "int32"), 3);
      const loss = lossFor(losses["several terms of several reductions"], { model });
      model.compile({ optimizer: tf.train.adam(0.01), loss });
      await model.fit(x, y, { batchSize: 4 });
      const { numTensors } = tf.memory();
      await model.fit(x, y, { batchSize: 4, epochs: 3, validationSplit: 0.3, classWeight: { 0: 1, 1: 2, 2: 3 } });
      expect(tf.memory().numTensors).toBe(numTensors);
      loss.dispose();
    });
  });
}

describe("what tensorflow.js's loops cannot do is refused", () => {
  beforeAll(startBackend("cpu"));

  test("and said", () => {
    const { batchMean, lossOf, nll } = language;
    const masked = tf.sequential({
      layers: [tf.layers.masking({ inputShape: [2, 2] }), tf.layers.dense({ units: 2 })],
    });
    const ended = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2], activation: "softmax" })] });
    const cases: readonly [() => unknown, string][] = [
      [() => lossFor(pipe(crossEntropy, perToken) as never), "End it in sum"],
      [() => lossFor(pipe(crossEntropy, temperature(parameter("t", 1)))), "Use withLoss"],
      [() => lossFor(lossOf(batchMean(nll))), "Use withLoss"],
      [() => lossFor(pipe(crossEntropy, focal({ gamma: linear({ init: 0, end: 1, steps: 2 }) }))), "no clock"],
      [() => lossFor(crossEntropy, { model: masked }), "makes masks"],
      [() => lossFor(crossEntropy, { model: ended }), "ends in a softmax"],
      [() => lossFor(crossEntropy, { model: dense(), output: "none" }), "the output none"],
    ];
    for (const [run, message] of cases) {
      expect(run).toThrow(LossError);
      expect(run).toThrow(message);
    }
    lossFor(pipe(crossEntropy, fromProbabilities), { model: ended }).dispose();
    lossFor(meanSquaredError, { model: ended }).dispose();
  });

  test("probabilities are seen in the first batch where no model is given", async () => {
    const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2], activation: "softmax" })] });
    model.compile({ optimizer: "sgd", loss: lossFor(crossEntropy) });
    await expect(model.fit(tf.eye(2), tf.eye(2))).rejects.toThrow("adds up to 1");
  });
});

describe("a model that is saved with its loss", () => {
  beforeAll(startBackend("cpu"));

  const make = (model: tf.LayersModel, optimizer: tf.Optimizer): ReturnType<typeof withLoss> => {
    const gamma = linear({ init: 0, end: 2, steps: 30 });
    return withLoss(model, pipe(crossEntropy, temperature(parameter("t", 2)), focal({ gamma })), { optimizer });
  };
  const memory = (): { handler: tf.io.IOHandler; artifacts: () => tf.io.ModelArtifacts } => {
    let kept: tf.io.ModelArtifacts = {};
    const handler = tf.io.withSaveHandler(async (artifacts) => {
      // As a file would have it.
      const { weightData = new ArrayBuffer(0), ...rest } = artifacts;
      kept = { ...(JSON.parse(JSON.stringify(rest)) as tf.io.ModelArtifacts), weightData };
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    });
    return { handler, artifacts: () => kept };
  };
  const x = tf.randomUniform([6, 2], -1, 1, "float32", 1);
  const y = tf.tensor1d([0, 1, 2, 1, 0, 2], "int32");
  const args = { batchSize: 2, seed: 3 };

  const optimizers = {
    adam: () => tf.train.adam(0.1),
    momentum: () => tf.train.momentum(0.1, 0.9),
    sgd: () => tf.train.sgd(1),
  };
  for (const [name, optimizer] of Object.entries(optimizers)) {
    test(`goes on where it was, to the same history: ${name}`, async () => {
      const training = make(dense(), optimizer());
      await training.fit(x, y, { ...args, epochs: 2 });
      const { handler, artifacts } = memory();
      await saveWithLoss(training, handler);
      const expected = await training.fit(x, y, { ...args, initialEpoch: 2, epochs: 4 });
      let seen: unknown = null;
      const again = await loadWithLoss(tf.io.fromMemory(artifacts()), {
        resume: (model, loss) => {
          seen = loss;
          return withLoss(model, loss, { optimizer: optimizer() });
        },
      });
      expect(lossEq.equals(seen as AnyLoss, training.loss as AnyLoss)).toBe(true);
      expect(again.clock.step).toBe(6);
      const history = await again.fit(x, y, { ...args, initialEpoch: 2, epochs: 4 });
      expect(history.history).toEqual(expected.history);
      const plain = await tf.loadLayersModel(tf.io.fromMemory(artifacts()));
      expect(plain.countParams()).toBe(9);
    });
  }

  test("a layer that was thawed in the middle has its optimizer's state back", async () => {
    const model = tf.sequential({
      layers: [tf.layers.dense({ units: 2, inputShape: [2] }), tf.layers.dense({ units: 3 })],
    });
    model.layers[0].trainable = false;
    const training = make(model, tf.train.adam(0.1));
    await training.trainOnBatch(x, y);
    model.layers[0].trainable = true;
    await training.trainOnBatch(x, y);
    const { handler, artifacts } = memory();
    await saveWithLoss(training, handler);
    const again = await loadWithLoss(tf.io.fromMemory(artifacts()), {
      resume: (loaded, loss) => withLoss(loaded, loss, { optimizer: tf.train.adam(0.1) }),
    });
    await again.trainOnBatch(x, y);
    await training.trainOnBatch(x, y);
    expect(await again.trainOnBatch(x, y)).toEqual(await training.trainOnBatch(x, y));
  });

  test("several outputs have their losses back, and a loss with a function by JSON of one's own", async () => {
    const input = tf.input({ shape: [2] });
    const outputs = ["a", "b"].map((name) => tf.layers.dense({ units: 3, name }).apply(input) as tf.SymbolicTensor);
    const losses = { a: pipe(crossEntropy, mean), b: pipe(crossEntropy, focal({ gamma: 1 })) };
    const { handler, artifacts } = memory();
    await saveWithLoss(withLoss(tf.model({ inputs: input, outputs }), losses, { optimizer: tf.train.sgd(1) }), handler);
    const seen: unknown[] = [];
    await loadWithLoss(tf.io.fromMemory(artifacts()), {
      resume: (model, loss) => {
        seen.push(loss);
        return withLoss(model, loss, { optimizer: tf.train.sgd(1) });
      },
    });
    const [{ a, b }] = seen as readonly (typeof losses)[];
    expect([lossEq.equals(a, losses.a), lossEq.equals(b, losses.b)]).toEqual([true, true]);

    const own = pipe(crossEntropy, scale(fromFunction((t) => 1 + t)));
    const training = withLoss(dense(), own, { optimizer: tf.train.sgd(1) });
    await expect(saveWithLoss(training, handler)).rejects.toThrow("holds a function");
    await saveWithLoss(training, handler, { lossToJSON: () => "growing" });
    await loadWithLoss(tf.io.fromMemory(artifacts()), {
      lossFromJSON: (json) => {
        seen.push(json);
        return own;
      },
      resume: (model, loss) => withLoss(model, loss, { optimizer: tf.train.sgd(1) }),
    });
    expect(seen[1]).toBe("growing");
  });

  test("what was saved otherwise, or with another optimizer, is refused", async () => {
    const { handler, artifacts } = memory();
    await dense().save(handler);
    const resume = (model: tf.LayersModel): ReturnType<typeof withLoss> => make(model, tf.train.sgd(1));
    await expect(loadWithLoss(tf.io.fromMemory(artifacts()), { resume })).rejects.toThrow("saved without a loss");
    await saveWithLoss(make(dense(), tf.train.adam(1)), handler);
    await expect(loadWithLoss(tf.io.fromMemory(artifacts()), { resume })).rejects.toThrow("the state of Adam");
    await expect(loadWithLoss("nowhere://", { resume })).rejects.toThrow(LossError);
    const { weightData = new ArrayBuffer(0), ...rest } = artifacts();
    const torn = { ...rest, weightData: tf.io.concatenateArrayBuffers([weightData].flat()).slice(0, 40) };
    await expect(loadWithLoss(tf.io.fromMemory(torn), { resume })).rejects.toThrow("it has 40 bytes of weights");
    const bare = { ...artifacts(), userDefinedMetadata: { lossmith: { version: 1 } } };
    await expect(loadWithLoss(tf.io.fromMemory(bare), { resume })).rejects.toThrow("is not whole");
  });
});
