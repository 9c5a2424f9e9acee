/** Losses that need whole rows: entmax, sparsemax, the entropy of the highest logits. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  classWeights,
  compile,
  crossEntropy,
  eaft,
  entmax,
  evaluate,
  evaluateGradient,
  explain,
  LossError,
  labelSmoothing,
  language,
  linear,
  mean,
  type PlainBatch,
  perToken,
  pipe,
  softcap,
  sparsemax,
  sum,
  temperature,
} from "lossmith";
import { entmaxOf } from "../../lib/loss/entmax.ts";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { distance, expectClose, flat } from "../support/numbers.ts";

const logits = fc.integer({ min: 1, max: 9 }).chain((classes) =>
  fc.array(fc.oneof(fc.double({ min: -3, max: 3, noNaN: true }), fc.constantFrom(0, 1, -40)), {
    minLength: classes,
    maxLength: classes,
  }),
);
const alphas = fc.oneof(fc.double({ min: 1.001, max: 2, noNaN: true }), fc.constantFrom(1.25, 1.5, 2));

/** Sparsemax by sorting, as its paper has it. */
function sparsemaxBySorting(z: readonly number[]): number[] {
  const sorted = [...z].sort((a, b) => b - a);
  let total = 0;
  let tau = 0;
  sorted.forEach((x, i) => {
    total += x;
    if (1 + (i + 1) * x > total) tau = (total - 1) / (i + 1);
  });
  return z.map((x) => Math.max(0, x - tau));
}

/** Entmax at 1.5 by sorting: with z halved, τ is the mean less the root of (1 − the squares about it) over the support. */
function entmax15BySorting(z: readonly number[]): number[] {
  const half = z.map((x) => x / 2);
  const sorted = [...half].sort((a, b) => b - a);
  let tau = 0;
  sorted.forEach((x, i) => {
    const support = sorted.slice(0, i + 1);
    const center = support.reduce((a, b) => a + b, 0) / (i + 1);
    const squares = support.reduce((a, b) => a + (b - center) ** 2, 0);
    const found = center - Math.sqrt(Math.max(0, (1 - squares) / (i + 1)));
    if (squares <= 1 && found <= x) tau = found;
  });
  return half.map((x) => Math.max(0, x - tau) ** 2);
}

describe("entmax in the reference", () => {
  test("published numbers", () => {
    const z = Float64Array.of(-2, 0, 0.5);
    expectClose([...entmaxOf(2, z).p], [0, 0.25, 0.75], 1e-15);
    expectClose([...entmaxOf(1.5, z).p], [0, 0.326, 0.674], 1e-4);
  });

  test("its probabilities are those that sorting finds, at 1.5 and 2", () => {
    fc.assert(
      fc.property(logits, (z) => {
        expectClose([...entmaxOf(2, Float64Array.from(z)).p], sparsemaxBySorting(z), 1e-12);
        expectClose([...entmaxOf(1.5, Float64Array.from(z)).p], entmax15BySorting(z), 1e-7);
      }),
    );
  });

  test("its value is the maximum that defines it", () => {
    fc.assert(
      fc.property(logits, alphas, (z, alpha) => {
        const row = Float64Array.from(z);
        const { p, value } = entmaxOf(alpha, row);
        const m = Math.max(...z);
        const objective = (q: ArrayLike<number>): number => {
          const entropy = (1 - Array.from(q).reduce((total, x) => total + x ** alpha, 0)) / (alpha * (alpha - 1));
          return Array.from(q).reduce((total, x, j) => total + x * (z[j] - m), 0) + entropy;
        };
        expect(Math.abs(objective(p) - value)).toBeLessThan(1e-9);
        // Nothing between it and the corners of the simplex is higher.
        z.forEach((_, j) => {
          const moved = p.map((x, k) => 0.99 * x + (k === j ? 0.01 : 0));
          expect(objective(moved)).toBeLessThanOrEqual(value + 1e-9);
        });
      }),
    );
  });

  test("lies between softmax's cross entropy, which it tends to, and sparsemax", () => {
    fc.assert(
      fc.property(logits, fc.nat(), (z, at) => {
        const batch = { logits: [z], labels: [at % z.length] };
        const of = (alpha: number): number => evaluate(pipe(entmax({ alpha }), sum), batch) as number;
        const soft = evaluate(pipe(crossEntropy, sum), batch) as number;
        expect(Math.abs(of(1 + 1e-6) - soft)).toBeLessThan(1e-4 * (1 + soft));
        const values = [soft, of(1.2), of(1.5), of(1.8), evaluate(pipe(sparsemax, sum), batch) as number];
        values.slice(1).forEach((value, i) => {
          expect(value).toBeLessThanOrEqual(values[i] + 1e-9);
        });
      }),
    );
  });

  test("is 0 with zero gradient once the label is far enough above", () => {
    const batch = { logits: [[0, 3, 0.5]], labels: [1] };
    for (const alpha of [1.5, 2]) {
      expect(evaluate(pipe(entmax({ alpha }), sum), batch)).toBeCloseTo(0, 15);
      expect(flat(evaluateGradient(pipe(entmax({ alpha }), sum), batch)).every((x) => Math.abs(x) < 1e-15)).toBe(true);
    }
  });
});

