/** A teacher's logits as a second input. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  compile,
  crossEntropy,
  distillation,
  evaluate,
  evaluateGradient,
  focal,
  freqWeights,
  fromCounts,
  ignoreIndex,
  LossError,
  labelSmoothing,
  linear,
  lossEq,
  mean,
  type PlainBatch,
  perToken,
  pipe,
  powerLaw,
  scale,
  show,
  softcap,
  sum,
  temperature,
} from "lossmith";
import { batches } from "../support/arbitraries.ts";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { gradientSize, valueSize } from "../support/gradientSize.ts";
import { LiveBytes } from "../support/liveBytes.ts";
import { distance, expectClose, flat } from "../support/numbers.ts";
import { askTorch, hasTorch, type TorchCase } from "../support/torch.ts";

const batch: PlainBatch = {
  logits: [
    [2, 1, 0.1],
    [0.5, 2.5, 0.3],
    [1, 1, 1],
  ],
  teacher: [
    [1, 2, 0.5],
    [0, 3, Number.NEGATIVE_INFINITY],
    [0, 0, 4],
  ],
  labels: [0, 1, 2],
};

function softmax(logits: readonly number[]): number[] {
  const total = logits.reduce((all, z) => all + Math.exp(z), 0);
  return logits.map((z) => Math.exp(z) / total);
}

/** T² KL(softmax(teacher / T) ‖ softmax(z / T)) of one row, from its definition. */
function divergence(logits: readonly number[], teacher: readonly number[], t: number): number {
  const [p, q] = [logits, teacher].map((z) => softmax(z.map((x) => x / t)));
  return t * t * q.reduce((all, x, c) => all + (x === 0 ? 0 : x * Math.log(x / p[c])), 0);
}

const rows = (x: PlainBatch["logits"]): number[][] => x as number[][];

describe("distillation", () => {
  test("is its formula, and 0 where the two agree", () => {
    for (const t of [1, 2, 0.5]) {
      const each = rows(batch.logits).map((z, i) => divergence(z, rows(batch.teacher ?? [])[i], t));
      expectClose(evaluate(pipe(distillation({ temperature: t }), perToken), batch), each, 1e-12);
      expect(evaluate(distillation({ temperature: t }), { ...batch, teacher: batch.logits })).toBeCloseTo(0, 12);
    }
    expect(distillation()).toEqual(distillation({ temperature: 1 }));
  });

  test("counts each valid row as one, and weighs the teacher's classes by a field", () => {
    const masked = pipe(distillation(), ignoreIndex(2));
    const each = [0, 1].map((i) => divergence(rows(batch.logits)[i], rows(batch.teacher ?? [])[i], 1));
    expect(evaluate(masked, batch)).toBeCloseTo((each[0] + each[1]) / 2, 12);
    const weights = [1 / 4, 1, 1 / 2];
    const weighted = pipe(distillation(), freqWeights(fromCounts([4, 1, 2])), powerLaw(1, { epsilon: 0 }));
    let numerator = 0;
    let denominator = 0;
    rows(batch.logits).forEach((z, i) => {
      const [p, q] = [z, rows(batch.teacher ?? [])[i]].map(softmax);
      q.forEach((x, c) => {
        numerator += x === 0 ? 0 : weights[c] * x * Math.log(x / p[c]);
        denominator += weights[c] * x;
      });
    });
    expect(evaluate(weighted, batch)).toBeCloseTo(numerator / denominator, 12);
  });

  test("is left alone by labelSmoothing, and its teacher by views of the logits", () => {
    expect(lossEq.equals(pipe(distillation(), labelSmoothing(0.3)), distillation())).toBe(true);
    expect(lossEq.equals(pipe(distillation(), temperature(2)), distillation())).toBe(false);
    const cooled = evaluate(pipe(distillation(), temperature(2), perToken), batch);
    const halved = rows(batch.logits).map((z) => z.map((x) => x / 2));
    expectClose(cooled, evaluate(pipe(distillation(), perToken), { ...batch, logits: halved }), 1e-12);
    expect(() => pipe(distillation(), softcap(3))).not.toThrow();
  });

  test("shows its formula", () => {
    expect(show(pipe(distillation({ temperature: 2 }), mean))).toBe(
      "loss = Σ_i [Σ_c softmax(0.5 · teacher)_c · [4 · (nll(c; 0.5 · z) − nll(c; 0.5 · teacher))]] / N",
    );
  });

  test("refuses a temperature of 0, and a batch without a teacher or with one of another shape", async () => {
    expect(() => distillation({ temperature: 0 })).toThrow(LossError);
    expect(() => distillation(2 as never)).toThrow("distillation: got 2");
    const { teacher: _teacher, ...without } = batch;
    expect(() => evaluate(distillation(), without)).toThrow("teacher: the loss reads a teacher's logits");
    await expect(runCompiled(distillation(), without, [3, 3])).rejects.toThrow("teacher: the loss reads a teacher's");
    const narrow = { ...without, teacher: [[1, 2]] };
    expect(() => evaluate(distillation(), narrow)).toThrow("teacher: its logits have shape [1, 2]");
    await expect(runCompiled(distillation(), narrow, [3, 3])).rejects.toThrow("teacher: its logits have shape [1, 2]");
    const integers = { logits: tf.zeros([1, 2]), labels: [0], teacher: tf.zeros([1, 2], "int32") };
    expect(() => compile(distillation())(integers)).toThrow("dtype int32");
  });
});

