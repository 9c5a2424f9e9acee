/** Losses over logits against PyTorch, live: its own kl_div, and the others as their authors' code forms them. */
import { describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  balancedSoftmax,
  compile,
  crossEntropy,
  dft,
  evaluate,
  evaluateGradient,
  fromCounts,
  fromProbabilities,
  generalisedCrossEntropy,
  klDivergence,
  labelSmoothing,
  ldam,
  mile,
  mixCE,
  type PlainBatch,
  perToken,
  pipe,
  superLoss,
  symmetricCrossEntropy,
} from "lossmith";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { gradientSize } from "../support/gradientSize.ts";
import { distance, flat } from "../support/numbers.ts";
import { askTorch, hasTorch, type NamedTorchCase } from "../support/torch.ts";

const between = (min: number, max: number): fc.Arbitrary<number> =>
  fc.double({ min, max, noNaN: true }).map((x) => Math.fround(Math.max(min, Math.min(max, x))));
const listOf = <T>(entry: fc.Arbitrary<T>, length: number): fc.Arbitrary<T[]> =>
  fc.array(entry, { minLength: length, maxLength: length });

/** A loss of ours, and its name and parameters in the oracle. */
type Pair = readonly [AnyLoss, string, Readonly<Record<string, unknown>>];

function pairs(classes: number): fc.Arbitrary<Pair> {
  const counts = listOf(fc.integer({ min: 1, max: 5000 }), classes);
  const share = between(0.05, 0.95);
  return fc.oneof<fc.Arbitrary<Pair>[]>(
    between(0.01, 1).map((q) => [generalisedCrossEntropy({ q }), "gce", { q }]),
    fc
      .record({ alpha: between(0, 6), beta: between(0, 2), A: between(-9, 0) })
      .map((options) => [symmetricCrossEntropy(options), "sce", options]),
    share.map((e) => [pipe(crossEntropy, mixCE(e)), "mixce", { e }]),
    fc.constant([pipe(crossEntropy, dft), "mixce", { e: 0 }]),
    between(0.1, 3).map((gamma) => [pipe(crossEntropy, mile({ gamma })), "mile", { gamma }]),
    fc
      .record({ lambda: between(0.2, 4), tau: between(0, 2) })
      .map(({ lambda, tau }) => [pipe(crossEntropy, superLoss({ lambda, tau })), "super_loss", { lam: lambda, tau }]),
    between(0.2, 4).map((lambda) => [
      pipe(crossEntropy, superLoss({ lambda })),
      "super_loss",
      { lam: lambda, tau: Math.log(classes) },
    ]),
    between(0.2, 4).map((lambda) => [
      pipe(crossEntropy, superLoss({ lambda, tau: "batchMean" })),
      "super_loss",
      { lam: lambda, tau: null },
    ]),
    fc
      .record({ counts, maxMargin: between(0, 1), scale: between(1, 10) })
      .map((options) => [
        ldam(options),
        "ldam",
        { counts: options.counts, max_margin: options.maxMargin, scale: options.scale },
      ]),
    counts.map((c) => [pipe(crossEntropy, balancedSoftmax(fromCounts(c))), "balanced", { counts: c }]),
    share.map((e) => [pipe(crossEntropy, labelSmoothing(e, { form: "t5x" })), "t5x", { e }]),
  );
}

interface Case {
  readonly loss: AnyLoss;
  readonly batch: PlainBatch;
  readonly torch: NamedTorchCase;
}

const cases: fc.Arbitrary<Case> = fc
  .tuple(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 1, max: 4 }))
  .chain(([classes, count]) =>
    fc
      .record({
        pair: pairs(classes),
        logits: listOf(listOf(between(-8, 8), classes), count),
        labels: listOf(fc.nat({ max: classes - 1 }), count),
      })
      .map(({ pair: [loss, name, parameters], logits, labels }) => ({
        loss: pipe(loss as typeof crossEntropy, perToken),
        batch: { logits, labels },
        torch: { loss: name, parameters, logits, labels, soft: false },
      })),
  );

