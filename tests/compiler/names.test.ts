/** Every name that users see, with the arguments that it promises to take. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  addK,
  at,
  type Batch,
  balancedSoftmax,
  classBalanced,
  classWeights,
  clip,
  compile,
  compileEither,
  compose,
  confidencePenalty,
  constant,
  cosine,
  countTokens,
  crossEntropy,
  dft,
  evaluate,
  explain,
  exponential,
  exponentialDecay,
  flow,
  focal,
  freqWeights,
  fromCounts,
  generalisedCrossEntropy,
  ignoreIndex,
  join,
  klDivergence,
  LossError,
  labelSmoothing,
  ldam,
  linear,
  mean,
  mile,
  mixCE,
  normalise,
  override,
  perToken,
  piecewiseConstant,
  pipe,
  poly,
  polynomial,
  powerLaw,
  ramp,
  scale,
  sum,
  superLoss,
  symmetricCrossEntropy,
  useBackend,
  warmupCosine,
  weightedMean,
  zLoss,
} from "lossmith";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { expectClose, flat } from "../support/numbers.ts";

const frequencies = fromCounts([9, 4, 1]);
const counted = pipe(crossEntropy, freqWeights(frequencies));
const batch = {
  logits: [
    [2, 1, 0.1],
    [0.5, 2.5, 0.3],
  ],
  labels: [0, 2],
};
const nll = flat(evaluate(perToken(crossEntropy), batch));

/** Each form of each combinator, and the sum of the two rows that it gives, from nll = [0.417…, 2.420…]. */
const p = nll.map((x) => Math.exp(-x));
const smooth = batch.logits.map((row) => {
  const all = row.map((_, c) => evaluate(crossEntropy, { logits: [row], labels: [c] }));
  return all.reduce((total, x) => total + x, 0) / 3;
});
const logsumexp = batch.logits.map((row) => Math.log(row.reduce((total, x) => total + Math.exp(x), 0)));
const entropy = batch.logits.map((row, i) =>
  row.reduce((total, x) => total + Math.exp(x - logsumexp[i]) * (logsumexp[i] - x), 0),
);
const total = (f: (row: 0 | 1) => number): number => f(0) + f(1);
/** Weights of classes 0 and 2, the labels. */
const weighted = (first: number, second: number): number => first * nll[0] + second * nll[1];

