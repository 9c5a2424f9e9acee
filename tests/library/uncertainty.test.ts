/** Kendall's weighting by uncertainty, as a combinator. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  classWeights,
  compile,
  crossEntropy,
  evaluate,
  focal,
  type Kind,
  type Loss,
  language,
  meanSquaredError,
  mile,
  named,
  type PlainBatch,
  pipe,
  show,
  sum,
  uncertainty,
} from "lossmith";
import { batches, compositions } from "../support/arbitraries.ts";
import { backends, startBackend } from "../support/backends.ts";

type Reducible = Loss<"logits", Exclude<Kind, "already reduced per token">>;

const numberOf = (loss: AnyLoss, batch: object): number => evaluate(loss as typeof crossEntropy, batch as PlainBatch);

/** 1, or 0 where no row of the batch has weight. */
function hasWeight(loss: AnyLoss, batch: object): number {
  const { terms } = language.lossOf(language.constant(1));
  return numberOf({ ...loss, terms, focus: null }, batch);
}

test("is ½ e^−s L + s / 2 of the reduced loss L, of every composition", () => {
  const some = fc.record({
    composition: compositions(4),
    batch: batches(4, undefined, { soft: true }),
    s: fc.double({ min: -3, max: 3, noNaN: true }),
    form: fc.constantFrom<"regression" | "classification">("regression", "classification"),
  });
  fc.assert(
    fc.property(some, ({ composition: { loss }, batch: { plain }, s, form }) => {
      let value: number;
      try {
        value = numberOf(loss, plain);
      } catch {
        return;
      }
      const weighed = uncertainty("s", { init: s, form })(loss as Reducible);
      const expected = (form === "regression" ? 0.5 : 1) * Math.exp(-s) * value + (hasWeight(loss, plain) * s) / 2;
      const size = Math.abs(Math.exp(-s) * value) + Math.abs(s) + 1e-12;
      expect(Math.abs(numberOf(weighed, plain) - expected)).toBeLessThanOrEqual(1e-12 * size);
      const later = { ...plain, parameters: { s: 0 } };
      expect(Math.abs(numberOf(weighed, later) - (form === "regression" ? 0.5 : 1) * value)).toBeLessThanOrEqual(
        1e-12 * Math.abs(value),
      );
    }),
  );
});

const batch = {
  logits: [
    [4, 1, 0],
    [0, 3, 1],
    [2, 2, 0],
  ],
  labels: [0, 2, 1],
  sampleWeight: [1, 2, 0.5],
};

for (const backend of backends) {
  describe(`trained on ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("the log variances get their gradients, 1/2 − L / (2 e^s), beside a coupled loss too", async () => {
      const tasks = { first: pipe(crossEntropy, classWeights([1, 2, 3])), second: pipe(crossEntropy, mile(), sum) };
      const data = pipe(
        tasks.first,
        uncertainty("first", { init: 0.5 }),
        add(pipe(tasks.second, uncertainty("second", { init: -1, form: "classification" }))),
      );
      const loss = compile(data);
      const logits = tf.tensor2d(batch.logits);
      const { value, grads } = tf.variableGrads(() => loss({ ...batch, logits }), [...loss.variables.values()]);
      const [a, b] = [numberOf(tasks.first, batch), numberOf(tasks.second, batch)];
      expect((await value.data())[0]).toBeCloseTo(0.5 * Math.exp(-0.5) * a + 0.25 + Math.exp(1) * b - 0.5, 4);
      const of = async (name: string): Promise<number> => (await grads[loss.variables.get(name)?.name ?? ""].data())[0];
      expect(await of("first")).toBeCloseTo(0.5 - 0.5 * Math.exp(-0.5) * a, 5);
      expect(await of("second")).toBeCloseTo(0.5 - Math.exp(1) * b, 4);
      tf.dispose([logits, value, grads]);
    });

    test("a log variance settles at log L", async () => {
      const loss = compile(pipe(crossEntropy, uncertainty("s", { init: 1 })));
      const logits = tf.tensor2d(batch.logits);
      const optimizer = tf.train.sgd(0.5);
      for (let i = 0; i < 100; i++)
        optimizer.minimize(() => loss({ ...batch, logits }), false, [...loss.variables.values()]);
      const s = (await loss.variables.get("s")?.data())?.[0];
      expect(s).toBeCloseTo(Math.log(numberOf(crossEntropy, batch)), 4);
      logits.dispose();
    });

    test("adds up over micro-batches, s / 2 too", async () => {
      const loss = compile(pipe(crossEntropy, classWeights([1, 2, 3]), uncertainty("s", { init: 2 })));
      const logits = tf.tensor2d(batch.logits);
      const of = (rows: readonly number[]): object => ({
        logits: tf.gather(logits, [...rows]),
        labels: rows.map((row) => batch.labels[row]),
        sampleWeight: rows.map((row) => batch.sampleWeight[row]),
      });
      const denominators = loss.denominators({ labels: batch.labels, sampleWeight: batch.sampleWeight });
      const halves = [of([0, 2]), of([1])].map((part) => loss({ ...part, denominators } as never).dataSync()[0]);
      expect(halves[0] + halves[1]).toBeCloseTo(loss({ ...batch, logits }).dataSync()[0], 5);
    });
  });
}

test("takes losses over values, and says what it is", () => {
  const loss = pipe(meanSquaredError, uncertainty("depth"));
  const values = { predictions: [[3, 0]], targets: [[0, 0]], sampleWeight: [0.5], parameters: { depth: 1 } };
  expect(evaluate(loss, values)).toBeCloseTo(0.5 * Math.exp(-1) * 4.5 + 0.5, 12);
  expect(show(pipe(crossEntropy, sum, uncertainty("words")))).toBe(
    "loss = words\nwords = Σ_i 0.5 · exp(−words) · nll(y) + Σ_i 0.5 · words / N",
  );
});

test("terms keep the names that they have, and the rest get the task's", () => {
  const data = pipe(crossEntropy, named("plain"), add(pipe(crossEntropy, focal({ gamma: 2 }))), uncertainty("task"));
  const loss = compile(data);
  expect(loss.plan.termNames).toEqual(["plain", "task", "task"]);
  loss.dispose();
});