const losses: Readonly<Record<string, AnyLoss>> = {
  "mixed with the labels' loss": pipe(
    crossEntropy,
    labelSmoothing(0.1),
    scale(0.3),
    add(pipe(distillation({ temperature: 2 }), scale(0.7))),
    ignoreIndex(2),
  ),
  "at two temperatures, one of them scheduled": pipe(
    distillation({ temperature: linear({ init: 1, end: 3, steps: 4 }) }),
    add(pipe(distillation({ temperature: 4 }), sum)),
    ignoreIndex(2),
  ),
  weighted: pipe(distillation(), freqWeights(fromCounts([4, 1, 2])), powerLaw(0.5), ignoreIndex(2)),
  "under focal, a sum over the classes that is not linear": pipe(
    distillation({ temperature: 2 }),
    focal({ gamma: 2 }),
    ignoreIndex(2),
    sum,
  ),
};

for (const backend of backends) {
  describe(`a teacher, ${backend}`, () => {
    beforeAll(startBackend(backend));

    for (const [name, loss] of Object.entries(losses)) {
      test(`${name}: value and gradient are the reference's`, async () => {
        const stepped = { ...batch, step: 2 };
        const { value, gradient } = await runCompiled(loss, stepped, [3, 3]);
        expect(distance(value, flat(evaluate(loss as never, stepped)))).toBeLessThan(2e-6);
        expectClose(gradient, evaluateGradient(loss, stepped), 2e-6);
      });
    }

    test("soft labels beside it get their own gradient", async () => {
      const soft = tf.tensor2d([
        [0.2, 0.8, 0],
        [0, 0, 1],
        [0.5, 0.5, 0],
      ]);
      const logits = tf.tensor2d(batch.logits as number[][]);
      const teacher = tf.tensor2d(batch.teacher as number[][]);
      const both = compile(pipe(crossEntropy, sum, add(pipe(distillation(), sum))));
      const alone = compile(pipe(crossEntropy, sum));
      const gradient = tf.grad((q: tf.Tensor) => both({ logits, labels: q, teacher }))(soft);
      const expected = tf.grad((q: tf.Tensor) => alone({ logits, labels: q }))(soft);
      expect([...(await gradient.data())]).toEqual([...(await expected.data())]);
    });

    test("its logits may be a tensor, a float array or nested arrays", async () => {
      const loss = compile(distillation());
      const logits = tf.tensor2d(batch.logits as number[][]);
      const values = flat(batch.teacher);
      const teachers = [batch.teacher as number[][], Float32Array.from(values), tf.tensor2d(values, [3, 3])];
      const results = teachers.map((teacher) => loss({ logits, labels: [0, 1, 2], teacher }).dataSync()[0]);
      expect(results[1]).toBe(results[0]);
      expect(results[2]).toBe(results[0]);
    });

    test("denominators and parts of micro-batches add up to the whole, also where the teacher weighs classes", () => {
      const loss = compile(losses["weighted"]);
      const tensors = (from: number, to: number) => ({
        logits: tf.tensor2d(rows(batch.logits).slice(from, to)),
        teacher: tf.tensor2d(rows(batch.teacher ?? []).slice(from, to)),
        labels: [0, 1, 2].slice(from, to),
      });
      const whole = loss(tensors(0, 3)).dataSync()[0];
      const shards = [tensors(0, 2), tensors(2, 3)];
      const withoutLogits = shards.map(({ labels, teacher }) => loss.denominators({ labels, teacher }));
      const denominators = tf.add(withoutLogits[0], withoutLogits[1]) as tf.Tensor1D;
      const total = shards.map((shard) => loss({ ...shard, denominators }).dataSync()[0]).reduce((a, b) => a + b, 0);
      expect(Math.abs(total - whole)).toBeLessThan(1e-6 * Math.abs(whole));
      const parts = loss.parts(tensors(0, 3));
      expect(Math.abs(loss.combine(parts).dataSync()[0] - whole)).toBeLessThan(1e-6 * Math.abs(whole));
    });

    test("neither softmax is kept for the backward pass", () => {
      const shape: [number, number] = [4, 4096];
      const [logits, teacher] = [1, 2].map((seed) => tf.randomNormal(shape, 0, 1, "float32", seed));
      const loss = compile(losses["mixed with the labels' loss"]);
      const meter = new LiveBytes();
      let kept = 0;
      tf.grad((z: tf.Tensor) => {
        const value = loss({ logits: z, teacher, labels: [0, 1, 2, 3] });
        kept = meter.live;
        return value;
      })(logits);
      meter.stop();
      expect(kept).toBeGreaterThan(0);
      expect(kept).toBeLessThan(2000);
    });
  });
}

