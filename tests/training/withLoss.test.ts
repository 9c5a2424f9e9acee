/** LayersModel with composed losses: what fit and evaluate of tensorflow.js do, and each thing that they do not. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  classWeights,
  crossEntropy,
  distillation,
  evaluate,
  focal,
  fromProbabilities,
  ignoreIndex,
  LossError,
  language,
  linear,
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
import { effectiveTokens, perplexity, tokenAccuracy, withLoss } from "lossmith/training";
import { backends, startBackend } from "../support/backends.ts";

/** A rate of 0: the weights stay, so that an epoch's loss is the reference's on the whole data. */
const still = (): tf.Optimizer => tf.train.sgd(0);
const kernelInitializer = (): ReturnType<typeof tf.initializers.glorotUniform> =>
  tf.initializers.glorotUniform({ seed: 4 });

function dense(units = 3): tf.Sequential {
  return tf.sequential({
    layers: [tf.layers.dense({ units, inputShape: [2], kernelInitializer: kernelInitializer() })],
  });
}

function random(shape: number[], seed: number): tf.Tensor {
  return tf.randomUniform(shape, -1, 1, "float32", seed);
}

const nested = (t: tf.Tensor): never => t.arraySync() as never;
const lastOf = (history: tf.History, name: string): number => history.history[name]?.at(-1) as number;

