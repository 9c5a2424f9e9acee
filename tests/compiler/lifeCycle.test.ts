/** Compiled losses inside tensorflow.js: tidy, tapes, optimizers, leaks, empty batches, backends. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  type Batch,
  type CompiledLoss,
  classWeights,
  compile,
  crossEntropy,
  evaluate,
  evaluateGradient,
  freqWeights,
  fromCounts,
  ignoreIndex,
  labelSmoothing,
  linear,
  mean,
  perToken,
  pipe,
  powerLaw,
  ramp,
  sum,
  useBackend,
} from "lossmith";
import { backends, behindGlass, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { distance, expectClose, flat } from "../support/numbers.ts";

const counts = fromCounts([5, 1, 0, 20]);
const everything = pipe(
  crossEntropy,
  classWeights([1, 2, 0, 1]),
  labelSmoothing(0.1),
  freqWeights(counts),
  powerLaw(linear({ init: 0, end: 1, steps: 100 })),
  ramp(0.5),
  ignoreIndex(-100),
);
const logits = [
  [1, 2, 3, 4],
  [0, 0, 1, -1],
  [2, -1, 0, 0],
];
const batch: Omit<Batch, "logits"> = {
  labels: [3, 0, -100],
  mask: [true, true, true],
  sampleWeight: [1, 0.5, 2],
  step: 50,
};

function valueAndGradient(
  loss: CompiledLoss,
  z: tf.Tensor,
  rest: Omit<Batch, "logits">,
): { value: tf.Scalar; grad: tf.Tensor } {
  return tf.valueAndGrad((x: tf.Tensor) => loss({ ...rest, logits: x }) as tf.Scalar)(z);
}

for (const backend of backends) {
  describe(`life cycle, ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("numTensors is flat over 10 000 steps, value and gradient, with a table refreshed at each", () => {
      const loss = compile(everything);
      const z = tf.tensor2d(logits);
      const step = (t: number): void => {
        const { value, grad } = valueAndGradient(loss, z, { ...batch, step: t });
        value.dispose();
        grad.dispose();
      };
      step(0);
      const { numTensors, numBytes } = tf.memory();
      for (let t = 1; t <= 10_000; t++) step(t % 200);
      expect(tf.memory().numTensors).toBe(numTensors);
      expect(tf.memory().numBytes).toBe(numBytes);
      loss.dispose();
      z.dispose();
    }, 120_000);

    test("evaluation without a tape keeps nothing but the value and the tables", () => {
      const loss = compile(crossEntropy);
      const z = tf.tensor2d(logits);
      const { numTensors } = tf.memory();
      const value = loss({ ...batch, logits: z, labels: [0, 1, 2] });
      expect(tf.memory().numTensors).toBe(numTensors + 1);
      tf.dispose([value, z]);
    });

    test("dispose frees the tables, and the loss can be called again", async () => {
      const { numTensors } = tf.memory();
      const loss = compile(everything);
      const z = tf.tensor2d(logits);
      const first = loss({ ...batch, logits: z });
      loss.dispose();
      const second = loss({ ...batch, logits: z });
      expect([...(await second.data())]).toEqual([...(await first.data())]);
      loss.dispose();
      tf.dispose([first, second, z]);
      expect(tf.memory().numTensors).toBe(numTensors);
    });

    test("works inside tf.tidy, and its tables outlive the tidy", async () => {
      const loss = compile(everything);
      const z = tf.tensor2d(logits);
      const once = tf.tidy(() => loss({ ...batch, logits: z }));
      const twice = tf.tidy(() => loss({ ...batch, logits: z }));
      expect([...(await once.data())]).toEqual([...(await twice.data())]);
      loss.dispose();
      tf.dispose([once, twice, z]);
    });

    test("twice before one backward pass adds the gradients, at two steps", async () => {
      const loss = compile(everything);
      const z = tf.tensor2d(logits);
      const at = (step: number) => (x: tf.Tensor) => loss({ ...batch, step, logits: x }) as tf.Scalar;
      const together = tf.grad((x: tf.Tensor) => tf.add(at(10)(x), at(90)(x)))(z);
      const apart = tf.tidy(() => tf.add(tf.grad(at(10))(z), tf.grad(at(90))(z)));
      expectClose([...(await together.data())], [...(await apart.data())], 1e-6);
      loss.dispose();
      tf.dispose([together, apart, z]);
    });

    test("the gradient goes on to what made the logits, scaled by what follows", async () => {
      const loss = compile(pipe(crossEntropy, sum));
      const w = tf.tensor2d([
        [1, 2],
        [3, 4],
      ]);
      const x = tf.tensor2d([[1, 0.5]]);
      const direct = tf.grad((k: tf.Tensor) =>
        tf.mul(3, loss({ logits: tf.matMul(x, k as tf.Tensor2D), labels: [1] })),
      )(w);
      const p = 1 / (1 + Math.exp(-2.5 + 4));
      const g = 3 * (1 - (1 - p));
      expectClose([...(await direct.data())], [g, -g, g / 2, -g / 2], 1e-5);
      tf.dispose([w, x, direct]);
    });

    test("optimizer.minimize lowers it", async () => {
      const loss = compile(everything);
      const z = tf.variable(tf.tensor2d(logits));
      const optimizer = tf.train.sgd(0.5);
      const values: number[] = [];
      const tensors: number[] = [];
      for (let i = 0; i < 20; i++) {
        const value = optimizer.minimize(() => loss({ ...batch, logits: z }) as tf.Scalar, true, [z]);
        values.push((await value?.data())?.[0] ?? Number.NaN);
        value?.dispose();
        tensors.push(tf.memory().numTensors);
      }
      expect(values[19]).toBeLessThan(values[0]);
      expect(tensors[19]).toBe(tensors[0]);
      loss.dispose();
      optimizer.dispose();
      z.dispose();
    });

    test("perToken has a gradient for each row's own cotangent", async () => {
      const plain = { logits, labels: [3, 0, -100], step: 50 };
      const loss = compile(pipe(everything, perToken));
      const z = tf.tensor2d(logits);
      const cotangent = tf.tensor1d([2, -1, 5]);
      const gradient = tf.grad((x: tf.Tensor) => loss({ ...plain, logits: x }))(z, cotangent);
      const rows = evaluateGradient(pipe(everything, perToken), plain) as number[][];
      const expected = rows.flatMap((row, i) => row.map((g) => g * [2, -1, 5][i]));
      expectClose([...(await gradient.data())], expected, 1e-5);
      loss.dispose();
      tf.dispose([z, cotangent, gradient]);
    });

    test("labels and masks as tensors, typed arrays or nested arrays are the same", async () => {
      const loss = compile(pipe(everything, sum));
      const z = tf.tensor2d(logits);
      const forms: Omit<Batch, "logits">[] = [
        batch,
        {
          ...batch,
          labels: new Int32Array([3, 0, -100]),
          mask: new Uint8Array([1, 1, 1]),
          sampleWeight: new Float32Array([1, 0.5, 2]),
        },
        {
          ...batch,
          labels: tf.tensor1d([3, 0, -100], "int32"),
          mask: tf.tensor1d([true, true, true], "bool"),
          sampleWeight: tf.tensor1d([1, 0.5, 2]),
        },
      ];
      const values = await Promise.all(forms.map(async (form) => (await loss({ ...form, logits: z }).data())[0]));
      expect(values[1]).toBe(values[0]);
      expect(values[2]).toBe(values[0]);
      loss.dispose();
      z.dispose();
    });

    describe("a batch without a valid label, or without a row, gives 0 with zero gradient", () => {
      const reductions = { default: everything, mean: pipe(everything, mean), sum: pipe(everything, sum) };
      for (const [name, loss] of Object.entries(reductions)) {
        test(`all ignored, ${name}`, async () => {
          const plain = { logits, labels: [-100, -100, -100], step: 3 };
          const { value, gradient } = await runCompiled(loss, plain, [3, 4]);
          expect(value).toEqual([0]);
          expect(gradient.map(Math.abs)).toEqual(new Array(12).fill(0));
          expect(evaluate(loss, plain)).toBe(0);
        });

        test(`all masked, ${name}`, async () => {
          const plain = { logits, labels: [0, 1, 2], mask: [false, false, false], step: 3 };
          const { value, gradient } = await runCompiled(loss, plain, [3, 4]);
          expect(value).toEqual([0]);
          expect(gradient.map(Math.abs)).toEqual(new Array(12).fill(0));
        });

        test(`no row, ${name}`, async () => {
          const { value, gradient } = await runCompiled(loss, { logits: [], labels: [], step: 3 }, [0, 4]);
          expect(value).toEqual([0]);
          expect(gradient).toEqual([]);
          expect(evaluate(loss, { logits: [], labels: [], step: 3 })).toBe(0);
        });
      }

      test("weights that sum to 0", async () => {
        const plain = { logits, labels: [0, 1, 2], sampleWeight: [0, 0, 0], step: 3 };
        const { value, gradient } = await runCompiled(everything, plain, [3, 4]);
        expect(value).toEqual([0]);
        expect(gradient.map(Math.abs)).toEqual(new Array(12).fill(0));
      });
    });

    test("a NaN or infinite logit spoils its own row and no other; in an ignored row it spoils nothing", async () => {
      const rows = [
        [1, 2, 3],
        [Number.NaN, 0, 1],
        [0, 1, Number.POSITIVE_INFINITY],
        [3, 1, 2],
      ];
      const clean = [
        [1, 2, 3],
        [0, 0, 1],
        [0, 1, 0],
        [3, 1, 2],
      ];
      const loss = pipe(crossEntropy, labelSmoothing(0.1), ignoreIndex(-1), perToken);
      const spoilt = await runCompiled(loss, { logits: rows, labels: [0, 1, 0, 2] }, [4, 3]);
      const expected = await runCompiled(loss, { logits: clean, labels: [0, 1, 0, 2] }, [4, 3]);
      for (const row of [1, 2]) {
        expect(spoilt.value[row]).toBeNaN();
        expect(spoilt.gradient.slice(3 * row, 3 * row + 3).some(Number.isNaN)).toBe(true);
      }
      for (const row of [0, 3]) {
        expect(spoilt.value[row]).toBe(expected.value[row]);
        expect(spoilt.gradient.slice(3 * row, 3 * row + 3)).toEqual(expected.gradient.slice(3 * row, 3 * row + 3));
      }
      const ignored = await runCompiled(pipe(loss), { logits: rows, labels: [0, -1, -1, 2] }, [4, 3]);
      expect(ignored.value[1]).toBe(0);
      expect(ignored.gradient.every(Number.isFinite)).toBe(true);
      expect(ignored.gradient.slice(3, 9).map(Math.abs)).toEqual([0, 0, 0, 0, 0, 0]);
    });

    test("confident rows keep their digits: nll and gradient relative to themselves", async () => {
      const plain = {
        logits: [
          [0, -30],
          [-30, 0],
          [50, 20],
        ],
        labels: [0, 1, 0],
      };
      for (let row = 0; row < 3; row++) {
        const single = { logits: [plain.logits[row]], labels: [plain.labels[row]] };
        const { value, gradient } = await runCompiled(crossEntropy, single, [1, 2]);
        expect(distance(value, [evaluate(crossEntropy, single)])).toBeLessThan(2e-6);
        expect(distance(gradient, flat(evaluateGradient(crossEntropy, single)))).toBeLessThan(2e-6);
      }
    });

    test("equal logits over 50 257 classes", async () => {
      const loss = compile(crossEntropy);
      const z = tf.fill([2, 50_257], 3);
      const { value, grad } = valueAndGradient(loss, z, { labels: [0, 50_256] });
      expect((await value.data())[0]).toBeCloseTo(Math.log(50_257), 4);
      expect((await grad.data())[0]).toBeCloseTo((1 / 50_257 - 1) / 2, 6);
      tf.dispose([value, grad, z]);
    });
  });
}

describe("a change of backend", () => {
  test("builds the tables again, and leaves no tensor behind", async () => {
    const loss = compile(everything);
    const values: number[] = [];
    await useBackend("cpu");
    const { numTensors } = tf.memory();
    for (const name of ["cpu", "wasm", "cpu"] as const) {
      await useBackend(name);
      const z = tf.tensor2d(logits);
      const value = loss({ ...batch, logits: z });
      values.push((await value.data())[0]);
      tf.dispose([value, z]);
    }
    expectClose(values.slice(1), [values[0], values[0]], 1e-6);
    loss.dispose();
    expect(tf.memory().numTensors).toBe(numTensors);
  });
});

describe("a backend that the host cannot read without waiting", () => {
  const loss: AnyLoss = pipe(everything, perToken);
  const wrong = (): tf.Tensor1D => tf.tensor1d([4, 0, -100], "int32");

  test("gets the same numbers, and NaN for a label out of range instead of a silent number", async () => {
    await useBackend("cpu");
    const expected = await runCompiled(loss, { logits, ...batch } as never, [3, 4]);
    await behindGlass(async () => {
      const labels = tf.tensor1d([3, 0, -100], "int32");
      const compiled = compile(loss);
      const z = tf.tensor2d(logits);
      const value = compiled({ ...batch, labels, logits: z });
      expectClose([...(await value.data())], expected.value, 1e-6);
      const gradient = tf.grad((x: tf.Tensor) => compiled({ ...batch, labels, logits: x }))(z);
      expectClose([...(await gradient.data())], expected.gradient, 1e-6);

      const bad = [...(await compiled({ ...batch, labels: wrong(), logits: z }).data())];
      expect(bad[0]).toBeNaN();
      expectClose([bad[1]], [expected.value[1]], 1e-6);
      expect(bad[2]).toBe(0);
      const badGradient = tf.grad((x: tf.Tensor) => compiled({ ...batch, labels: wrong(), logits: x }))(z);
      expect([...(await badGradient.data())].slice(0, 4).every(Number.isNaN)).toBe(true);
    });
  });

  test("names the row where labels are on the host, and everywhere under { check: true }", async () => {
    await behindGlass(async () => {
      const z = tf.tensor2d(logits);
      const message = "labels: the label of row 0 is 4";
      expect(() => compile(loss)({ ...batch, labels: [4, 0, -100], logits: z })).toThrow(message);
      expect(() => compile(loss, { check: true })({ ...batch, labels: wrong(), logits: z })).toThrow(message);
      expect(() => compile(loss)({ ...batch, labels: wrong(), logits: z })).not.toThrow();
    });
    expect(() => compile(loss, { check: 1 as never })).toThrow("compile({ check }): got 1");
  });
});
