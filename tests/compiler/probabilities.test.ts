/** Batches whose logits are probabilities. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  compile,
  crossEntropy,
  distillation,
  evaluate,
  evaluateGradient,
  explain,
  fromProbabilities,
  ignoreIndex,
  klDivergence,
  labelSmoothing,
  mean,
  type PlainBatch,
  parameter,
  perToken,
  pipe,
  show,
  sum,
  temperature,
  zLoss,
} from "lossmith";
import { backends, behindGlass, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { distance, flat } from "../support/numbers.ts";

const batch: PlainBatch = {
  logits: [
    [0.05, 0.95, 0],
    [0.125, 0.75, 0.125],
    [0.9999999, 6e-8, 4e-8],
    [0.2, 0.3, 0.5],
  ],
  labels: [1, 2, 1, -1],
  teacher: [
    [0, 1, 2],
    [0, 0, 0],
    [3, 0, 1],
    [1, 1, 1],
  ],
};
const shape = [4, 3];

const losses: Readonly<Record<string, AnyLoss>> = {
  "cross entropy": pipe(crossEntropy, fromProbabilities, ignoreIndex(-1), perToken),
  "a smoothed and tempered loss": pipe(
    crossEntropy,
    labelSmoothing(0.1),
    temperature(2),
    fromProbabilities,
    ignoreIndex(-1),
  ),
  "two terms, one of a teacher's logits": pipe(
    crossEntropy,
    add(distillation({ temperature: 2 })),
    ignoreIndex(-1),
    mean,
    fromProbabilities,
  ),
};

async function expectReference(loss: AnyLoss): Promise<void> {
  const { value, gradient } = await runCompiled(loss, batch, shape);
  expect(distance(value, flat(evaluate(loss as never, batch)))).toBeLessThan(2e-6);
  const expected = flat(evaluateGradient(loss, batch));
  // Row by row: the gradient of a small probability is large.
  for (let row = 0; row < 4; row++) {
    const [from, to] = [3 * row, 3 * row + 3];
    expect(distance(gradient.slice(from, to), expected.slice(from, to))).toBeLessThan(5e-6);
  }
}

test("the reference's gradient agrees with finite differences, and is 0 where a probability is too small", () => {
  for (const loss of Object.values(losses)) {
    const rows = batch.logits as number[][];
    const gradient = flat(evaluateGradient(loss, batch));
    for (let i = 0; i < 12; i++) {
      const at = (h: number): number => {
        const moved = rows.map((row, r) => row.map((p, c) => (3 * r + c === i ? p * (1 + h) : p)));
        return flat(evaluate(loss as never, { ...batch, logits: moved })).reduce((a, b) => a + b, 0);
      };
      const p = flat(rows)[i];
      // Relative to the probability, which may be small.
      const difference = (at(1e-4) - at(-1e-4)) / 2e-4;
      expect(Math.abs(gradient[i] * p - difference)).toBeLessThan(1e-7);
      if (p < 1e-7) expect(Math.abs(gradient[i])).toBe(0);
    }
  }
});

for (const backend of backends) {
  describe(`probabilities on ${backend}`, () => {
    beforeAll(startBackend(backend));
    for (const [name, loss] of Object.entries(losses)) {
      test(`${name} is the reference's`, () => expectReference(loss));
    }

    test("cross entropy and its gradient are those of −log p of a softmax, through the softmax", async () => {
      const loss = compile(pipe(crossEntropy, fromProbabilities, sum));
      const plain = compile(pipe(crossEntropy, sum));
      const z = tf.tensor2d([2, 1, 0.1, 0.5, 2.5, 0.3], [2, 3]);
      const labels = [0, 2];
      const through = tf.grad((x: tf.Tensor) => loss({ logits: tf.softmax(x), labels }));
      const direct = tf.grad((x: tf.Tensor) => plain({ logits: x, labels }));
      expect(distance([...(await through(z).data())], [...(await direct(z).data())])).toBeLessThan(1e-6);
    });

    test("a NaN spoils its own row and no other, nothing matters in rows that are not valid", async () => {
      const loss = pipe(crossEntropy, fromProbabilities, perToken);
      const rows = {
        logits: [
          [0.5, 0.5],
          [Number.NaN, 0.5],
          [-1, 3],
          [Number.NaN, 1],
        ],
        labels: [0, 1, 0, 0],
        mask: [true, true, false, false],
      };
      const { value, gradient } = await runCompiled(loss, rows, [4, 2]);
      expect(value[0]).toBeCloseTo(Math.log(2), 6);
      expect(value[1]).toBeNaN();
      expect(value.slice(2)).toEqual([0, 0]);
      expect(gradient.slice(4).map(Math.abs)).toEqual([0, 0, 0, 0]);
    });

    test("soft labels, a trained temperature, parts and batches without a row", async () => {
      const loss = compile(pipe(klDivergence, temperature(parameter("t", 1.5)), fromProbabilities));
      const p = tf.tensor2d([0.2, 0.3, 0.5, 0.6, 0.3, 0.1], [2, 3]);
      const q = tf.tensor2d([0.1, 0.4, 0.5, 0.7, 0.2, 0.1], [2, 3]);
      const plain = { logits: await p.array(), labels: await q.array() };
      const at = (t: number): number => evaluate(pipe(klDivergence, temperature(t), fromProbabilities), plain);
      const value = (): tf.Scalar => loss({ logits: p, labels: q });
      expect(Math.abs(value().dataSync()[0] - at(1.5))).toBeLessThan(1e-7);
      const { grads } = tf.variableGrads(value, [...loss.variables.values()]);
      const slope = Object.values(grads)[0].dataSync()[0];
      expect(Math.abs(slope - (at(1.501) - at(1.499)) / 0.002)).toBeLessThan(1e-5);
      const forLabels = tf
        .grad((x: tf.Tensor) => loss({ logits: p, labels: x }))(q)
        .dataSync();
      expect([...forLabels].every(Number.isFinite)).toBe(true);
      const parts = loss.parts({ logits: p, labels: q });
      expect(loss.combine(parts).dataSync()[0]).toBeCloseTo(at(1.5), 6);
      const none = compile(pipe(crossEntropy, fromProbabilities));
      expect(none({ logits: tf.zeros([0, 3]), labels: new Int32Array(0) }).dataSync()[0]).toBe(0);
    });
  });
}

test("by ordinary ops they are the reference's too, and a row with a negative probability is NaN", async () => {
  await behindGlass(async () => {
    for (const loss of Object.values(losses)) await expectReference(loss);
    const rows = {
      logits: [
        [0.5, 0.5],
        [-1, 3],
      ],
      labels: [0, 1],
    };
    const { value } = await runCompiled(pipe(crossEntropy, fromProbabilities, perToken), rows, [2, 2]);
    expect(value[0]).toBeCloseTo(Math.log(2), 6);
    expect(value[1]).toBeNaN();
  });
});

test("show and explain say so", () => {
  const loss = pipe(crossEntropy, zLoss(0.1), fromProbabilities, sum);
  expect(show(loss)).toBe(
    "loss = Σ_i nll(y) + Σ_i 0.1 · logsumexp(z) · logsumexp(z)\nz = log max(p, 1e−7), with p the batch's logits",
  );
  expect(explain(loss)).toContain("reads probabilities, whose logarithm [N, V] is formed first and kept");
});
