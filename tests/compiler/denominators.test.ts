/** What each term is divided by: a pair of numbers a term, added over the rows and divided at the end. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  type Batch,
  classWeights,
  compile,
  confidencePenalty,
  crossEntropy,
  evaluate,
  focal,
  freqWeights,
  fromCounts,
  ignoreIndex,
  labelSmoothing,
  linear,
  mean,
  parameter,
  pipe,
  powerLaw,
  scale,
  sum,
  weightedMean,
  zLoss,
} from "lossmith";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { expectClose } from "../support/numbers.ts";

const logits = [
  [2, 1, 0.1],
  [0.5, 2.5, 0.3],
  [1, 1, 1],
  [0, 3, 0],
  [1, 0, 2],
];
const nll = logits.map((row) => row.map((z) => Math.log(row.reduce((s, x) => s + Math.exp(x), 0)) - z));
/** Rows 0 to 2 are valid: row 3 is ignored, row 4 masked. */
const labels = [0, 1, 2, -1, 1];
const mask = [true, true, true, true, false];
const sampleWeight = [0.5, 2, 0, 7, 7];
const w = [1, 2, 4];
const u = [3, 0.5, 1];

/** The denominators of a batch, without its logits. */
async function denominatorsOf(loss: AnyLoss, batch: Omit<Batch, "logits">): Promise<number[]> {
  const compiled = compile(loss);
  const tensor = compiled.denominators(batch);
  const values = [...(await tensor.data())];
  tensor.dispose();
  compiled.dispose();
  return values;
}

