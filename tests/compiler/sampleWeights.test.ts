/** Sample weights: their place in values and denominators, and their gradient, for those who learn them. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  classWeights,
  compile,
  crossEntropy,
  evaluate,
  ignoreIndex,
  mean,
  perToken,
  pipe,
  sum,
} from "lossmith";
import { backends, startBackend } from "../support/backends.ts";
import { expectClose, flat } from "../support/numbers.ts";

const batch = {
  logits: [
    [2, 1, 0.1],
    [0.5, 2.5, 0.3],
    [1, 1, 1],
    [0, 3, 0],
  ],
  labels: [0, 1, 2, -1],
};
const weights = [0.5, 2, 0, 1];
const losses: Readonly<Record<string, AnyLoss>> = {
  "weighted mean": pipe(crossEntropy, classWeights([1, 2, 3]), ignoreIndex(-1)),
  mean: pipe(crossEntropy, classWeights([1, 2, 3]), ignoreIndex(-1), mean),
  sum: pipe(crossEntropy, ignoreIndex(-1), sum),
  "one number a token": pipe(crossEntropy, classWeights([1, 2, 3]), ignoreIndex(-1), perToken),
};

for (const backend of backends) {
  describe(`sample weights, ${backend}`, () => {
    beforeAll(startBackend(backend));

    for (const [name, loss] of Object.entries(losses)) {
      test(`the gradient agrees with finite differences, at a weight of 0 too: ${name}`, async () => {
        const compiled = compile(loss);
        const [z, w] = [tf.tensor2d(batch.logits), tf.tensor1d(weights)];
        const gradient = tf.grad((x: tf.Tensor) =>
          tf.sum(compiled({ labels: batch.labels, logits: z, sampleWeight: x })),
        )(w);
        const at = (row: number, h: number): number => {
          const sampleWeight = weights.map((x, i) => (i === row ? x + h : x));
          return flat(evaluate(loss as typeof crossEntropy, { ...batch, sampleWeight })).reduce((a, b) => a + b, 0);
        };
        const expected = weights.map((_, row) => (at(row, 1e-6) - at(row, 0)) / 1e-6);
        expectClose([...(await gradient.data())], expected, 1e-4);
        tf.dispose([z, w, gradient]);
        compiled.dispose();
      });
    }

    test("mean divides by the number of valid rows, whatever their weights", () => {
      const each = flat(evaluate(pipe(crossEntropy, ignoreIndex(-1), perToken), batch));
      const expected = (0.5 * each[0] + 2 * each[1]) / 3;
      const weighted = { ...batch, sampleWeight: weights };
      expect(evaluate(pipe(crossEntropy, ignoreIndex(-1), mean), weighted)).toBeCloseTo(expected, 12);
    });
  });
}