test("eaft is the loss times the entropy of the top 20, over 3, and of fewer classes where there are fewer", () => {
  const z = Array.from({ length: 30 }, (_, j) => Math.sin(j) * 3);
  const top = [...z].sort((a, b) => b - a).slice(0, 20);
  const total = top.reduce((a, x) => a + Math.exp(x), 0);
  const entropy = top.reduce((a, x) => a - (Math.exp(x) / total) * Math.log(Math.exp(x) / total), 0);
  const batch = { logits: [z], labels: [4] };
  const plain = evaluate(pipe(crossEntropy, sum), batch) as number;
  expect(evaluate(pipe(crossEntropy, eaft(), sum), batch)).toBeCloseTo((plain * entropy) / 3, 12);
  expect(evaluate(pipe(crossEntropy, eaft({ alpha: 2 }), sum), batch)).toBeCloseTo(plain * (entropy / 3) ** 2, 12);
  expect(evaluate(pipe(crossEntropy, eaft({ alpha: 0 }), sum), batch)).toBeCloseTo(plain, 12);
});

const { add, lossOf, nll, topEntropy } = language;

const losses: Readonly<Record<string, AnyLoss>> = {
  entmax: entmax(),
  sparsemax,
  "entmax at 1.3": entmax({ alpha: 1.3 }),
  "entmax near 1": entmax({ alpha: 1.0001 }),
  "scheduled entmax": entmax({ alpha: linear({ init: 1.2, end: 2, steps: 4 }) }),
  "weighted, smoothed entmax": pipe(entmax(), classWeights([1, 2, 0.5, 3, 1, 1]), labelSmoothing(0.1)),
  "entmax through a temperature": pipe(entmax(), temperature(0.5)),
  "sparsemax through a softcap": pipe(sparsemax, softcap(3)),
  "entmax a token": pipe(entmax(), perToken),
  "entropy-adaptive": pipe(crossEntropy, eaft({ k: 3 })),
  "the entropy of the highest": lossOf(add(nll, topEntropy(3))),
  "a mean": pipe(entmax({ alpha: 1.7 }), mean),
};

const batches: Readonly<Record<string, PlainBatch>> = {
  "integer labels": {
    logits: [
      [2, 1, 0.1, -3, 0.2, 0.7],
      [1e4, 9999.5, -1e4, 0, 9999.875, 0],
      [0, 0, 0, 0, 0, 0],
      [1, Number.NEGATIVE_INFINITY, 2, 0.5, Number.NEGATIVE_INFINITY, 0],
      [5, Number.NaN, 2, 0.5, 3, 0],
    ],
    labels: [0, 4, 2, 0, 1],
    mask: [true, true, true, true, false],
    sampleWeight: [1, 0.5, 2, 1, 1],
    step: 2,
  },
  "soft labels": {
    logits: [[2, 1, 0.1, -3, 0.2, 0.7]],
    labels: [[0.5, 0.2, 0.1, 0.1, 0, 0.1]],
    step: 1,
  },
};