for (const backend of backends) {
  describe(`denominators, ${backend}`, () => {
    beforeAll(startBackend(backend));

    const weighted = pipe(crossEntropy, classWeights(w), ignoreIndex(-1));

    test("a weighted mean divides by Σ sampleWeight · w_y over the valid rows", async () => {
      const batch = { labels, mask, sampleWeight };
      expectClose(await denominatorsOf(weighted, batch), [0.5 * w[0] + 2 * w[1]], 1e-6);
      const numerator = 0.5 * w[0] * nll[0][0] + 2 * w[1] * nll[1][1];
      const expected = numerator / (0.5 * w[0] + 2 * w[1]);
      expect(evaluate(weighted, { logits, ...batch })).toBeCloseTo(expected, 12);
      expectClose((await runCompiled(weighted, { logits, ...batch }, [5, 3])).value, [expected], 1e-6);
    });

    test("the weights of several fields multiply in it", async () => {
      const loss = pipe(weighted, classWeights(u));
      expectClose(await denominatorsOf(loss, { labels, mask }), [3 + 1 + 4], 1e-6);
    });

    test("laws and schedules of the field reach it", async () => {
      const loss = pipe(
        crossEntropy,
        freqWeights(fromCounts([4, 16, 1])),
        powerLaw(linear({ init: 0, end: 1, steps: 2 }), { epsilon: 0 }),
      );
      const at = (step: number): Promise<number[]> => denominatorsOf(loss, { labels: [0, 1, 2], step });
      expectClose(await at(0), [3], 1e-6);
      expectClose(await at(1), [1 / 2 + 1 / 4 + 1], 1e-6);
      expectClose(await at(2), [1 / 4 + 1 / 16 + 1], 1e-6);
    });

    test("under soft labels q it is Σ sampleWeight · Σ_c q_c w_c, whatever q sums to", async () => {
      const q = [
        [0.2, 0.5, 0.3],
        [1, 0.5, 0],
        [0, 0, 0],
      ];
      const each = q.map((row) => row.reduce((total, x, c) => total + x * w[c], 0));
      const batch = { labels: tf.tensor2d(q), sampleWeight: [2, 1, 1] };
      expectClose(await denominatorsOf(weighted, batch), [2 * each[0] + each[1]], 1e-6);
      batch.labels.dispose();
    });

    test("labels before smoothing, and nothing of focal, scale or a trained scale, make it", async () => {
      const batch = { labels, mask, sampleWeight };
      const plain = await denominatorsOf(weighted, batch);
      for (const change of [
        labelSmoothing(0.3),
        focal({ gamma: 2, alpha: [5, 6, 7] }),
        scale(3),
        scale(parameter("s", 4)),
      ])
        expect(await denominatorsOf(pipe(weighted, change), batch)).toEqual(plain);
    });

    test("a mean divides by the number of valid rows, rows of sample weight 0 included", async () => {
      expect(await denominatorsOf(pipe(weighted, mean), { labels, mask, sampleWeight })).toEqual([3]);
      const soft = { labels: tf.zeros([4, 3]), mask: [true, false, true, true], sampleWeight: [0, 1, 2, 3] };
      expect(await denominatorsOf(pipe(weighted, mean), soft)).toEqual([3]);
      soft.labels.dispose();
    });

    test("a sum is divided by nothing, which is written as 0", async () => {
      expect(await denominatorsOf(pipe(weighted, sum), { labels, mask })).toEqual([0]);
    });

    test("one number a term, in the order of the terms, each by its own reduction", async () => {
      const loss = pipe(
        crossEntropy,
        mean,
        add(pipe(crossEntropy, sum)),
        add(pipe(crossEntropy, classWeights(w), zLoss(0.1), confidencePenalty(0.1), weightedMean)),
        ignoreIndex(-1),
      );
      const batch = { labels, mask, sampleWeight: [1, 3, 1, 1, 1] };
      expect(await denominatorsOf(loss, batch)).toEqual([3, 0, w[0] + 3 * w[1] + w[2], 5, 5]);
    });

    test("given denominators take the place of the batch's own, each at its term, and leave sums alone", async () => {
      const loss = pipe(crossEntropy, mean, add(pipe(crossEntropy, sum)), add(weighted));
      const compiled = compile(loss);
      const z = tf.tensor2d(logits.slice(0, 2));
      const run = async (denominators: number[]): Promise<number> => {
        const value = compiled({ logits: z, labels: [0, 1], denominators });
        const [number] = await value.data();
        value.dispose();
        return number;
      };
      const [a, b] = [nll[0][0], nll[1][1]];
      for (const [first, third] of [
        [2, 3],
        [10, 7],
      ]) {
        const expected = (a + b) / first + (a + b) + (w[0] * a + w[1] * b) / third;
        expectClose([await run([first, 0, third])], [expected], 1e-6);
        expectClose([await run([first, 99, third])], [expected], 1e-6);
      }
      compiled.dispose();
      z.dispose();
    });

    test("a denominator of 0 gives 0, with a gradient of 0: weights of 0 at every label, or 0 given", async () => {
      const nothing = pipe(crossEntropy, classWeights([0, 0, 1]));
      const batch = { logits: logits.slice(0, 2), labels: [0, 1] };
      expect(evaluate(nothing, batch)).toBe(0);
      const { value, gradient } = await runCompiled(nothing, batch, [2, 3]);
      expect(value).toEqual([0]);
      expect(gradient.map(Math.abs)).toEqual(new Array(6).fill(0));

      const compiled = compile(crossEntropy);
      const z = tf.tensor2d(batch.logits);
      const given = tf.valueAndGrad((x: tf.Tensor) => compiled({ logits: x, labels: [0, 1], denominators: [0] }))(z);
      expect([...(await given.value.data())]).toEqual([0]);
      expect([...(await given.grad.data())].map(Math.abs)).toEqual(new Array(6).fill(0));
      tf.dispose([z, given]);
    });

    test("a term of 0 over 0 leaves the other terms as they are", async () => {
      const loss = pipe(crossEntropy, classWeights([0, 0, 1]), add(pipe(crossEntropy, sum)));
      const batch = { logits: logits.slice(0, 2), labels: [0, 1] };
      const expected = nll[0][0] + nll[1][1];
      expect(evaluate(loss, batch)).toBeCloseTo(expected, 12);
      expectClose((await runCompiled(loss, batch, [2, 3])).value, [expected], 1e-6);
    });

    test("parts are Σ sampleWeight · value and the denominators, and combine to the loss", async () => {
      const loss = compile(pipe(weighted, zLoss(0.1)));
      const z = tf.tensor2d(logits);
      const batch = { logits: z, labels, mask, sampleWeight };
      const parts = loss.parts(batch);
      const squares = logits.map((row) => Math.log(row.reduce((s, x) => s + Math.exp(x), 0)) ** 2);
      const expected = [0.5 * w[0] * nll[0][0] + 2 * w[1] * nll[1][1], 0.1 * (0.5 * squares[0] + 2 * squares[1])];
      expectClose([...(await parts.numerators.data())], expected, 1e-6);
      expectClose([...(await parts.denominators.data())], [0.5 * w[0] + 2 * w[1], 2.5], 1e-6);
      const [combined, direct] = [loss.combine(parts), loss(batch)];
      expectClose([...(await combined.data())], [...(await direct.data())], 1e-6);
      loss.dispose();
      tf.dispose([z, parts.numerators, parts.denominators, combined, direct]);
    });

    test("no valid row gives denominators of 0", async () => {
      expect(await denominatorsOf(weighted, { labels: [-1, 0], mask: [true, false] })).toEqual([0]);
      expect(await denominatorsOf(pipe(weighted, mean), { labels: [] })).toEqual([0]);
    });
  });
}
