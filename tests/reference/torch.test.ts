/** The reference, and every backend, against PyTorch's own cross entropy, live: values and gradients. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type AnyLoss,
  classWeights,
  crossEntropy,
  evaluate,
  evaluateGradient,
  freqWeights,
  fromCounts,
  ignoreIndex,
  labelSmoothing,
  mean,
  type PlainBatch,
  perToken,
  pipe,
  powerLaw,
  sum,
  weightedMean,
} from "lossmith";
import { batches, type RandomBatch } from "../support/arbitraries.ts";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { gradientSize } from "../support/gradientSize.ts";
import { distance, flat } from "../support/numbers.ts";
import { askTorch, hasTorch, type TorchAnswer, type TorchCase } from "../support/torch.ts";

interface OracleCase {
  readonly loss: AnyLoss;
  readonly batch: RandomBatch;
  readonly torch: TorchCase;
}

const reductions = { none: perToken, sum, mean: weightedMean };

/** Class weights × smoothing × ignored label × reduction × rank. */
const oracleCases: fc.Arbitrary<OracleCase> = fc.integer({ min: 2, max: 7 }).chain((classes) =>
  fc
    .record({
      batch: fc
        .boolean()
        .chain((soft) => batches(classes, undefined, { soft }))
        .filter(({ shape }) => !shape.includes(0)),
      weight: fc.oneof(
        fc.constant(null),
        fc.array(
          fc.integer({ min: 1, max: 50 }).map((w) => w / 10),
          { minLength: classes, maxLength: classes },
        ),
      ),
      counts: fc.option(fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: classes, maxLength: classes })),
      alpha: fc.constantFrom(0, 0.25, 0.5, 1, 1.5),
      labelSmoothingShare: fc.constantFrom(0, 0.1, 0.5),
      ignored: fc.constantFrom(-100, -1, 0, 1),
      reduction: fc.constantFrom<"none" | "sum" | "mean">("none", "sum", "mean"),
    })
    .map(({ batch, weight, counts, alpha, labelSmoothingShare, ignored, reduction }) => {
      const weighted: AnyLoss =
        counts !== null
          ? pipe(crossEntropy, freqWeights(fromCounts(counts)), powerLaw(alpha))
          : weight === null
            ? crossEntropy
            : pipe(crossEntropy, classWeights(weight));
      const { mask: _mask, sampleWeight: _sampleWeight, ...drawn } = batch.plain;
      const plain = { ...drawn, labels: distributions(drawn.labels, batch.shape.length) };
      const open = pipe(weighted as typeof crossEntropy, labelSmoothing(labelSmoothingShare), ignoreIndex(ignored));
      const soft = flat(plain.labels).length === flat(plain.logits).length;
      // PyTorch divides the mean over soft labels by the number of rows, whatever the weights.
      const reduce = soft && reduction === "mean" ? mean : reductions[reduction];
      const torch: TorchCase = {
        soft,
        logits: plain.logits,
        labels: plain.labels,
        // The official code of the Power-Law Decay Loss is class-weighted cross entropy with these weights.
        weight: counts === null ? weight : counts.map((count) => (count + 1e-7) ** -alpha),
        ignoreIndex: soft ? -100 : ignored,
        reduction,
        labelSmoothing: labelSmoothingShare,
      };
      return { loss: reduce(open), batch: { ...batch, plain }, torch };
    })
    // PyTorch divides by 0 where every label is ignored; ours is 0 (another test).
    .filter(({ batch, torch }) => torch.soft || flat(batch.plain.labels).some((label) => label !== torch.ignoreIndex)),
);

/** Soft labels with rows that sum to 1: PyTorch smooths by e / V whatever they sum to, ours by e / V times their sum. */
function distributions(labels: PlainBatch["labels"], rank: number): PlainBatch["labels"] {
  if (!Array.isArray(labels)) return labels;
  if (rank > 0) return labels.map((inner) => distributions(inner, rank - 1));
  const total = flat(labels).reduce((sum, q) => sum + q, 0);
  return labels.map((q) => (total === 0 ? 1 / labels.length : (q as number) / total));
}

const withTorch = hasTorch();
const sample: readonly OracleCase[] = withTorch ? fc.sample(oracleCases, 500) : [];
let answers: readonly TorchAnswer[] = [];

(withTorch ? describe : describe.skip)("500 random cases against PyTorch", () => {
  beforeAll(() => {
    answers = askTorch(sample.map(({ torch }) => torch));
  });

  const shown = ({ torch }: OracleCase): string => JSON.stringify(torch);

  test("reference, values and gradients to 1e-10", () => {
    sample.forEach((oracleCase, i) => {
      const { loss, batch } = oracleCase;
      // PyTorch's logsumexp − z loses digits of small values: its error is that of numbers of the logits' size.
      const value = distance(flat(evaluate(loss as never, batch.plain)), answers[i].value, 1e-3);
      const gradient = distance(
        flat(evaluateGradient(loss, batch.plain)),
        answers[i].gradient,
        gradientSize(loss, batch.plain),
      );
      if (value > 1e-10 || gradient > 1e-10) throw new Error(`off by ${value}, ${gradient}: ${shown(oracleCase)}`);
    });
    expect(answers.length).toBe(500);
  });

  for (const backend of backends) {
    test(`${backend}, values and gradients to 2e-5`, async () => {
      await startBackend(backend)();
      for (const [i, oracleCase] of sample.entries()) {
        const { loss, batch } = oracleCase;
        const { value, gradient } = await runCompiled(loss, batch.plain, [...batch.shape, batch.classes]);
        const errors = [
          distance(value, answers[i].value),
          distance(gradient, answers[i].gradient, gradientSize(loss, batch.plain)),
        ];
        if (errors.some((error) => error > 2e-5)) throw new Error(`off by ${errors}: ${shown(oracleCase)}`);
      }
      expect(answers.length).toBe(500);
    });
  }
});

test("a weight scales a mean in PyTorch's way only where the reduction is the weighted one", () => {
  const batch: PlainBatch = {
    logits: [
      [0, 1],
      [2, 0],
    ],
    labels: [0, 0],
  };
  const loss = pipe(crossEntropy, classWeights([4, 1]));
  expect(evaluate(pipe(loss, mean), batch)).toBeCloseTo(4 * evaluate(loss, batch), 12);
});
