/** A model taken apart before its last layer trains as it does whole, and is saved as before. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { compile, compileLinear, crossEntropy, focal, LossError, pipe } from "lossmith";
import { linearHead, withLoss } from "lossmith/training";
import { backends, startBackend } from "../support/backends.ts";

const vocabulary = 11;

function languageModel(last: Partial<tf.serialization.ConfigDict> = {}): tf.Sequential {
  const initializer = (seed: number): ReturnType<typeof tf.initializers.randomNormal> =>
    tf.initializers.randomNormal({ seed, stddev: 0.5 });
  const model = tf.sequential();
  model.add(
    tf.layers.embedding({
      ...{ inputDim: vocabulary, outputDim: 5, inputLength: 4 },
      embeddingsInitializer: initializer(1),
    }),
  );
  model.add(tf.layers.dense({ units: 6, activation: "tanh", kernelInitializer: initializer(2) }));
  model.add(tf.layers.dense({ units: vocabulary, kernelInitializer: initializer(3), ...last }));
  return model;
}

const x = [
  [1, 2, 3, 4],
  [5, 6, 7, 8],
];
const labels = [
  [2, 3, 4, 5],
  [6, 7, 8, 9],
];

for (const backend of backends) {
  describe(`linearHead, ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("gives every variable of the model the gradient of the dense form", async () => {
      const data = pipe(crossEntropy, focal({ gamma: 2 }));
      for (const useBias of [true, false]) {
        const model = languageModel({ useBias });
        const input = tf.tensor2d(x);
        const head = linearHead(model);
        const [dense, linear] = [compile(data), compileLinear(data, { tileRows: 3 })];
        const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
        const whole = tf.variableGrads(
          () => dense({ logits: model.apply(input, { training: true }) as tf.Tensor, labels }),
          variables,
        );
        const apart = tf.variableGrads(() => linear({ ...head.apply(input), labels }), variables);
        expect(Math.abs(whole.value.dataSync()[0] - apart.value.dataSync()[0])).toBeLessThan(1e-6);
        expect(Object.keys(apart.grads).sort()).toEqual(variables.map(({ name }) => name).sort());
        for (const { name } of variables) {
          const error = tf.norm(tf.sub(apart.grads[name], whole.grads[name])).div(tf.norm(whole.grads[name]));
          expect((await error.data())[0]).toBeLessThan(2e-5);
        }
      }
    });

    test("trains the model itself, which is saved as before", async () => {
      const model = languageModel({ activation: "softmax" });
      const input = tf.tensor2d(x);
      const saved = async (): Promise<tf.io.ModelArtifacts> => {
        let artifacts: tf.io.ModelArtifacts | null = null;
        await model.save(
          tf.io.withSaveHandler(async (given) => {
            artifacts = given;
            return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: "JSON" } };
          }),
        );
        return artifacts as unknown as tf.io.ModelArtifacts;
      };
      const untouched = await saved();
      const head = linearHead(model);
      const loss = compileLinear(crossEntropy);
      const optimizer = tf.train.adam(0.05);
      for (let i = 0; i < 60; i++) optimizer.minimize(() => loss({ ...head.apply(input), labels }));
      const predicted = (model.predict(input) as tf.Tensor).argMax(-1);
      expect(predicted.arraySync()).toEqual(labels);
      const after = await saved();
      expect(after.modelTopology).toEqual(untouched.modelTopology as object);
      expect(after.weightSpecs).toEqual(untouched.weightSpecs as object[] as never);
      optimizer.dispose();
    });

    test("rows that the model's layers mask do not count, and a TimeDistributed dense layer is one", async () => {
      const initializer = (seed: number): ReturnType<typeof tf.initializers.randomNormal> =>
        tf.initializers.randomNormal({ seed, stddev: 0.5 });
      const model = tf.sequential({
        layers: [
          tf.layers.embedding({
            ...{ inputDim: vocabulary, outputDim: 4, inputShape: [4], maskZero: true },
            embeddingsInitializer: initializer(1),
          }),
          tf.layers.lstm({ units: 4, returnSequences: true, kernelInitializer: initializer(2) }),
          tf.layers.timeDistributed({
            layer: tf.layers.dense({ units: vocabulary, kernelInitializer: initializer(3) }),
          }),
        ],
      });
      const padded = tf.tensor2d([
        [1, 2, 3, 0],
        [5, 0, 0, 0],
      ]);
      const mask = [
        [true, true, true, false],
        [true, false, false, false],
      ];
      const head = linearHead(model);
      const [dense, linear] = [compile(crossEntropy), compileLinear(crossEntropy, { tileRows: 3 })];
      const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
      const logits = (): tf.Tensor => model.apply(padded, { training: true }) as tf.Tensor;
      const whole = tf.variableGrads(() => dense({ logits: logits(), labels, mask }), variables);
      const apart = tf.variableGrads(() => linear({ ...head.apply(padded), labels }), variables);
      expect(Math.abs(whole.value.dataSync()[0] - apart.value.dataSync()[0])).toBeLessThan(1e-6);
      for (const { name } of variables) {
        const error = tf.norm(tf.sub(apart.grads[name], whole.grads[name])).div(tf.norm(whole.grads[name]));
        expect((await error.data())[0]).toBeLessThan(2e-5);
      }
      const training = withLoss(model, crossEntropy, { optimizer: tf.train.sgd(0) });
      const logs = await training.evaluate(padded, tf.tensor2d(labels, undefined, "int32"));
      expect(logs["loss"]).toBeCloseTo(apart.value.dataSync()[0], 5);
      const before = tf.memory().numTensors;
      tf.tidy(() => linear({ ...head.apply(padded), labels }).dataSync());
      expect(tf.memory().numTensors).toBe(before);
      training.dispose();
    });

    test("a layer that is not trainable gets no gradient", () => {
      const model = languageModel();
      model.layers[2].trainable = false;
      const head = linearHead(model);
      const loss = compileLinear(crossEntropy);
      const { grads } = tf.variableGrads(() => loss({ ...head.apply(tf.tensor2d(x)), labels }));
      expect(Object.keys(grads)).toHaveLength(3);
    });

    test("a model without such a layer is told so", () => {
      const ends = (add: (model: tf.Sequential) => void): (() => unknown) => {
        const model = languageModel();
        add(model);
        return () => linearHead(model);
      };
      expect(ends((model) => model.add(tf.layers.dropout({ rate: 0.1 })))).toThrow("ends in a Dropout layer");
      expect(ends((model) => model.add(tf.layers.dense({ units: 3, activation: "relu" })))).toThrow(
        "activation is relu",
      );
      for (const other of [undefined, null, {}]) expect(() => linearHead(other as never)).toThrow("Give a LayersModel");
      const input = tf.input({ shape: [3] });
      const outputs = [tf.layers.dense({ units: 2 }), tf.layers.dense({ units: 2 })].map(
        (layer) => layer.apply(input) as tf.SymbolicTensor,
      );
      expect(() => linearHead(tf.model({ inputs: input, outputs }))).toThrow(LossError);
    });
  });
}