for (const backend of backends) {
  describe(`withLoss, ${backend}`, () => {
    beforeAll(startBackend(backend));

    const x = random([7, 2], 1);
    const labels = [0, 1, 2, 1, 0, 2, 2];
    const logitsOf = (model: tf.LayersModel): never => nested(model.predict(x) as tf.Tensor);

    const forms: Readonly<Record<string, () => tf.Tensor>> = {
      "[B], int32": () => tf.tensor1d(labels, "int32"),
      "[B, 1], int32": () => tf.tensor2d(labels, [7, 1], "int32"),
      "[B], float32": () => tf.tensor1d(labels),
      "one-hot": () => tf.oneHot(tf.tensor1d(labels, "int32"), 3),
      "[B, 1], float32": () => tf.tensor2d(labels, [7, 1]),
    };
    for (const [name, make] of Object.entries(forms)) {
      test(`labels as ${name}: an epoch's loss is exact over uneven batches, in fit and evaluate`, async () => {
        const model = dense();
        const loss = pipe(crossEntropy, classWeights([1, 2, 5]));
        const training = withLoss(model, loss, { optimizer: still(), metrics: [tokenAccuracy(), perplexity()] });
        const expected = evaluate(loss, { logits: logitsOf(model), labels });
        const history = await training.fit(x, make(), { batchSize: 3 });
        expect(lastOf(history, "loss")).toBeCloseTo(expected, 5);
        const logs = await training.evaluate(x, make(), { batchSize: 2 });
        expect(logs["loss"]).toBeCloseTo(expected, 5);
        const plain = evaluate(crossEntropy, { logits: logitsOf(model), labels });
        expect(logs["perplexity"]).toBeCloseTo(Math.exp(plain), 4);
        const rows = logitsOf(model) as number[][];
        const right = rows.filter((row, i) => row.indexOf(Math.max(...row)) === labels[i]).length;
        expect(logs["accuracy"]).toBeCloseTo(right / 7, 6);
        expect(lastOf(history, "accuracy")).toBeCloseTo(right / 7, 6);
        expect(logs["tokens"]).toBe(7);
        expect((await training.trainOnBatch(x, make()))["loss"]).toBeCloseTo(expected, 5);
        training.dispose();
      });
    }

    test("sample weights and class weights, which multiply; tensorflow.js refuses the ones", async () => {
      const model = dense();
      const y = tf.tensor1d(labels, "int32");
      const sampleWeight = tf.tensor1d([1, 0, 2, 0.5, 3, 1, 0]);
      const classWeight = { 0: 2, 2: 0.5 };
      const all = labels.map((label, i) => sampleWeight.arraySync()[i] * ([2, 1, 0.5][label] as number));
      for (const loss of [pipe(crossEntropy, mean), crossEntropy, pipe(crossEntropy, sum)]) {
        const training = withLoss(model, loss, { optimizer: still(), metrics: [effectiveTokens()] });
        const expected = evaluate(loss as typeof crossEntropy, { logits: logitsOf(model), labels, sampleWeight: all });
        const history = await training.fit(x, y, { batchSize: 2, sampleWeight, classWeight });
        expect(lastOf(history, "loss")).toBeCloseTo(expected, 5);
        const logs = await training.evaluate(x, y, { sampleWeight, classWeight });
        expect(logs["loss"]).toBeCloseTo(expected, 5);
        const [s, q] = [all.reduce((a, b) => a + b, 0), all.reduce((a, b) => a + b * b, 0)];
        expect(logs["effectiveTokens"]).toBeCloseTo(s ** 2 / q, 4);
        const oneHot = tf.oneHot(y, 3);
        expect((await training.evaluate(x, oneHot, { sampleWeight, classWeight }))["loss"]).toBeCloseTo(expected, 5);
        training.dispose();
      }
      model.compile({ optimizer: "sgd", loss: "meanSquaredError" });
      await expect(model.fit(x, tf.oneHot(y, 3), { sampleWeight })).rejects.toThrow("not supported");
    });

    test("a token model: labels of rank 2, ignored labels, weights of examples and of tokens, masks of layers", async () => {
      const model = tf.sequential({
        layers: [
          tf.layers.embedding({ inputDim: 6, outputDim: 4, inputShape: [3], maskZero: true }),
          tf.layers.lstm({ units: 4, returnSequences: true }),
          tf.layers.dropout({ rate: 0 }),
          tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 6 }) }),
        ],
      });
      const ids = tf.tensor2d([1, 2, 3, 4, 5, 0, 2, 0, 0, 5, 1, 0], [4, 3], "int32");
      const next = [
        [2, 3, 4],
        [5, 1, 1],
        [3, 1, 1],
        [1, -100, 2],
      ];
      const y = tf.tensor2d(next, [4, 3], "int32");
      const mask = (nested(ids) as number[][]).map((row) => row.map((id) => id !== 0));
      const loss = pipe(crossEntropy, ignoreIndex(-100));
      const training = withLoss(model, loss, { optimizer: still(), metrics: [perplexity()] });
      const logits = nested(model.predict(ids) as tf.Tensor);
      const exact = evaluate(loss, { logits, labels: next, mask });
      expect((await training.evaluate(ids, y, { batchSize: 3 }))["loss"]).toBeCloseTo(exact, 5);
      const history = await training.fit(ids, y, { batchSize: 3, accumulate: 2 });
      expect(lastOf(history, "loss")).toBeCloseTo(exact, 5);
      expect(lastOf(history, "tokens")).toBe(7);
      expect(lastOf(history, "perplexity")).toBeCloseTo(Math.exp(exact), 4);
      const ofExamples = [1, 2, 0, 0.5];
      const weights = ofExamples.map((w) => [w, w, w]);
      const weighted = evaluate(loss, { logits, labels: next, mask, sampleWeight: weights });
      const [one, each] = [tf.tensor1d(ofExamples), tf.tensor2d(weights)];
      for (const sampleWeight of [one, each, one.reshape([4, 1])]) {
        expect((await training.evaluate(ids, y, { sampleWeight }))["loss"]).toBeCloseTo(weighted, 5);
      }
      const more = mask.map((row, i) => row.map((m, t) => m && !(i === 0 && t === 1)));
      const own = tf.tensor2d([1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [4, 3]).toBool();
      const both = evaluate(loss, { logits, labels: next, mask: more });
      expect((await training.evaluate(ids, y, { mask: own }))["loss"]).toBeCloseTo(both, 5);
      training.dispose();
    });

    test("the mask of an embedding of one id, whose ids have no axis", async () => {
      const model = tf.sequential({
        layers: [
          tf.layers.embedding({ inputDim: 4, outputDim: 3, inputShape: [1], maskZero: true }),
          tf.layers.dense({ units: 3 }),
        ],
      });
      const training = withLoss(model, crossEntropy, { optimizer: still() });
      const y = tf.tensor2d([0, 1, 2], [3, 1], "int32");
      const logs = await training.evaluate(tf.tensor1d([1, 0, 2], "int32"), y);
      expect(logs["tokens"]).toBe(2);
      expect(logs).toEqual(await training.evaluate(tf.tensor2d([1, 0, 2], [3, 1], "int32"), y));
      training.dispose();
    });

    test("Masking behind a reshape, merges of masks, nested models, and layers that drop masks", async () => {
      const input = tf.input({ shape: [6] });
      const other = tf.input({ shape: [3, 2] });
      const reshaped = tf.layers.reshape({ targetShape: [3, 2] }).apply(input) as tf.SymbolicTensor;
      const first = tf.layers.masking({ maskValue: 0 }).apply(reshaped) as tf.SymbolicTensor;
      const second = tf.layers.masking({ maskValue: 0 }).apply(other) as tf.SymbolicTensor;
      const inner = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3, 2] })] });
      const through = inner.apply(first) as tf.SymbolicTensor;
      const added = tf.layers.add().apply([through, second]) as tf.SymbolicTensor;
      const joined = tf.layers.concatenate({ axis: -1 }).apply([first, reshaped]) as tf.SymbolicTensor;
      const flat = tf.layers.flatten().apply(first) as tf.SymbolicTensor;
      const heads = [
        tf.layers.dense({ units: 2, name: "added" }).apply(added),
        tf.layers.dense({ units: 2, name: "joined" }).apply(joined),
        tf.layers.dense({ units: 2, name: "flat" }).apply(flat),
      ] as tf.SymbolicTensor[];
      const model = tf.model({ inputs: [input, other], outputs: heads });
      const a = tf.tensor2d([1, 2, 0, 0, 3, 4, 1, 1, 2, 2, 0, 0], [2, 6]);
      const b = tf.tensor3d([0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2], [2, 3, 2]);
      const ofFirst = [
        [true, false, true],
        [true, true, false],
      ];
      const ofBoth = [
        [false, false, true],
        [true, true, false],
      ];
      const tokens = [
        [0, 1, 1],
        [1, 0, 0],
      ];
      const y = tf.tensor2d(tokens, [2, 3], "int32");
      const training = withLoss(
        model,
        { added: crossEntropy, joined: crossEntropy, flat: crossEntropy },
        { optimizer: still() },
      );
      const logs = await training.evaluate([a, b], { added: y, joined: y, flat: tf.tensor1d([0, 1], "int32") });
      const logits = (model.predict([a, b]) as tf.Tensor[]).map(nested);
      expect(logs["added_loss"]).toBeCloseTo(
        evaluate(crossEntropy, { logits: logits[0], labels: tokens, mask: ofBoth }),
        5,
      );
      expect(logs["joined_loss"]).toBeCloseTo(
        evaluate(crossEntropy, { logits: logits[1], labels: tokens, mask: ofFirst }),
        5,
      );
      expect(logs["flat_loss"]).toBeCloseTo(evaluate(crossEntropy, { logits: logits[2], labels: [0, 1] }), 5);
      expect(logs["loss"]).toBeCloseTo(logs["added_loss"] + logs["joined_loss"] + logs["flat_loss"], 5);
      expect([logs["added_tokens"], logs["joined_tokens"], logs["flat_tokens"]]).toEqual([3, 4, 2]);
      training.dispose();
    });

    test("several outputs: a loss each, weights between them that may be scheduled, metrics and terms of one", async () => {
      const input = tf.input({ shape: [2] });
      const outputs = ["class", "value"].map((name, i) =>
        tf.layers.dense({ units: 3 - i, name, kernelInitializer: kernelInitializer() }).apply(input),
      ) as tf.SymbolicTensor[];
      const model = tf.model({ inputs: input, outputs });
      const classes = tf.tensor1d(labels, "int32");
      const values = random([7, 2], 9);
      const classLoss = pipe(crossEntropy, zLoss(0.1));
      const training = withLoss(
        model,
        { class: classLoss, value: meanSquaredError },
        {
          optimizer: still(),
          lossWeights: { value: linear({ init: 2, end: 4, steps: 4 }) },
          metrics: { class: [tokenAccuracy()] },
          terms: { class: ["nll", "z"] },
        },
      );
      const [logits, predictions] = (model.predict(x) as tf.Tensor[]).map(nested);
      const first = evaluate(classLoss, { logits, labels });
      const second = evaluate(meanSquaredError, { predictions, targets: nested(values) });
      const history = await training.fit(
        x,
        { class: classes, value: values },
        { batchSize: 4, epochs: 2, shuffle: false },
      );
      const logs = history.history;
      expect(logs["class_loss"]?.at(-1)).toBeCloseTo(first, 5);
      expect(logs["value_loss"]?.at(-1)).toBeCloseTo(second, 5);
      expect(logs["value_weight"]).toEqual([2.5, 3.5]);
      expect((logs["class_nll"]?.[0] as number) + (logs["class_z"]?.[0] as number)).toBeCloseTo(first, 5);
      expect(Object.keys(logs)).toContain("class_accuracy");
      // Two steps, of 4 rows at the weight 2 and of 3 at 2.5.
      const [head, tail] = [0, 4].map((from, i) => {
        const rows = (t: unknown): never => (t as unknown[]).slice(from, i === 0 ? 4 : 7) as never;
        return evaluate(pipe(meanSquaredError, sum), { predictions: rows(predictions), targets: rows(nested(values)) });
      });
      expect(logs["loss"]?.[0]).toBeCloseTo(first + (2 * head + 2.5 * tail) / 7, 5);
      training.dispose();
    });

    test("schedules advance with each batch, across epochs and calls; trained parameters are trained, and in the history", async () => {
      const model = dense();
      const loss = pipe(
        crossEntropy,
        temperature(parameter("t", 2)),
        focal({ gamma: linear({ init: 0, end: 1, steps: 8 }) }),
      );
      const training = withLoss(model, loss, { optimizer: tf.train.adam(0.1) });
      const y = tf.tensor1d(labels, "int32");
      const { history } = await training.fit(x, y, { batchSize: 2, epochs: 2 });
      expect(history["focal({ gamma })"]).toEqual([3 / 8, 7 / 8]);
      expect(training.clock.step).toBe(8);
      const t = history["t"] as number[];
      expect(t[0]).not.toBe(2);
      expect(t[1]).toBeCloseTo((await (training.parameters.get("t") as tf.Variable).data())[0], 6);
      await training.trainOnBatch(x, y);
      expect(training.clock.step).toBe(9);
      training.dispose();
    });

    test("Kendall's log variances learn the losses of two outputs: s = log L is where exp(−s) L + s is least", async () => {
      const input = tf.input({ shape: [2] });
      const outputs = ["a", "b"].map((name, i) =>
        tf.layers.dense({ units: 2 + i, name, kernelInitializer: kernelInitializer(), trainable: false }).apply(input),
      ) as tf.SymbolicTensor[];
      const model = tf.model({ inputs: input, outputs });
      const { append, unary, subtract, constant } = language;
      const task = (name: string): typeof crossEntropy => {
        const s = parameter(name, 0);
        return pipe(crossEntropy, scale(unary("exp", subtract(constant(0), s))), append("log variance", s));
      };
      const losses = { a: task("first"), b: task("second") };
      const training = withLoss(model, losses, { optimizer: tf.train.adam(0.05) });
      const y = [tf.tensor1d([0, 1, 1, 1, 0, 1, 1], "int32"), tf.tensor1d(labels, "int32")];
      const { history } = await training.fit(x, y, { epochs: 200, batchSize: 7, yieldEvery: "never" });
      const logits = (model.predict(x) as tf.Tensor[]).map(nested);
      for (const [i, name] of ["a_first", "b_second"].entries()) {
        const exact = evaluate(crossEntropy, { logits: logits[i], labels: y[i].arraySync() as number[] });
        expect(history[name]?.at(-1)).toBeCloseTo(Math.log(exact), 2);
      }
      training.dispose();
    });

    test("accumulation in fit and fitDataset gives the weights of the whole batch", async () => {
      const y = tf.tensor1d(labels, "int32");
      const sampleWeight = tf.tensor1d([1, 0, 2, 0.5, 3, 1, 1]);
      const loss = pipe(crossEntropy, classWeights([1, 3, 2]), ignoreIndex(1));
      const weightsAfter = async (
        run: (training: ReturnType<typeof withLoss>) => Promise<unknown>,
      ): Promise<number[]> => {
        const model = dense();
        const training = withLoss(model, loss, { optimizer: tf.train.momentum(0.1, 0.9) });
        await run(training);
        training.dispose();
        return [...(await model.getWeights()[0].data())];
      };
      const fit = { epochs: 3, batchSize: 7, shuffle: false, sampleWeight };
      const whole = await weightsAfter((training) => training.fit(x, y, fit));
      const inParts = await weightsAfter((training) => training.fit(x, y, { ...fit, accumulate: 3 }));
      const dataset = datasetOf(
        [0, 2, 3, 7].slice(1).map((to, i) => ({ from: [0, 2, 3][i], to })),
        (from, size) => ({
          xs: x.slice([from], [size]),
          ys: y.slice([from], [size]),
          sampleWeight: sampleWeight.slice([from], [size]),
        }),
      );
      const ofDataset = await weightsAfter((training) => training.fitDataset(dataset, { epochs: 3, accumulate: 3 }));
      const distance = (a: number[]): number => Math.hypot(...a.map((v, i) => v - whole[i])) / Math.hypot(...whole);
      expect(distance(inParts)).toBeLessThan(1e-6);
      expect(distance(ofDataset)).toBeLessThan(1e-6);
      expect(distance(await weightsAfter(async () => {}))).toBeGreaterThan(1e-3);
    });

    test("fitDataset and evaluateDataset: epochs of some batches, validation, a dataset that ends", async () => {
      const model = dense();
      const training = withLoss(model, crossEntropy, { optimizer: still() });
      const cuts = [0, 3, 5].map((from, i) => ({ from, to: [3, 5, 7][i] }));
      const dataset = datasetOf(cuts, (from, size) => ({
        xs: x.slice([from], [size]),
        ys: tf.tensor1d(labels.slice(from, from + size), "int32"),
      }));
      const exact = evaluate(crossEntropy, { logits: logitsOf(model), labels });
      expect((await training.evaluateDataset(dataset))["loss"]).toBeCloseTo(exact, 5);
      const all = await training.fitDataset(dataset, { epochs: 2, validationData: dataset });
      expect(all.history["loss"]?.length).toBe(2);
      expect(lastOf(all, "loss")).toBeCloseTo(exact, 5);
      expect(lastOf(all, "val_loss")).toBeCloseTo(exact, 5);
      const logits = (logitsOf(model) as unknown[]).slice(0, 5) as never;
      const firstTwo = evaluate(crossEntropy, { logits, labels: labels.slice(0, 5) });
      expect((await training.evaluateDataset(dataset, { batches: 2 }))["loss"]).toBeCloseTo(firstTwo, 5);
      const warn = console.warn;
      const warnings: string[] = [];
      console.warn = (text: string) => warnings.push(text);
      try {
        const { epoch } = await training.fitDataset(dataset, { epochs: 5, batchesPerEpoch: 2 });
        expect(epoch).toEqual([0, 1]);
        expect(warnings[0]).toContain("Repeat it");
        // An epoch that finds nothing has no place in the history.
        const pairs = datasetOf(cuts.slice(0, 2), (from, size) => ({
          xs: x.slice([from], [size]),
          ys: tf.tensor1d(labels.slice(from, from + size), "int32"),
        }));
        const { history } = await training.fitDataset(pairs, {
          epochs: 3,
          batchesPerEpoch: 1,
          validationData: dataset,
        });
        expect([history["loss"]?.length, history["val_loss"]?.length]).toEqual([2, 2]);
      } finally {
        console.warn = warn;
      }
      training.dispose();
    });

    test("a batch with a NaN leaves batch normalisation as it was", async () => {
      const normalisation = tf.layers.batchNormalization();
      const model = tf.sequential({
        layers: [tf.layers.dense({ units: 3, inputShape: [2] }), normalisation, tf.layers.dense({ units: 3 })],
      });
      const training = withLoss(model, crossEntropy, { optimizer: tf.train.adam(0.1) });
      const averages = (): unknown => normalisation.getWeights().map((weight) => weight.arraySync());
      const good = tf.tensor2d([1, 2, 0, -1], [2, 2]);
      const y = tf.tensor1d([0, 1], "int32");
      const first = averages();
      await training.trainOnBatch(good, y);
      const before = averages();
      expect(before).not.toEqual(first);
      const { numTensors } = tf.memory();
      const bad = tf.tensor2d([1, Number.NaN, 0, -1], [2, 2]);
      expect((await training.trainOnBatch(bad, y))["loss"]).toBeNaN();
      bad.dispose();
      expect(averages()).toEqual(before);
      expect(tf.memory().numTensors).toBe(numTensors);
      await expect(training.trainOnBatch(good, tf.tensor1d([0, 7], "int32"))).rejects.toThrow("row 1 is 7");
      expect(averages()).toEqual(before);
      expect(tf.memory().numTensors).toBe(numTensors + 1);
      // What another training does in the meantime is not undone.
      const other = withLoss(dense(), crossEntropy, { optimizer: tf.train.momentum(0.1, 0.9) });
      await other.trainOnBatch(good, y);
      const skipped = training.trainOnBatch(tf.fill([2, 2], Number.NaN), y);
      const state = (): unknown =>
        (other.optimizer as never as { accumulations: { variable: tf.Tensor }[] }).accumulations.map(({ variable }) =>
          variable.arraySync(),
        );
      const momenta = state();
      await Promise.all([skipped, other.trainOnBatch(good, y)]);
      expect(state()).not.toEqual(momenta);
      other.dispose();
      const lost = await training.fit(tf.fill([2, 2], Number.NaN), y, { validationData: [good, y] });
      expect(lost.history["loss"]).toEqual([Number.NaN]);
      expect(lost.history["skipped"]).toEqual([1]);
      expect(lastOf(lost, "val_loss")).toBeFinite();
      training.dispose();
    });

    test("validation by data with weights and by a split; early stopping; callbacks of both forms; initialEpoch", async () => {
      const model = dense();
      const training = withLoss(model, crossEntropy, { optimizer: still(), metrics: [tokenAccuracy()] });
      const y = tf.tensor1d(labels, "int32");
      const weights = [1, 2, 3, 0, 0, 0, 1];
      const exact = evaluate(crossEntropy, { logits: logitsOf(model), labels, sampleWeight: weights });
      const seen: string[] = [];
      const history = await training.fit(x, y, {
        epochs: 50,
        initialEpoch: 40,
        batchSize: 4,
        validationData: [x, y, tf.tensor1d(weights)],
        yieldEvery: "never",
        callbacks: [
          tf.callbacks.earlyStopping({ monitor: "val_loss", patience: 2 }),
          new tf.CustomCallback({
            onTrainBegin: () => void seen.push("begin"),
            onBatchEnd: (batch, logs) => void seen.push(`${batch}:${logs?.["size"]}:${typeof logs?.["loss"]}`),
            onEpochEnd: (epoch, logs) => void seen.push(`${epoch}:${typeof logs?.["val_accuracy"]}`),
          }),
        ],
      });
      expect(lastOf(history, "val_loss")).toBeCloseTo(exact, 5);
      expect(history.epoch).toEqual([40, 41, 42]);
      expect(seen.slice(0, 4)).toEqual(["begin", "0:4:number", "1:3:number", "40:number"]);
      const split = await training.fit(x, y, { validationSplit: 0.3 });
      const held = evaluate(crossEntropy, {
        logits: (logitsOf(model) as never[]).slice(4) as never,
        labels: labels.slice(4),
      });
      expect(lastOf(split, "val_loss")).toBeCloseTo(held, 5);
      expect(lastOf(split, "tokens")).toBe(4);
      const stopped = await training.fit(x, y, {
        batchSize: 1,
        epochs: 3,
        callbacks: {
          onBatchEnd: (batch: number) => {
            if (batch === 2) model.stopTraining = true;
          },
        },
      });
      expect(lastOf(stopped, "tokens")).toBe(3);
      expect(stopped.epoch).toEqual([0]);
      training.dispose();
    });

    test("a seed gives the same orders again, and training from the middle the same weights", async () => {
      const y = tf.tensor1d(labels, "int32");
      const trained = async (calls: readonly [number, number][]): Promise<number[]> => {
        const model = dense();
        const training = withLoss(model, crossEntropy, { optimizer: tf.train.momentum(0.3, 0.5) });
        for (const [initialEpoch, epochs] of calls)
          await training.fit(x, y, { initialEpoch, epochs, batchSize: 2, seed: 5 });
        training.dispose();
        return [...(await model.getWeights()[0].data())];
      };
      const whole = await trained([[0, 4]]);
      expect(await trained([[0, 1], [1, 4]])).toEqual(whole); // biome-ignore format: pairs
      expect(await trained([[0, 2]])).not.toEqual(whole);
    });

    test("regularizers are in the loss, and named", async () => {
      const l2 = 0.1;
      const layer = tf.layers.dense({ units: 3, inputShape: [2], kernelRegularizer: tf.regularizers.l2({ l2 }) });
      const model = tf.sequential({ layers: [layer] });
      const training = withLoss(model, crossEntropy, { optimizer: still() });
      const y = tf.tensor1d(labels, "int32");
      const kernel = Array.from(await layer.getWeights()[0].data());
      const penalty = l2 * kernel.reduce((s, w) => s + w * w, 0);
      const exact = evaluate(crossEntropy, { logits: logitsOf(model), labels }) + penalty;
      for (const logs of [await training.evaluate(x, y), await training.trainOnBatch(x, y, { accumulate: 3 })]) {
        expect(logs["loss"]).toBeCloseTo(exact, 5);
        expect(logs["regularization"]).toBeCloseTo(penalty, 5);
      }
      training.dispose();
    });

    test("regularizers of cells, of both directions, of nested models; those of a shared layer once", async () => {
      const kernelRegularizer = tf.regularizers.l2({ l2: 0.1 });
      const shared = tf.layers.dense({ units: 2, kernelRegularizer });
      const input = tf.input({ shape: [3, 2] });
      const twice = tf.layers.add().apply([shared.apply(input), shared.apply(input)] as tf.SymbolicTensor[]);
      const recurrent = tf.layers.lstm({ units: 2, returnSequences: true, kernelRegularizer }) as tf.RNN;
      const both = tf.layers.bidirectional({ layer: recurrent, mergeMode: "sum" }).apply(twice);
      const last = tf.layers.timeDistributed({ layer: tf.layers.dense({ units: 3, kernelRegularizer }) });
      const nestedModel = tf.sequential({
        layers: [tf.layers.gru({ units: 2, kernelRegularizer, inputShape: [3, 2], returnSequences: true }), last],
      });
      const model = tf.model({ inputs: input, outputs: nestedModel.apply(both) as tf.SymbolicTensor });
      const training = withLoss(model, crossEntropy, { optimizer: still() });
      const kernels = model.trainableWeights.filter(({ name }) => /(?<!recurrent_)kernel/.test(name));
      expect(kernels.length).toBe(5);
      const squares = await Promise.all(kernels.map((kernel) => tf.sum(tf.square(kernel.read())).data()));
      const penalty = 0.1 * squares.reduce((all, [own]) => all + own, 0);
      const { numTensors } = tf.memory();
      const ones = tf.ones([2, 3, 2]);
      const y = tf.zeros([2, 3], "int32");
      expect((await training.evaluate(ones, y))["regularization"]).toBeCloseTo(penalty, 5);
      expect((await training.trainOnBatch(ones, y))["regularization"]).toBeCloseTo(penalty, 5);
      expect(tf.memory().numTensors - numTensors).toBe(2);
      training.dispose();
    });

    test("a teacher and inputs of rows are given beside y, and cut with it", async () => {
      const model = dense();
      const { input, lossOf, multiply, nll } = language;
      const loss = pipe(lossOf(multiply(nll, input("difficulty"))), add(distillation({ temperature: 2 })));
      const training = withLoss(model, loss, { optimizer: still() });
      const y = tf.tensor1d(labels, "int32");
      const [teacher, difficulty] = [random([7, 3], 5), tf.abs(random([7], 6))];
      const inputs = { difficulty: nested(difficulty) as number[] };
      const expected = evaluate(loss, { logits: logitsOf(model), labels, teacher: nested(teacher), inputs });
      const rows = { teacher, inputs: { difficulty } };
      const { history } = await training.fit(x, y, { ...rows, batchSize: 3, accumulate: 2 });
      expect(history["loss"]?.[0]).toBeCloseTo(expected, 4);
      expect((await training.evaluate(x, y, { ...rows, batchSize: 2 }))["loss"]).toBeCloseTo(expected, 4);
      await expect(training.evaluate(x, y)).rejects.toThrow("difficulty");
      training.dispose();
    });

    test("a softmax at the end is found, wherever it hides, and so are logits for probabilities", () => {
      const ends: readonly tf.layers.Layer[][] = [
        [tf.layers.dense({ units: 3, activation: "softmax", inputShape: [2] })],
        [tf.layers.dense({ units: 3, inputShape: [2] }), tf.layers.softmax()],
        [tf.layers.dense({ units: 3, inputShape: [2] }), tf.layers.activation({ activation: "softmax" })],
        [
          tf.layers.dense({ units: 3, activation: "softmax", inputShape: [2] }),
          tf.layers.reshape({ targetShape: [1, 3] }),
        ],
        [tf.sequential({ layers: [tf.layers.dense({ units: 3, activation: "softmax", inputShape: [2] })] })],
      ];
      for (const layers of ends) {
        const model = tf.sequential({ layers });
        expect(() => withLoss(model, crossEntropy, { optimizer: still() })).toThrow("ends in a softmax");
        withLoss(model, fromProbabilities(crossEntropy) as never, { optimizer: still() }).dispose();
      }
      expect(() => withLoss(dense(), fromProbabilities(crossEntropy) as never, { optimizer: still() })).toThrow(
        "is linear",
      );
    });

    test("nothing is left behind by any of the loops, nor by errors", async () => {
      const model = dense();
      const y = tf.tensor1d(labels, "int32");
      const sampleWeight = tf.ones([7]);
      const before = tf.memory().numTensors;
      const optimizer = tf.train.adam(0.01);
      const loss = pipe(crossEntropy, classWeights([1, 2, 3]), temperature(parameter("t", 1)));
      const training = withLoss(model, loss, {
        optimizer,
        metrics: [tokenAccuracy(), perplexity(), effectiveTokens()],
      });
      const dataset = datasetOf([{ from: 0, to: 3 }, { from: 3, to: 7 }], (from, size) => ({
        xs: x.slice([from], [size]),
        ys: y.slice([from], [size]),
      })); // biome-ignore format: two batches
      const all = async (): Promise<void> => {
        const args = { batchSize: 3, accumulate: 2, sampleWeight, classWeight: { 1: 2 }, yieldEvery: "never" } as const;
        await training.fit(x, y, { ...args, validationSplit: 0.3 });
        await training.fitDataset(dataset, { validationData: dataset, yieldEvery: "never" });
        await training.trainOnBatch(
          x,
          tf.tidy(() => y.toFloat()),
        );
        await training.evaluate(x, y, { sampleWeight });
        await training.evaluateDataset(dataset);
        await expect(
          training.fit(
            x,
            tf.tidy(() => y.add(5)),
          ),
        ).rejects.toThrow(LossError);
      };
      await all();
      const floats = 2;
      const early = tf.memory().numTensors;
      for (let i = 0; i < 5; i++) await all();
      expect(tf.memory().numTensors - early).toBe(5 * floats);
      training.dispose();
      optimizer.dispose();
      expect(tf.memory().numTensors - before).toBe(6 * floats);
    });
  });
}

