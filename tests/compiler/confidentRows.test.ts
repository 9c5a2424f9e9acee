/**
 * Rows that the model is sure of, where soft labels, a teacher or a penalty agree with it: the gradient is small beside the
 * numbers that it is the difference of, and is to keep its digits.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  classWeights,
  compileLinear,
  confidencePenalty,
  crossEntropy,
  dft,
  distillation,
  evaluateGradient,
  focal,
  fromCounts,
  generalisedCrossEntropy,
  klDivergence,
  type LinearBatch,
  type Loss,
  language,
  ldam,
  mile,
  mixCE,
  type PlainBatch,
  pipe,
  sum,
  superLoss,
  symmetricCrossEntropy,
  temperature,
} from "lossmith";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { flat } from "../support/numbers.ts";

const classes = 5;
const top = 1;
const numbers = [0.3, 0, -0.7, 0.1, 0.25];

const row = (atTop: number): number[] => numbers.map((x, j) => (j === top ? atTop : Math.fround(x)));

/** Soft labels that leave a part for the classes beside the top one. */
const soft = (rest: number): number[] =>
  numbers.map((_, j) => (j === top ? Math.fround(1 - rest) : Math.fround((rest * (1 + j)) / 14)));

const weights = [1, 0.5, 2, 3, 1.5];

interface Case {
  readonly loss: AnyLoss;
  readonly labels: PlainBatch["labels"];
  /** How far a teacher's top logit is above the model's; null for none. */
  readonly surer: number | null;
  /** Whether it takes ordinary ops, which round more often. */
  readonly byOps?: boolean;
}

const softCases = [0, 1e-7, 1e-3].flatMap((rest) => [
  [`soft labels, ${rest} beside the top`, { loss: crossEntropy, labels: [soft(rest)], surer: null }],
  [
    `weighted soft labels, ${rest} beside the top`,
    { loss: pipe(crossEntropy, classWeights(weights)), labels: [soft(rest)], surer: null },
  ],
]);

const cases: Readonly<Record<string, Case>> = {
  ...Object.fromEntries(softCases),
  "soft labels through a temperature": { loss: pipe(crossEntropy, temperature(0.8)), labels: [soft(0)], surer: null },
  "focal soft labels": { loss: pipe(crossEntropy, focal({ gamma: 2 })), labels: [soft(0)], surer: null, byOps: true },
  "a teacher nearly as sure": { loss: distillation(), labels: [top], surer: -0.5 },
  "a surer teacher": { loss: distillation({ temperature: 2 }), labels: [top], surer: 3 },
  "a teacher and a label that is another": { loss: distillation(), labels: [0], surer: 1 },
  "a label and a teacher": { loss: pipe(crossEntropy, add(distillation())), labels: [top], surer: 1 },
  "generalised cross entropy": { loss: generalisedCrossEntropy(), labels: [top], surer: null },
  "generalised cross entropy near its limit": {
    loss: generalisedCrossEntropy({ q: 1e-6 }),
    labels: [soft(0)],
    surer: null,
  },
  "symmetric cross entropy": {
    loss: symmetricCrossEntropy({ alpha: 0.1, beta: 1 }),
    labels: [top],
    surer: null,
  },
  "symmetric cross entropy of soft labels": {
    loss: symmetricCrossEntropy({ alpha: 0.1, beta: 1 }),
    labels: [soft(0)],
    surer: null,
  },
  "a mixture with reverse cross entropy": { loss: pipe(crossEntropy, mixCE(0.3)), labels: [top], surer: null },
  "dynamic fine-tuning of soft labels": { loss: pipe(crossEntropy, dft), labels: [soft(0)], surer: null },
  "weights by entropy": { loss: pipe(crossEntropy, mile()), labels: [top], surer: null },
  "a curriculum": { loss: pipe(crossEntropy, superLoss()), labels: [top], surer: null },
  "a curriculum of soft labels": { loss: pipe(crossEntropy, superLoss()), labels: [soft(1e-3)], surer: null },
  "a margin": { loss: ldam({ counts: fromCounts([9, 4, 1, 2, 3]), scale: 1 }), labels: [top], surer: null },
  "a margin of soft labels": { loss: ldam({ counts: [9, 4, 1, 2, 3], scale: 1 }), labels: [soft(0)], surer: null },
  "a divergence": { loss: klDivergence, labels: [soft(1e-3)], surer: null },
  "a confidence penalty": { loss: pipe(crossEntropy, confidencePenalty(0.1)), labels: [top], surer: null },
  "the entropy alone": { loss: language.lossOf(language.entropy), labels: [top], surer: null },
};

const tolerance = 2e-6;
const toleranceByOps = 6e-6;

type Gradient = (loss: Loss<"logits", "already reduced">, batch: PlainBatch) => Promise<readonly number[]>;

const dense: Gradient = async (loss, batch) => (await runCompiled(loss, batch, [1, classes])).gradient;

/** The logits are the hidden states themselves, of an output layer that is the identity. */
const byColumns =
  (tileColumns: number): Gradient =>
  async (loss, { logits, labels, teacher }) => {
    const compiled = compileLinear(loss, { tileColumns });
    const hidden = tf.tensor(flat(logits), [1, classes]);
    const kernel = tf.eye(classes);
    const given = { kernel, labels, ...(teacher === undefined ? {} : { teacher }) };
    const gradient = tf.grad((x: tf.Tensor) => compiled({ ...given, hidden: x } as unknown as LinearBatch))(hidden);
    const numbers = [...(await gradient.data())];
    tf.dispose([hidden, kernel, gradient]);
    compiled.dispose();
    return numbers;
  };

/** The largest error of the gradient in each case, of the row's largest entry; the names of those where it is too large. */
async function tooFar(
  isFused: boolean,
  gradientOf: Gradient = dense,
  among: readonly string[] = Object.keys(cases),
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of among) {
    const { loss, labels, surer, byOps = false } = cases[name];
    for (const gap of [2, 5, 8, 12, 20, 30]) {
      const teacher = surer === null ? {} : { teacher: [row(gap + surer)] };
      const batch: PlainBatch = { logits: [row(gap)], labels, ...teacher };
      const total = pipe(loss as typeof crossEntropy, sum);
      const gradient = await gradientOf(total, batch);
      const expected = flat(evaluateGradient(total, batch));
      const largest = Math.max(...expected.map(Math.abs));
      const error = Math.max(...expected.map((x, j) => Math.abs(x - gradient[j]))) / largest;
      if (!(error <= (isFused && !byOps ? tolerance : toleranceByOps)))
        found.push(`${name}, a gap of ${gap}: ${error}`);
    }
  }
  return found;
}

for (const backend of [...backends, ...gpuBackends]) {
  describe(`confident rows on ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("keep the digits of their gradient", async () => {
      expect(await tooFar(true)).toEqual([]);
    });

    test("keep them by tiles of columns", async () => {
      if (backend !== "webgpu") {
        for (const tileColumns of [1, 2, 3]) expect(await tooFar(true, byColumns(tileColumns))).toEqual([]);
        return;
      }
      // The statistics of tiles are merged by ordinary ops, and each program of a GPU is compiled first.
      const some = ["a confidence penalty", "a margin of soft labels", "a teacher and a label that is another"];
      expect(await tooFar(false, byColumns(2), some)).toEqual([]);
    });
  });
}

test("confident rows by ordinary ops keep the digits of their gradient", async () => {
  await behindGlass(async () => expect(await tooFar(false)).toEqual([]));
});