const forms: Readonly<Record<string, readonly [AnyLoss, number]>> = {
  crossEntropy: [crossEntropy, weighted(1, 1)],
  "focal({ gamma })": [pipe(crossEntropy, focal({ gamma: 2 })), total((i) => (1 - p[i]) ** 2 * nll[i])],
  "focal({ gamma, alpha })": [
    pipe(crossEntropy, focal({ gamma: 2, alpha: 0.25 })),
    total((i) => 0.25 * (1 - p[i]) ** 2 * nll[i]),
  ],
  "focal({ gamma, alpha: [...] })": [
    pipe(crossEntropy, focal({ gamma: 1, alpha: [3, 1, 2] })),
    3 * (1 - p[0]) * nll[0] + 2 * (1 - p[1]) * nll[1],
  ],
  "labelSmoothing(e)": [pipe(crossEntropy, labelSmoothing(0.1)), total((i) => 0.9 * nll[i] + 0.1 * smooth[i])],
  'labelSmoothing(e, { form: "t5x" })': [
    pipe(crossEntropy, labelSmoothing(0.1, { form: "t5x" })),
    total((i) => 0.9 * nll[i] + 0.05 * (3 * smooth[i] - nll[i]) + 0.9 * Math.log(0.9) + 0.1 * Math.log(0.05)),
  ],
  klDivergence: [klDivergence, weighted(1, 1)],
  "generalisedCrossEntropy()": [generalisedCrossEntropy(), total((i) => (1 - p[i] ** 0.7) / 0.7)],
  "generalisedCrossEntropy({ q })": [generalisedCrossEntropy({ q: 0.5 }), total((i) => 2 * (1 - p[i] ** 0.5))],
  "symmetricCrossEntropy({ alpha, beta })": [
    symmetricCrossEntropy({ alpha: 6, beta: 0.1 }),
    total((i) => 6 * nll[i] + 0.4 * (1 - p[i])),
  ],
  "symmetricCrossEntropy({ alpha, beta, A })": [
    symmetricCrossEntropy({ alpha: 6, beta: 0.1, A: -1 }),
    total((i) => 6 * nll[i] + 0.1 * (1 - p[i])),
  ],
  "mixCE(e)": [pipe(crossEntropy, mixCE(0.25)), total((i) => (0.25 + 0.75 * p[i]) * nll[i])],
  dft: [pipe(crossEntropy, dft), total((i) => p[i] * nll[i])],
  "mile()": [pipe(crossEntropy, mile()), total((i) => (2 * (1 + entropy[i]) * nll[i]) / (2 + entropy[0] + entropy[1]))],
  "mile({ gamma })": [
    pipe(crossEntropy, mile({ gamma: 2 })),
    total((i) => (2 * (1 + entropy[i]) ** 2 * nll[i]) / ((1 + entropy[0]) ** 2 + (1 + entropy[1]) ** 2)),
  ],
  // Where the loss is 2 e lambda above tau, W is 1.
  "superLoss({ tau })": [pipe(crossEntropy, superLoss({ tau: nll[1] - 2 * Math.E }), ignoreIndex(0)), 2 + 1],
  "superLoss({ lambda, tau })": [
    pipe(crossEntropy, superLoss({ lambda: 0.5, tau: nll[1] - Math.E }), ignoreIndex(0)),
    1 + 0.5,
  ],
  'superLoss({ tau: "batchMean" })': [pipe(crossEntropy, superLoss({ tau: "batchMean" }), ignoreIndex(0)), 0],
  "ldam({ counts })": [
    ldam({ counts: frequencies }),
    total((i) => {
      const [m, y] = [[0.5 * 9 ** -0.25, 0, 0.5][batch.labels[i]], batch.labels[i]];
      const others = batch.logits[i].map((x, c) => (c === y ? 0 : Math.exp(30 * (x - batch.logits[i][y] + m))));
      return Math.log1p(others.reduce((a, b) => a + b, 0));
    }),
  ],
  "ldam({ counts, maxMargin, scale })": [ldam({ counts: [9, 4, 1], maxMargin: 0, scale: 1 }), weighted(1, 1)],
  "balancedSoftmax(frequencies)": [
    pipe(crossEntropy, balancedSoftmax(frequencies)),
    total((i) => {
      const scores = batch.logits[i].map((x, c) => [9, 4, 1][c] * Math.exp(x));
      return -Math.log(scores[batch.labels[i]] / scores.reduce((a, b) => a + b, 0));
    }),
  ],
  "zLoss(c)": [pipe(crossEntropy, zLoss(0.1)), total((i) => nll[i] + 0.1 * logsumexp[i] ** 2)],
  "confidencePenalty(beta)": [pipe(crossEntropy, confidencePenalty(0.1)), total((i) => nll[i] - 0.1 * entropy[i])],
  "poly(e)": [pipe(crossEntropy, poly(2)), total((i) => nll[i] + 2 * (1 - p[i]))],
  "add(other)": [pipe(crossEntropy, add(pipe(crossEntropy, sum))), weighted(2, 2)],
  "scale(s)": [pipe(crossEntropy, scale(3)), weighted(3, 3)],
  "freqWeights(frequencies)": [counted, weighted(9, 1)],
  'freqWeights(frequencies, { as: "relative" })': [
    pipe(crossEntropy, freqWeights(frequencies, { as: "relative" })),
    weighted(9 / 14, 1 / 14),
  ],
  "freqWeights(frequencies, { unseen })": [
    pipe(crossEntropy, freqWeights(fromCounts([9, 4, 0]), { unseen: 0.5 })),
    weighted(9, 0.5),
  ],
  "classWeights(array)": [pipe(crossEntropy, classWeights([2, 1, 3])), weighted(2, 3)],
  "classWeights(typed array)": [pipe(crossEntropy, classWeights(Float32Array.of(2, 1, 3))), weighted(2, 3)],
  "classWeights(array, { counts })": [
    pipe(crossEntropy, classWeights([2, 1, 3], { counts: [1, 0, 3] }), normalise("tokenMean")),
    weighted(2 / (11 / 4), 3 / (11 / 4)),
  ],
  "powerLaw(alpha)": [pipe(counted, powerLaw(0.5)), weighted((9 + 1e-7) ** -0.5, (1 + 1e-7) ** -0.5)],
  "powerLaw(alpha, { epsilon })": [pipe(counted, powerLaw(0.5, { epsilon: 7 })), weighted(1 / 4, 8 ** -0.5)],
  "exponentialDecay(lambda)": [pipe(counted, exponentialDecay(0.1)), weighted(Math.exp(-0.9), Math.exp(-0.1))],
  "classBalanced(beta)": [pipe(counted, classBalanced(0)), weighted(1, 1)],
  "clip(lo, hi)": [pipe(counted, clip(2, 5)), weighted(5, 2)],
  'normalise("tokenMean")': [pipe(counted, normalise("tokenMean")), weighted(9 / 7, 1 / 7)],
  'normalise("typeMean")': [pipe(counted, normalise("typeMean")), weighted(9 / (14 / 3), 1 / (14 / 3))],
  'normalise("max")': [pipe(counted, normalise("max")), weighted(1, 1 / 9)],
  "override({ id: weight })": [pipe(counted, override({ 2: 7 })), weighted(9, 7)],
  "ramp(a)": [pipe(counted, ramp(0.5)), weighted(5, 1)],
  "ignoreIndex(i)": [pipe(crossEntropy, ignoreIndex(2)), weighted(1, 0)],
  "pipe with a schedule": [
    pipe(counted, powerLaw(linear({ init: 0, end: 1, steps: 4 }), { epsilon: 0 })),
    weighted(1 / 3, 1),
  ],
  "compose reads as the formula": [
    compose(powerLaw(1, { epsilon: 0 }), freqWeights(frequencies))(crossEntropy),
    weighted(1 / 9, 1),
  ],
  "flow reads as the pipe": [
    flow(freqWeights(frequencies), powerLaw(1, { epsilon: 0 }))(crossEntropy),
    weighted(1 / 9, 1),
  ],
};

