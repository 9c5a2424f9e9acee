/** What keeps infinities, NaN and powers of 0 out of values and gradients, on every backend and on one that waits. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  type Batch,
  type CompiledLoss,
  classWeights,
  compile,
  confidencePenalty,
  constant,
  crossEntropy,
  evaluate,
  evaluateGradient,
  explain,
  focal,
  freqWeights,
  fromCounts,
  ignoreIndex,
  LossError,
  labelSmoothing,
  language,
  linear,
  logitAdjustment,
  lossEq,
  lossMonoid,
  mean,
  type PlainBatch,
  parameter,
  perToken,
  pipe,
  poly,
  powerLaw,
  scale,
  softcap,
  sum,
  temperature,
  useBackend,
  weightedMean,
  zLoss,
} from "lossmith";
import { backends } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { gradientSize } from "../support/gradientSize.ts";
import { distance, expectClose, flat } from "../support/numbers.ts";

/** The cpu backend under a name that says nothing: the path of a backend that the host cannot read without waiting. */
const waiting = "cpu-unknown";

async function start(name: string): Promise<void> {
  if (name !== waiting) {
    await useBackend(name as (typeof backends)[number]);
    return;
  }
  await useBackend("cpu");
  const cpu = tf.backend();
  tf.registerBackend(waiting, () => Object.create(cpu) as tf.KernelBackend);
  // Kernels stay registered when their backend goes.
  if (tf.getKernelsForBackend(waiting).length === 0) tf.copyRegisteredKernels("cpu", waiting);
  await tf.setBackend(waiting);
}

async function stop(name: string): Promise<void> {
  if (name !== waiting) return;
  await useBackend("cpu");
  tf.removeBackend(waiting);
}

/** A loss of each kind of row arithmetic. */
const losses: Readonly<Record<string, AnyLoss>> = {
  "cross entropy": crossEntropy,
  "label smoothing": pipe(crossEntropy, labelSmoothing(0.1)),
  "weights inside smoothing": pipe(crossEntropy, classWeights([1, 2, 3]), labelSmoothing(0.1)),
  focal: pipe(crossEntropy, focal({ gamma: 1.5 })),
  "focal inside smoothing": pipe(crossEntropy, focal({ gamma: 1.5 }), labelSmoothing(0.1)),
  poly: pipe(crossEntropy, poly(1)),
  "z-loss": pipe(crossEntropy, zLoss(0.1)),
  "confidence penalty": pipe(crossEntropy, confidencePenalty(0.1)),
  "a temperature under a cap": pipe(crossEntropy, temperature(2), softcap(5)),
  "logit adjustment": pipe(crossEntropy, logitAdjustment(fromCounts([5, 3, 1])), zLoss(0.1)),
  "a mean": pipe(crossEntropy, freqWeights(fromCounts([5, 3, 1])), powerLaw(0.5), mean),
  "a sum": pipe(crossEntropy, sum),
};

