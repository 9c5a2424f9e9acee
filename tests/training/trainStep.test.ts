/** Steps of loops by hand: what optimizer.minimize does, and what it does not. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  at,
  classWeights,
  compile,
  crossEntropy,
  focal,
  ignoreIndex,
  LossError,
  linear,
  meanSquaredError,
  parameter,
  perToken,
  pipe,
  powerLaw,
  scale,
  sum,
  temperature,
  zLoss,
} from "lossmith";
import { effectiveTokens, perplexity, stepClock, tokenAccuracy, trainStep } from "lossmith/training";
import { backends, startBackend } from "../support/backends.ts";
import { expectClose } from "../support/numbers.ts";

const x = [
  [1, 0, 0.5],
  [0, 1, -0.5],
  [1, 1, 0],
  [0.3, -1, 2],
];
const labels = [0, 1, 2, -1];

function weightsOf(seed: number): tf.Variable<tf.Rank.R2> {
  return tf.tidy(() => tf.variable(tf.randomUniform<tf.Rank.R2>([3, 3], -1, 1, "float32", seed)));
}

for (const backend of backends) {
  describe(`trainStep, ${backend}`, () => {
    beforeAll(startBackend(backend));

    const optimizers = {
      sgd: () => tf.train.sgd(0.1),
      momentum: () => tf.train.momentum(0.1, 0.9),
      adam: () => tf.train.adam(0.1),
      adamax: () => tf.train.adamax(0.1),
      rmsprop: () => tf.train.rmsprop(0.1, 0.9),
      adagrad: () => tf.train.adagrad(0.1),
      adadelta: () => tf.train.adadelta(0.1),
    };
    for (const [name, make] of Object.entries(optimizers)) {
      test(`${name} moves the weights as by minimize, with a schedule and a trained temperature`, async () => {
        const gamma = linear({ init: 0, end: 2, steps: 4 });
        const data = pipe(crossEntropy, temperature(parameter("t", 1.5)), focal({ gamma }), ignoreIndex(-1));
        const input = tf.tensor2d(x);
        const expected = weightsOf(3);
        const loss = compile(data);
        const plain = make();
        for (let step = 0; step < 5; step++) {
          plain.minimize(() => loss({ logits: tf.matMul(input, expected), labels, step }), false, [
            expected,
            loss.variables.get("t") as tf.Variable,
          ]);
        }
        const weights = weightsOf(3);
        const optimizer = make();
        const step = trainStep({ optimizer, loss: data, model: (of: tf.Tensor2D) => tf.matMul(of, weights) });
        for (let t = 0; t < 5; t++) await step({ x: input, labels });
        expectClose([...(await weights.data())], [...(await expected.data())], 2e-6);
        const [t, known] = [step.parameters.get("t"), loss.variables.get("t")] as tf.Variable[];
        expectClose([...(await t.data())], [...(await known.data())], 2e-6);
        expect((await t.data())[0]).not.toBe(1.5);
        expect(step.clock.step).toBe(5);
        step.dispose();
        tf.dispose([input, expected, weights, known]);
      });
    }

    test("logs the loss, its terms, metrics, and the values of schedules and parameters", async () => {
      const alpha = linear({ init: 0, end: 1, steps: 10 });
      const data = pipe(
        crossEntropy,
        classWeights([4, 2, 1], { counts: [4, 2, 1] }),
        powerLaw(alpha),
        zLoss(0.1),
        scale(parameter("s", 2)),
        ignoreIndex(-1),
      );
      const input = tf.tensor2d(x);
      const weights = weightsOf(1);
      const clock = stepClock(4);
      const step = trainStep({
        optimizer: tf.train.sgd(0.1),
        loss: data,
        model: (of: tf.Tensor2D) => tf.matMul(of, weights),
        metrics: [tokenAccuracy(), perplexity(), effectiveTokens()],
        terms: ["weighted", "z"],
        clock,
      });
      const logits = tf.matMul(input, weights).arraySync() as number[][];
      const sampleWeight = [1, 2, 0.5, 9];
      const { logs, loss } = await step({ x: input, labels, sampleWeight });
      const nll = logits.map((row) => row.map((z) => Math.log(row.reduce((s, v) => s + Math.exp(v), 0)) - z));
      const valid = [0, 1, 2];
      const meanNll = valid.reduce((s, i) => s + nll[i][labels[i]], 0) / 3;
      const right = valid.filter((i) => logits[i].indexOf(Math.max(...logits[i])) === labels[i]).length;
      const w = valid.map((i) => sampleWeight[i] * [4, 2, 1][labels[i]] ** -at(alpha, 4));
      expect(logs["accuracy"]).toBeCloseTo(right / 3, 6);
      expect(logs["perplexity"]).toBeCloseTo(Math.exp(meanNll), 4);
      const sums = [w.reduce((s, v) => s + v, 0), w.reduce((s, v) => s + v * v, 0)];
      expect(logs["effectiveTokens"]).toBeCloseTo(sums[0] ** 2 / sums[1], 4);
      expect(logs["tokens"]).toBe(3);
      expect(logs["powerLaw(alpha)"]).toBeCloseTo(0.4, 6);
      expect(logs["weighted"] + logs["z"]).toBeCloseTo(loss, 5);
      const first = (2 * valid.reduce((s, i, k) => s + w[k] * nll[i][labels[i]], 0)) / sums[0];
      expect(logs["weighted"]).toBeCloseTo(first, 4);
      expect(logs["s"]).not.toBe(2);
      step.dispose();
      tf.dispose([input, weights]);
    });

    test("gradients longer than clipNorm are scaled down to it, and shorter ones are left alone", async () => {
      const moved = async (clipNorm: number): Promise<{ norm: number; reported: number }> => {
        const weights = weightsOf(2);
        const before = await weights.data();
        const step = trainStep({
          optimizer: tf.train.sgd(1),
          loss: pipe(crossEntropy, ignoreIndex(-1), sum),
          model: () => tf.matMul(tf.tensor2d(x), weights),
          clipNorm,
        });
        const { gradientNorm } = await step({ x: null, labels });
        const after = await weights.data();
        step.dispose();
        return { norm: Math.hypot(...after.map((v, i) => v - before[i])), reported: gradientNorm };
      };
      const free = await moved(1e9);
      expect(free.norm).toBeCloseTo(free.reported, 4);
      expect((await moved(0.01)).norm).toBeCloseTo(0.01, 5);
      expect((await moved(0.01)).reported).toBeCloseTo(free.reported, 5);
    });

    test("a step that is not finite changes nothing, is reported, and too many are an error", async () => {
      const weights = weightsOf(2);
      const optimizer = tf.train.adam(0.1);
      const skipped: string[] = [];
      const step = trainStep({
        optimizer,
        loss: pipe(meanSquaredError, sum),
        model: (of: tf.Tensor2D) => tf.matMul(of, weights),
        maxSkips: 1,
        onSkip: (t, reason) => skipped.push(`${t}: ${reason}`),
      });
      const targets = tf.zeros([1, 3]);
      const [good, bad] = [tf.tensor2d([[1, 2, 3]]), tf.tensor2d([[1, Number.NaN, 3]])];
      await step({ x: good, targets });
      const before = await weights.data();
      const iterations = optimizer.iterations;
      const result = await step({ x: bad, targets });
      expect(result.skipped).toBe("the loss is NaN");
      expect(skipped).toEqual(["1: the loss is NaN"]);
      expect([...(await weights.data())]).toEqual([...before]);
      expect(optimizer.iterations).toBe(iterations);
      expect(step.clock.step).toBe(2);
      expect((await step({ x: good, targets })).skipped).toBeNull();
      await step({ x: bad, targets });
      await expect(step({ x: bad, targets })).rejects.toThrow("at step 4, the last of 2 such steps in a row");
      // A gradient can be infinite where the loss is not.
      const huge = tf.tensor2d([[1e30, 0, 0]]);
      const far = trainStep({
        optimizer,
        loss: pipe(meanSquaredError, scale(1e-38), sum),
        model: (of: tf.Tensor2D) => tf.mul(tf.sqrt(tf.matMul(of, tf.mul(weights, 0))), 1),
      });
      expect((await far({ x: huge, targets })).skipped).toContain("the norm of the gradient is");
      step.dispose();
      far.dispose();
      tf.dispose([weights, targets, good, bad, huge]);
    });

    test("the norm of gradients whose squares overflow is finite", async () => {
      const weights = tf.variable(tf.scalar(1));
      const step = trainStep({
        optimizer: tf.train.sgd(1),
        loss: pipe(meanSquaredError, sum),
        model: () => tf.mul(weights, 1e15).reshape([1, 1]),
        clipNorm: 0.5,
      });
      const { gradientNorm, skipped } = await step({ x: null, targets: [[0]] });
      expect(skipped).toBeNull();
      expect(gradientNorm / 2e30).toBeCloseTo(1, 4);
      expect((await weights.data())[0]).toBeCloseTo(0.5, 5);
    });

    test("a learning rate that is scheduled reaches each optimizer", async () => {
      for (const make of [() => tf.train.sgd(9), () => tf.train.momentum(9, 0.5), () => tf.train.adam(9)]) {
        const weights = weightsOf(2);
        const learningRate = linear({ init: 0, end: 1, steps: 2 });
        const loss = pipe(crossEntropy, ignoreIndex(-1));
        const step = trainStep({
          optimizer: make(),
          loss,
          model: () => tf.matMul(tf.tensor2d(x), weights),
          learningRate,
        });
        const before = await weights.data();
        await step({ x: null, labels });
        expect([...(await weights.data())]).toEqual([...before]);
        await step({ x: null, labels });
        expect([...(await weights.data())]).not.toEqual([...before]);
        step.dispose();
      }
    });
  });
}

describe("what is wrong is said", () => {
  beforeAll(startBackend("cpu"));

  const model = (): tf.Tensor => tf.zeros([1, 2]);
  const optimizer = tf.train.sgd(1);
  const wrong: readonly [string, object, string][] = [
    ["no optimizer", { optimizer: "adam", loss: crossEntropy, model }, "tf.train"],
    ["no model", { optimizer, loss: crossEntropy }, "Give a function of x"],
    ["no loss", { optimizer, model }, "in place of a loss"],
    ["perToken", { optimizer, model, loss: pipe(crossEntropy, perToken) }, "End it in sum"],
    ["a clip of 0", { optimizer, model, loss: crossEntropy, clipNorm: 0 }, "above 0"],
    ["half a skip", { optimizer, model, loss: crossEntropy, maxSkips: 0.5 }, "whole number"],
    [
      "too few names",
      { optimizer, model, loss: pipe(crossEntropy, zLoss(1)), terms: ["a"] },
      "1 names for the 2 terms",
    ],
    [
      "a term that is called as the loss",
      { optimizer, model, loss: pipe(crossEntropy, zLoss(1)), terms: ["loss", "z"] },
      'two numbers of the name "loss"',
    ],
    [
      "two metrics of one name",
      { optimizer, model, loss: crossEntropy, metrics: [tokenAccuracy(), tokenAccuracy({ weighted: true })] },
      'two numbers of the name "accuracy"',
    ],
    ["accuracy of values", { optimizer, model, loss: meanSquaredError, metrics: [tokenAccuracy()] }, "no classes"],
    ["perplexity of values", { optimizer, model, loss: meanSquaredError, metrics: [perplexity()] }, "no classes"],
    ["an endless rate", { optimizer, model, loss: crossEntropy, learningRate: Number.NaN }, "learningRate"],
  ];
  for (const [name, options, message] of wrong) {
    test(name, () => {
      const { numTensors } = tf.memory();
      expect(() => trainStep(options as never)).toThrow(LossError);
      expect(() => trainStep(options as never)).toThrow(message);
      expect(tf.memory().numTensors).toBe(numTensors);
    });
  }

  test("a batch without x, with a step of its own, or a second step before the first is done", async () => {
    const weights = tf.variable(tf.zeros([1, 2]));
    const step = trainStep({ optimizer, loss: crossEntropy as AnyLoss as typeof crossEntropy, model: () => weights });
    await expect(step({ labels: [0] } as never)).rejects.toThrow("no x");
    await expect(step({ x: 0, labels: [0], step: 3 } as never)).rejects.toThrow("Leave step out");
    const first = step({ x: 0, labels: [0] });
    await expect(step({ x: 0, labels: [0] })).rejects.toThrow("Await each step");
    await first;
    const { numTensors } = tf.memory();
    await expect(step({ x: 0, labels: [7] })).rejects.toThrow(LossError);
    expect(tf.memory().numTensors).toBe(numTensors);
    expect(step.clock.step).toBe(1);
    step.dispose();
    const apart = trainStep({ optimizer, loss: crossEntropy, model: () => tf.zeros([1, 2]) });
    await expect(apart({ x: 0, labels: [0] })).rejects.toThrow(LossError);
    expect(tf.memory().numTensors).toBe(numTensors);
    weights.dispose();
  });
});
