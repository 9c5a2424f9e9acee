/** Compiled losses in LayersModel's own training loop. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { classWeights, compile, crossEntropy, focal, perToken, pipe } from "lossmith";
import { backends, startBackend } from "../support/backends.ts";

for (const backend of backends) {
  describe(`model.fit, ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("lowers a composed loss on one-hot labels, and leaks nothing", async () => {
      const loss = compile(pipe(crossEntropy, classWeights([1, 2, 1]), focal({ gamma: 1 }), perToken));
      const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [4] })] });
      // LayersModel wants one number a row from a loss, and gives it labels of the output's shape.
      model.compile({
        optimizer: tf.train.adam(0.05),
        loss: (labels: tf.Tensor, logits: tf.Tensor) => loss({ logits, labels }),
      });
      const x = tf.tensor2d([
        [1, 0, 0, 1],
        [0, 1, 0, 1],
        [0, 0, 1, 1],
        [1, 1, 0, 0],
      ]);
      const y = tf.tensor2d([
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
        [0, 1, 0],
      ]);
      await model.fit(x, y, { epochs: 1, verbose: 0 });
      const { numTensors } = tf.memory();
      const history = await model.fit(x, y, { epochs: 60, verbose: 0 });
      const losses = history.history["loss"] as number[];
      expect(losses[59]).toBeLessThan(losses[0] / 2);
      expect(tf.memory().numTensors).toBe(numTensors);
      loss.dispose();
      model.dispose();
      tf.dispose([x, y]);
    });
  });
}