for (const backend of backends) {
  describe(`combinators, in the reference and on ${backend}`, () => {
    beforeAll(startBackend(backend));
    for (const [name, [loss, expected]] of Object.entries(forms)) {
      test(name, async () => {
        const reduced = pipe(loss as typeof crossEntropy, sum);
        const at2 = { ...batch, step: 2 };
        expect(evaluate(reduced, at2)).toBeCloseTo(expected, 10);
        expectClose((await runCompiled(reduced, at2, [2, 3])).value, [expected], 2e-6);
      });
    }

    test("reductions: sum, mean, weightedMean, perToken", async () => {
      const loss = pipe(crossEntropy, classWeights([3, 1, 2]));
      const value = async (reduced: AnyLoss): Promise<number[]> => (await runCompiled(reduced, batch, [2, 3])).value;
      expectClose(await value(sum(loss)), [weighted(3, 2)], 1e-6);
      expectClose(await value(mean(loss)), [weighted(3, 2) / 2], 1e-6);
      expectClose(await value(weightedMean(loss)), [weighted(3, 2) / 5], 1e-6);
      expectClose(await value(perToken(loss)), [3 * nll[0], 2 * nll[1]], 1e-6);
    });

    test("compile gives a function of the batch with plan, dispose, parts, combine, denominators and variables", () => {
      tf.tidy(() => {
        const loss = compile(counted);
        const logits = tf.tensor2d(batch.logits);
        const full: Batch = {
          logits,
          labels: batch.labels,
          mask: [true, true],
          sampleWeight: [1, 2],
          step: 3,
          denominators: [11],
        };
        expect(loss(full).shape).toEqual([]);
        expect(loss.plan.terms.length).toBe(1);
        expect(loss.variables.size).toBe(0);
        const parts = loss.parts({ logits, labels: batch.labels });
        expect([parts.numerators.shape, parts.denominators.shape]).toEqual([[1], [1]]);
        expect(loss.combine(parts).shape).toEqual([]);
        expect(loss.denominators({ labels: batch.labels }).shape).toEqual([1]);
        expect(loss.dispose()).toBe(undefined);
      });
    });

    test("labels of logits [..., V] are integers [...] or floats [..., V], for every rank from 1", () => {
      tf.tidy(() => {
        const loss = compile(perToken(crossEntropy));
        for (const shape of [[], [2], [2, 3], [2, 1, 2]]) {
          const logits = tf.zeros([...shape, 4]);
          const rows = shape.reduce((product, size) => product * size, 1);
          const integer = tf.zeros(shape, "int32");
          const soft = tf.fill([...shape, 4], 0.25);
          for (const labels of [
            integer,
            soft,
            new Int32Array(rows),
            new Float32Array(4 * rows).fill(0.25),
            integer.arraySync(),
            soft.arraySync(),
          ]) {
            const value = loss({ logits, labels: labels as Batch["labels"] });
            expect(value.shape).toEqual(shape);
            expectClose([...value.dataSync()], new Array(rows).fill(Math.log(4)), 1e-6);
          }
        }
      });
    });
  });
}