/** A dataset of batches, without tf.data. */
function datasetOf(
  cuts: readonly { readonly from: number; readonly to: number }[],
  batch: (from: number, size: number) => object,
): { iterator(): Promise<{ next(): Promise<{ value: unknown; done: boolean }> }> } {
  return {
    iterator: async () => {
      let i = 0;
      return {
        next: async () => {
          const cut = cuts[i++];
          return cut === undefined
            ? { value: null, done: true }
            : { value: batch(cut.from, cut.to - cut.from), done: false };
        },
      };
    },
  };
}

describe("what is wrong is said", () => {
  beforeAll(startBackend("cpu"));

  const optimizer = tf.train.sgd(0.1);
  const y = (): tf.Tensor => tf.tensor1d([0, 1], "int32");
  const x = (): tf.Tensor => tf.zeros([2, 2]);
  const cases: Readonly<Record<string, readonly [() => unknown, string]>> = {
    "no model": [() => withLoss({} as never, crossEntropy, { optimizer }), "no tf.LayersModel"],
    "no options": [() => withLoss(dense(), crossEntropy, undefined as never), "Give { optimizer }"],
    perToken: [() => withLoss(dense(), pipe(crossEntropy, perToken) as never, { optimizer }), "End it in sum"],
    "two losses": [() => withLoss(dense(), [crossEntropy, crossEntropy], { optimizer }), "2 entries"],
    "another output": [() => withLoss(dense(), { nowhere: crossEntropy }, { optimizer }), "nowhere"],
    "fewer labels": [() => withLoss(dense(), crossEntropy, { optimizer }).fit(x(), tf.zeros([3])), "beside 2 examples"],
    "half a label": [
      () => withLoss(dense(), crossEntropy, { optimizer }).fit(x(), tf.tensor1d([0, 0.5])),
      "a label is 0.5",
    ],
    "other classes": [
      () => withLoss(dense(), crossEntropy, { optimizer }).fit(x(), tf.zeros([2, 4])),
      "soft labels in the shape",
    ],
    "a class too many": [
      () => withLoss(dense(), crossEntropy, { optimizer }).fit(x(), y(), { classWeight: { 0: -1 } }),
      "class 0 has the weight -1",
    ],
    "a weight for a class that is not there": [
      () => withLoss(dense(), crossEntropy, { optimizer }).fit(x(), y(), { classWeight: { 3: 2 } }),
      "there is no class 3",
    ],
    "a model that is frozen as a whole": [
      () => {
        const model = dense();
        model.layers[0].trainable = false;
        return withLoss(model, crossEntropy, { optimizer }).fit(x(), y());
      },
      "none of 0 is trainable",
    ],
    "weights of another shape": [
      () => withLoss(dense(), crossEntropy, { optimizer }).fit(x(), y(), { sampleWeight: tf.ones([2, 3]) }),
      "sampleWeight",
    ],
    "a split of all": [
      () => withLoss(dense(), crossEntropy, { optimizer }).fit(x(), y(), { validationSplit: 1 }),
      "below 1",
    ],
    "half an epoch": [
      () => withLoss(dense(), crossEntropy, { optimizer }).fit(x(), y(), { epochs: 0.5 }),
      "whole number",
    ],
    "an empty dataset": [
      () =>
        withLoss(dense(), crossEntropy, { optimizer }).fitDataset(
          datasetOf([], () => ({})),
          { epochs: 2 },
        ),
      "there is no batch",
    ],
    "no dataset": [() => withLoss(dense(), crossEntropy, { optimizer }).fitDataset([] as never), "Dataset of batches"],
    "a mask of numbers": [
      () => withLoss(dense(), crossEntropy, { optimizer }).fit(x(), y(), { mask: tf.ones([2]) }),
      "dtype float32",
    ],
    "a mask made of what is trained": [
      () => {
        const layers = [
          tf.layers.dense({ units: 2, inputShape: [2, 2] }),
          tf.layers.masking(),
          tf.layers.dense({ units: 2 }),
        ];
        const model = tf.sequential({ layers });
        return withLoss(model, crossEntropy, { optimizer }).fit(tf.zeros([1, 2, 2]), tf.zeros([1, 2], "int32"));
      },
      "not known before the model runs",
    ],
  };
  for (const [name, [run, message]] of Object.entries(cases)) {
    test(name, async () => {
      const error = await (async () => run())().then(
        () => null,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(LossError);
      expect((error as Error).message).toContain(message);
    });
  }

  test("a second fit while one is running", async () => {
    const training = withLoss(dense(), crossEntropy as AnyLoss as typeof crossEntropy, { optimizer });
    const first = training.fit(x(), y());
    await expect(training.fit(x(), y())).rejects.toThrow("Await one fit");
    await first;
  });
});