for (const backend of [...backends, waiting]) {
  describe(`guards, ${backend}`, () => {
    beforeAll(() => start(backend));
    afterAll(() => stop(backend));

    /** Value and gradient agree with the reference, whose numbers are finite. */
    async function expectReference(loss: AnyLoss, batch: PlainBatch, tolerance = 2e-6): Promise<void> {
      const shape = [(batch.logits as number[][]).length, (batch.logits as number[][])[0].length];
      const { value, gradient } = await runCompiled(loss, batch, shape);
      const [expected, slopes] = [flat(evaluate(loss as never, batch)), flat(evaluateGradient(loss, batch))];
      expect([...expected, ...slopes].every(Number.isFinite)).toBe(true);
      expect(distance(value, expected)).toBeLessThanOrEqual(tolerance);
      expect(distance(gradient, slopes, gradientSize(loss, batch))).toBeLessThanOrEqual(10 * tolerance);
    }

    describe("rows that are not valid are selected out, whatever they hold", () => {
      const good = [
        [2, 1, 0.1],
        [0.5, 2.5, 0.3],
      ];
      const bad = [
        [Number.NaN, 0, 1],
        [Number.POSITIVE_INFINITY, 0, 0],
        [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
        [3e38, -3e38, 3e38],
      ];
      const hard = { labels: [0, 2, ...bad.map(() => 1)], outside: [0, 2, 99, -7, 3, 1] };
      const soft = [[0.5, 0.5, 0], [0, 0.2, 1], ...bad.map(() => [1, 2, 3])];
      const mask = [true, true, false, false, false, false];

      for (const [name, loss] of Object.entries(losses)) {
        test(name, async () => {
          const clean = await runCompiled(loss, { logits: good, labels: [0, 2] }, [2, 3]);
          expect([...clean.value, ...clean.gradient].every(Number.isFinite)).toBe(true);
          const ignoring = pipe(loss as typeof crossEntropy, ignoreIndex(1));
          const logits = [...good, ...bad];
          for (const { value, gradient } of [
            await runCompiled(loss, { logits, labels: hard.labels, mask }, [6, 3]),
            await runCompiled(loss, { logits, labels: hard.outside, mask }, [6, 3]),
            await runCompiled(ignoring, { logits, labels: hard.labels }, [6, 3]),
          ]) {
            expectClose(value, clean.value, 1e-6);
            expectClose(gradient.slice(0, 6), clean.gradient, 1e-6);
            expect(gradient.slice(6).map(Math.abs)).toEqual(new Array(12).fill(0));
          }
          const softClean = await runCompiled(loss, { logits: good, labels: soft.slice(0, 2) }, [2, 3]);
          const spoilt = await runCompiled(loss, { logits, labels: soft, mask }, [6, 3]);
          expectClose(spoilt.value, softClean.value, 1e-6);
          expectClose(spoilt.gradient.slice(0, 6), softClean.gradient, 1e-6);
          expect(spoilt.gradient.slice(6).map(Math.abs)).toEqual(new Array(12).fill(0));
        });
      }

      test("for the gradients of soft labels, sample weights and parameters too", async () => {
        const loss = compile(
          pipe(crossEntropy, temperature(parameter("t", 2)), focal({ gamma: 1 }), scale(parameter("s", 3)), sum),
        );
        const [t, s] = ["t", "s"].map((name) => loss.variables.get(name) as tf.Variable);
        const logits = tf.tensor2d([...good, ...bad]);
        const q = tf.tensor2d(soft);
        const weights = tf.tensor1d([1, 2, 1, 1, 1, 1]);
        const byLabels = tf.grad((x: tf.Tensor) => loss({ logits, labels: x, sampleWeight: weights, mask }))(q);
        const byWeights = tf.grad((x: tf.Tensor) => loss({ logits, labels: q, sampleWeight: x, mask }))(weights);
        const { value, grads } = tf.variableGrads(() => loss({ logits, labels: q, mask }), [t, s]);
        const numbers = [byLabels, byWeights, value, grads[t.name], grads[s.name]].map((x) => [...x.dataSync()]);
        for (const each of numbers) expect(each.every(Number.isFinite)).toBe(true);
        expect(numbers[0].slice(0, 6).every((x) => x > 0)).toBe(true);
        expect(numbers[0].slice(6).map(Math.abs)).toEqual(new Array(12).fill(0));
        expect(numbers[1].slice(2).map(Math.abs)).toEqual([0, 0, 0, 0]);
        for (const variable of [t, s]) variable.dispose();
        tf.dispose([logits, q, weights, byLabels, byWeights, value, grads]);
      });
    });

    describe("an entry of −infinity has probability 0 and contributes 0", () => {
      const finite = ["cross entropy", "focal", "poly", "z-loss", "confidence penalty"];
      for (const name of finite) {
        test(`${name} of such a row is that of the row without it`, async () => {
          const loss = pipe(losses[name] as typeof crossEntropy, sum);
          const without = {
            logits: [
              [2, 1],
              [0.5, 2.5],
            ],
            labels: [0, 1],
          };
          const logits = without.logits.map((row) => [...row, Number.NEGATIVE_INFINITY]);
          await expectReference(loss, { ...without, logits });
          const { value, gradient } = await runCompiled(loss, { ...without, logits }, [2, 3]);
          const expected = await runCompiled(loss, without, [2, 2]);
          expectClose(value, expected.value, 1e-6);
          expectClose(
            [0, 1, 3, 4].map((i) => gradient[i]),
            expected.gradient,
            1e-6,
          );
          expect([2, 5].map((i) => Math.abs(gradient[i]))).toEqual([0, 0]);
        });
      }

      test("smoothing mass on one gives +infinity, and none where its weight is 0", async () => {
        const batch = { logits: [[2, 1, Number.NEGATIVE_INFINITY]], labels: [0] };
        for (const loss of [pipe(crossEntropy, labelSmoothing(0.1)), losses["weights inside smoothing"]]) {
          expect(evaluate(loss as typeof crossEntropy, batch)).toBe(Number.POSITIVE_INFINITY);
          expect((await runCompiled(loss, batch, [1, 3])).value).toEqual([Number.POSITIVE_INFINITY]);
        }
        await expectReference(pipe(crossEntropy, classWeights([1, 2, 0]), labelSmoothing(0.1)), batch);
        expect((await runCompiled(crossEntropy, { ...batch, labels: [2] }, [1, 3])).value).toEqual([
          Number.POSITIVE_INFINITY,
        ]);
      });
    });

    describe("powers of 1 − p", () => {
      test("are finite where p is 1, value and gradient, for a gamma below 1 too", async () => {
        const rows = [
          [200, -200, -200],
          [2000, -2000, -2000],
          [0, Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
        ];
        for (const gamma of [0.5, 1, 2, linear({ init: 0.5, end: 1, steps: 2 })]) {
          const loss = pipe(crossEntropy, focal({ gamma }), sum);
          for (const row of rows) {
            const batch = { logits: [row], labels: [0], step: 0 };
            const { value, gradient } = await runCompiled(loss, batch, [1, 3]);
            expect(value[0]).toBeCloseTo(0, 30);
            expect(gradient.every((g) => Math.abs(g) < 1e-12)).toBe(true);
            expect(flat(evaluateGradient(loss, batch)).every((g) => Math.abs(g) < 1e-12)).toBe(true);
          }
        }
      });

      test("keep their digits for confident rows, right and wrong", async () => {
        for (const loss of [pipe(crossEntropy, focal({ gamma: 1 }), sum), pipe(crossEntropy, poly(0.5), sum)]) {
          for (const [logits, label] of [
            [[12, -4, 0], 0],
            [[20, 0, 1], 0],
            [[0, 25, 3], 0],
          ] as const) {
            const batch = { logits: [[...logits]], labels: [label] };
            const { value, gradient } = await runCompiled(loss, batch, [1, 3]);
            expect(distance(value, [evaluate(loss, batch)])).toBeLessThan(3e-6);
            expect(distance(gradient, flat(evaluateGradient(loss, batch)))).toBeLessThan(2e-5);
          }
        }
      });
    });

    test("what is under stopGradient has a gradient of 0, value unchanged", async () => {
      const { lossOf, modulate, multiply, nll, probability, stopGradient } = language;
      const batch = { logits: [[2, 1, 0.1]], labels: [0] };
      const stopped = await runCompiled(lossOf(stopGradient(nll)), batch, [1, 3]);
      expectClose(stopped.value, [evaluate(crossEntropy, batch)], 1e-6);
      expect(stopped.gradient.map(Math.abs)).toEqual([0, 0, 0]);
      // sg(p) nll learns as p times cross entropy does.
      const faded = pipe(
        crossEntropy,
        modulate("faded", (value) => multiply(stopGradient(probability), value)),
      );
      const p = Math.exp(-evaluate(crossEntropy, batch));
      const expected = flat(evaluateGradient(crossEntropy, batch)).map((g) => p * g);
      expectClose((await runCompiled(faded, batch, [1, 3])).gradient, expected, 1e-6);
    });

    describe("nothing to learn from is 0 and still connected to the logits", () => {
      const empty: Readonly<Record<string, Omit<Batch, "logits">>> = {
        "all ignored": { labels: [-1, -1] },
        "all masked": { labels: [0, 1], mask: [false, false] },
        "no weight": { labels: [0, 1], sampleWeight: [0, 0] },
        "soft and masked": {
          labels: [
            [1, 0],
            [0, 1],
          ],
          mask: [false, false],
        },
      };
      for (const [name, rest] of Object.entries(empty)) {
        test(`an optimizer takes a step of 0: ${name}`, () => {
          for (const data of [crossEntropy, pipe(crossEntropy, mean), pipe(crossEntropy, zLoss(0.1), sum)]) {
            const loss = compile(pipe(data, ignoreIndex(-1)));
            const kernel = tf.variable(tf.tensor2d([[1, 2]]));
            const optimizer = tf.train.sgd(1);
            const x = tf.tensor2d([[1], [3]]);
            const value = optimizer.minimize(
              () => loss({ ...rest, logits: tf.matMul(x, kernel as tf.Tensor2D) }),
              true,
              [kernel],
            );
            expect([...(value as tf.Scalar).dataSync()]).toEqual([0]);
            expect([...kernel.dataSync()]).toEqual([1, 2]);
            optimizer.dispose();
            tf.dispose([kernel, x, value as tf.Scalar]);
          }
        });
      }

      test("the empty loss, too", () => {
        const loss = compile(lossMonoid.empty);
        const z = tf.tensor2d([[1, 2]]);
        const { value, grad } = tf.valueAndGrad((x: tf.Tensor) => loss({ logits: x, labels: [0] }))(z);
        expect([...value.dataSync()]).toEqual([0]);
        expect([...grad.dataSync()].map(Math.abs)).toEqual([0, 0]);
        tf.dispose([z, value, grad]);
      });
    });

    describe("a gradient of the gradient is refused", () => {
      const logits = [
        [1, 2],
        [0, 1],
      ];
      const q = [
        [1, 0],
        [0.5, 0.5],
      ];
      const inputs: Readonly<Record<string, (loss: CompiledLoss, x: tf.Tensor) => tf.Tensor>> = {
        "soft labels": (loss, x) => loss({ logits: tf.tensor2d(logits), labels: x }),
        "sample weights": (loss, x) =>
          loss({ logits: tf.tensor2d(logits), labels: [0, 1], sampleWeight: tf.sum(x, 1) }),
        "the parts of a batch": (loss, x) => loss.combine(loss.parts({ logits: x, labels: [0, 1] })),
        "one number a token": (_, x) => compile(pipe(crossEntropy, perToken))({ logits: x, labels: [0, 1] }),
      };
      for (const [name, run] of Object.entries(inputs)) {
        test(`for ${name}`, () => {
          tf.tidy(() => {
            const loss = compile(crossEntropy);
            const inner = tf.grad((x: tf.Tensor) => run(loss, x));
            const outer = tf.grad((x: tf.Tensor) => tf.sum(tf.square(inner(x))));
            const x = tf.tensor2d(q);
            expect(inner(x).shape).toEqual([2, 2]);
            expect(() => outer(x)).toThrow(LossError);
            expect(() => outer(x)).toThrow("gradient of the gradient");
          });
        });
      }
    });
  });
}

describe("what is constant and does nothing disappears at compile time", () => {
  const idle: Readonly<Record<string, AnyLoss>> = {
    "focal of gamma 0": pipe(crossEntropy, focal({ gamma: 0 })),
    "focal of a constant schedule of 0": pipe(crossEntropy, focal({ gamma: constant(0) })),
    "smoothing of 0": pipe(crossEntropy, labelSmoothing(0)),
    "poly of 0": pipe(crossEntropy, poly(0)),
    "scale of 1": pipe(crossEntropy, scale(1)),
    "temperature of 1": pipe(crossEntropy, temperature(1)),
    "logit adjustment of 0": pipe(crossEntropy, logitAdjustment(fromCounts([2, 1]), 0)),
  };
  for (const [name, loss] of Object.entries(idle)) {
    test(name, () => {
      expect(explain(loss)).toBe(explain(crossEntropy));
      expect(lossEq.equals(loss, crossEntropy)).toBe(true);
    });
  }

  test("logsumexp is formed only where a loss needs it", () => {
    const statistics = (loss: AnyLoss): string[] =>
      (/statistics of the logits: (.*)/.exec(explain(loss))?.[1] ?? "").split(", ").sort();
    const without = [crossEntropy, pipe(crossEntropy, focal({ gamma: 2 })), pipe(crossEntropy, confidencePenalty(0.1))];
    for (const loss of without) expect(statistics(loss)).not.toContain("m");
    expect(statistics(pipe(crossEntropy, zLoss(0.1)))).toContain("m");
  });

  test("a sum of two losses with the default reduction is the sum of their weighted means", () => {
    const batch = { logits: [[2, 1, 0.1]], labels: [1] };
    const [a, b] = [pipe(crossEntropy, classWeights([1, 2, 3])), pipe(crossEntropy, zLoss(0.1), weightedMean)];
    expect(evaluate(pipe(a, add(b)), batch)).toBeCloseTo(evaluate(a, batch) + evaluate(b, batch), 12);
  });
});