async function expectReference(): Promise<void> {
  for (const [name, loss] of Object.entries(losses)) {
    for (const [kind, batch] of Object.entries(batches)) {
      const shape = [(batch.logits as number[][]).length, 6];
      const { value, gradient } = await runCompiled(loss, batch, shape);
      const expected = flat(evaluate(loss as typeof crossEntropy, batch));
      const far = Math.max(
        distance(value, expected, 0.1),
        distance(gradient, flat(evaluateGradient(loss as typeof crossEntropy, batch)), 0.05),
      );
      expect(`${name}, ${kind} ${far < 2e-5 ? "" : far}`).toBe(`${name}, ${kind} `);
    }
  }
}

for (const backend of [...backends, ...gpuBackends]) {
  describe(`losses of whole rows on ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("value and gradient are the reference's", expectReference);

    test("a row with NaN or ∞ is NaN, and no other", async () => {
      const { value } = await runCompiled(
        pipe(entmax(), perToken),
        {
          logits: [
            [0, Number.NaN, 1],
            [0, 1, 2],
            [0, Number.POSITIVE_INFINITY, 1],
          ],
          labels: [0, 0, 0],
        },
        [3, 3],
      );
      expect(value.map(Number.isNaN)).toEqual([true, false, true]);
    });

    test("no row, and no tensor left", async () => {
      const loss = compile(pipe(entmax(), eaft(), sum));
      const step = (rows: number): void => {
        const z = tf.zeros<tf.Rank.R2>([rows, 4]);
        const g = tf.grad((x: tf.Tensor) => loss({ logits: x, labels: new Int32Array(rows) }))(z);
        tf.dispose([z, g]);
      };
      step(0);
      step(2);
      const { numTensors } = tf.memory();
      for (let i = 0; i < 20; i++) step(2);
      expect(tf.memory().numTensors).toBe(numTensors);
      loss.dispose();
    });
  });
}

test("by ordinary ops alone value and gradient are the reference's", async () => {
  await behindGlass(expectReference);
});

test("over a vocabulary, on the host and by ordinary ops", async () => {
  const z = Float32Array.from({ length: 2 * 5000 }, (_, i) => 3 * Math.sin(i * i));
  const batch: PlainBatch = { logits: [[...z.slice(0, 5000)], [...z.slice(5000)]], labels: [7, 4999] };
  for (const alpha of [1.1, 1.5, 2]) {
    const loss = pipe(entmax({ alpha }), sum);
    const check = async (): Promise<void> => {
      const { value, gradient } = await runCompiled(loss, batch, [2, 5000]);
      expect(distance(value, [evaluate(loss, batch) as number])).toBeLessThan(2e-5);
      expect(distance(gradient, flat(evaluateGradient(loss, batch)))).toBeLessThan(2e-5);
    };
    await startBackend("wasm")();
    await check();
    await behindGlass(check);
  }
});

test("explain says what takes ordinary ops", () => {
  expect(explain(pipe(crossEntropy, eaft()))).toContain("for numbers that need whole rows: topEntropy");
  expect(explain(sparsemax)).toContain("for numbers that need whole rows: entmax");
});

test("what is not possible is refused", () => {
  for (const alpha of [1, 0.5, 2.5, Number.NaN]) expect(() => entmax({ alpha })).toThrow(LossError);
  for (const k of [0, 1.5, -3]) expect(() => eaft({ k })).toThrow("eaft({ k })");
  expect(() => eaft({ alpha: -1 })).toThrow("eaft({ alpha })");
  expect(() => entmax(2 as never)).toThrow("Give { alpha }");
});