describe("schedules, by the names of their arguments", () => {
  const values: Readonly<Record<string, readonly [ReturnType<typeof linear>, number, number]>> = {
    "constant(value)": [constant(0.3), 7, 0.3],
    "linear({ init, end, steps, begin })": [linear({ init: 1, end: 3, steps: 4, begin: 2 }), 4, 2],
    "polynomial({ init, end, power, steps, begin })": [
      polynomial({ init: 1, end: 0, power: 2, steps: 4, begin: 2 }),
      4,
      0.25,
    ],
    "exponential({ init, steps, rate, begin, staircase, end })": [
      exponential({ init: 8, steps: 2, rate: 0.5, begin: 1, staircase: true, end: 1 }),
      4,
      4,
    ],
    "cosine({ init, steps, alpha, exponent })": [cosine({ init: 2, steps: 4, alpha: 0.5, exponent: 1 }), 2, 1.5],
    "warmupCosine({ init, peak, warmup, decay, end, exponent })": [
      warmupCosine({ init: 0, peak: 1, warmup: 4, decay: 8, end: 0.5, exponent: 1 }),
      6,
      0.75,
    ],
    "piecewiseConstant(init, { boundary: scale })": [piecewiseConstant(2, { 3: 0.5 }), 3, 1],
    "join(schedules, boundaries)": [join([constant(1), linear({ init: 2, end: 4, steps: 2 })], [5]), 6, 3],
  };
  for (const [name, [schedule, step, expected]] of Object.entries(values)) {
    test(name, () => {
      expect(at(schedule, step)).toBeCloseTo(expected, 12);
    });
  }
});

describe("the rest", () => {
  test("frequencies: fromCounts, countTokens, addK", () => {
    expect([...fromCounts([1, 2]).counts]).toEqual([1, 2]);
    expect([...countTokens([0, 0, 2], { vocabSize: 3 }).counts]).toEqual([2, 0, 1]);
    expect([...addK(0.5)(fromCounts([1, 0])).counts]).toEqual([1.5, 0.5]);
  });

  test("evaluate gives a number, nested arrays of them for perToken", () => {
    expect(evaluate(crossEntropy, { logits: [[[0, 0]], [[0, 0]]], labels: [[0], [1]] })).toBeCloseTo(Math.log(2), 12);
    const each = evaluate(perToken(crossEntropy), { logits: [[[0, 0]], [[0, 0]]], labels: [[0], [1]] });
    expect(each).toEqual([[expect.closeTo(Math.log(2), 12)], [expect.closeTo(Math.log(2), 12)]]);
  });

  test("compile throws a LossError, compileEither gives it", () => {
    const none = {} as typeof crossEntropy;
    expect(() => compile(none)).toThrow(LossError);
    const either = compileEither(none);
    expect(either._tag === "Left" && either.left instanceof LossError).toBe(true);
    expect(compileEither(crossEntropy)._tag).toBe("Right");
  });

  test("explain gives text", () => {
    expect(explain(counted)).toContain("freqWeights");
  });

  test("useBackend resolves to the name of the backend that started", async () => {
    expect(await useBackend("cpu")).toBe("cpu");
    expect(tf.getBackend()).toBe("cpu");
    expect(await useBackend("wasm")).toBe("wasm");
    expect(tf.getBackend()).toBe("wasm");
    await useBackend("cpu");
    const started = await useBackend("auto");
    expect(["wasm", "cpu", "webgl", "webgpu"]).toContain(started);
    expect(tf.getBackend()).toBe(started);
  });
});