const withTorch = hasTorch();

(withTorch ? describe : describe.skip)("PyTorch's kl_div", () => {
  const cases = fc.integer({ min: 2, max: 7 }).chain((classes) =>
    fc.record({
      batch: batches(classes).filter(({ shape }) => !shape.includes(0)),
      t: fc.constantFrom(0.5, 1, 2, 4),
    }),
  );
  const sample = fc.sample(cases, 100).map(({ batch: drawn, t }) => {
    const { mask: _mask, sampleWeight: _sampleWeight, ...plain } = drawn.plain;
    const torch: TorchCase = {
      logits: plain.logits,
      teacher: plain.teacher,
      temperature: t,
      labels: plain.labels,
      soft: false,
      weight: null,
      ignoreIndex: -100,
      reduction: "sum",
      labelSmoothing: 0,
    };
    return { loss: pipe(distillation({ temperature: t }), sum), drawn, plain, torch };
  });

  test("agrees with the reference to 1e-10, and with each backend to 2e-5", async () => {
    const answers = askTorch(sample.map(({ torch }) => torch));
    for (const [i, { loss, plain }] of sample.entries()) {
      const size = valueSize(loss, plain);
      expect(distance([evaluate(loss, plain)], answers[i].value, size)).toBeLessThan(1e-10);
      const parts = gradientSize(loss, plain);
      expect(distance(flat(evaluateGradient(loss, plain)), answers[i].gradient, parts)).toBeLessThan(1e-10);
    }
    for (const backend of backends) {
      await startBackend(backend)();
      for (const [i, { loss, drawn, plain }] of sample.entries()) {
        const { value, gradient } = await runCompiled(loss, plain, [...drawn.shape, drawn.classes]);
        expect(distance(value, answers[i].value, valueSize(loss, plain))).toBeLessThan(2e-5);
        expect(distance(gradient, answers[i].gradient, gradientSize(loss, plain))).toBeLessThan(2e-5);
      }
    }
  });
});