const softCases: fc.Arbitrary<Case> = fc.integer({ min: 2, max: 6 }).chain((classes) =>
  fc
    .record({
      logits: listOf(listOf(between(-8, 8), classes), 2),
      labels: listOf(listOf(between(0.01, 1), classes), 2),
    })
    .map(({ logits, labels }) => ({
      loss: pipe(klDivergence, perToken),
      batch: { logits, labels },
      torch: { loss: "kl", parameters: {}, logits, labels, soft: true },
    })),
);

const probabilityCases: fc.Arbitrary<Case> = fc.integer({ min: 2, max: 6 }).chain((classes) =>
  fc
    .record({ weights: listOf(listOf(between(0.01, 1), classes), 3), labels: listOf(fc.nat({ max: classes - 1 }), 3) })
    .map(({ weights, labels }) => {
      const logits = weights.map((row) => {
        const total = row.reduce((a, b) => a + b, 0);
        return row.map((x) => Math.fround(x / total));
      });
      return {
        loss: pipe(crossEntropy, fromProbabilities, perToken),
        batch: { logits, labels },
        torch: { loss: "keras", parameters: {}, logits, labels, soft: false },
      };
    }),
);

async function expectAnswers(sample: readonly Case[], exact: number, rounded: number): Promise<void> {
  const answers = askTorch(sample.map(({ torch }) => torch));
  const check = (i: number, value: readonly number[], gradient: readonly number[], tolerance: number): void => {
    const { loss, batch, torch } = sample[i];
    const errors = [
      distance(value, answers[i].value, 1),
      distance(gradient, answers[i].gradient, gradientSize(loss, batch)),
    ];
    if (errors.some((error) => !(error <= tolerance))) throw new Error(`off by ${errors}: ${JSON.stringify(torch)}`);
  };
  for (const [i, { loss, batch }] of sample.entries()) {
    check(i, flat(evaluate(loss as never, batch)), flat(evaluateGradient(loss, batch)), exact);
  }
  for (const backend of backends) {
    await startBackend(backend)();
    for (const [i, { loss, batch }] of sample.entries()) {
      const rows = batch.logits as number[][];
      const { value, gradient } = await runCompiled(loss, batch, [rows.length, rows[0].length]);
      check(i, value, gradient, rounded);
    }
  }
}

(hasTorch() ? describe : describe.skip)("PyTorch", () => {
  test("agrees with the losses at integer labels: to 1e-9, and each backend to 2e-5", async () => {
    await expectAnswers(fc.sample(cases, { seed: 11, numRuns: 300 }), 1e-9, 2e-5);
  });

  test("agrees with klDivergence", async () => {
    await expectAnswers(fc.sample(softCases, 60), 1e-12, 1e-5);
  });

  test("agrees with Keras's way with probabilities, which clips and does not divide again", async () => {
    await expectAnswers(fc.sample(probabilityCases, 60), 1e-6, 2e-5);
  });

  test("agrees with the gradient for the labels of klDivergence; where a label is 0 PyTorch has NaN, ours 0", async () => {
    const labels = [
      [0.2, 0.5, 0.3],
      [0, 0.4, 0.6],
    ];
    const logits = [
      [2, 1, 0.1],
      [0.5, 2.5, 0.3],
    ];
    const [{ labelsGradient }] = askTorch([{ loss: "kl", parameters: {}, logits, labels, soft: true }]);
    expect(labelsGradient?.map((x) => x === null)).toEqual([false, false, false, true, false, false]);
    const expected = (labelsGradient ?? []).map((x) => x ?? 0);
    for (const backend of backends) {
      await startBackend(backend)();
      const loss = compile(pipe(klDivergence, perToken));
      const [z, q] = [tf.tensor2d(logits), tf.tensor2d(labels)];
      const gradient = tf.grad((x: tf.Tensor) => tf.sum(loss({ logits: z, labels: x })))(q);
      expect(distance([...(await gradient.data())], expected)).toBeLessThan(1e-6);
      tf.dispose([z, q, gradient]);
    }
  });
});
