/** Losses over values against PyTorch's own, live: values and gradients, of the reference and of every backend. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  binaryCrossEntropy,
  compile,
  cosineSimilarity,
  evaluate,
  evaluateGradient,
  huber,
  klDivergenceOfProbabilities,
  type Loss,
  mean,
  meanAbsoluteError,
  meanSquaredError,
  perToken,
  poisson,
  sum,
} from "lossmith";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { distance, flat } from "../support/numbers.ts";
import { askTorch, hasTorch, type TorchAnswer, type TorchValuesCase } from "../support/torch.ts";

interface Pair {
  readonly loss: Loss<"values", "without a weight field">;
  readonly values: string;
  readonly option?: number;
  /** The numbers that both are defined for, away from kinks. */
  readonly prediction: fc.Arbitrary<number>;
  readonly target: fc.Arbitrary<number>;
  readonly learnsTargets: boolean;
  /** Whether PyTorch's reductions are over rows, as ours, and not over elements. */
  readonly byRow?: boolean;
}

const between = (min: number, max: number): fc.Arbitrary<number> =>
  fc.double({ min, max, noNaN: true }).map(Math.fround);
const number = between(-8, 8);
const probability = between(1e-4, 0.9999);
const answer = fc.oneof(fc.constantFrom(0, 1), between(0, 1));

const pairs: readonly Pair[] = [
  { loss: meanSquaredError, values: "mse", prediction: number, target: number, learnsTargets: true },
  { loss: meanAbsoluteError, values: "l1", prediction: number, target: number, learnsTargets: true },
  {
    loss: huber({ delta: 1.5 }),
    values: "huber",
    option: 1.5,
    prediction: number,
    target: number,
    learnsTargets: true,
  },
  {
    loss: binaryCrossEntropy({ from: "logits" }),
    values: "binary with logits",
    prediction: fc.oneof(number, between(-60, 60)),
    target: answer,
    learnsTargets: true,
  },
  {
    loss: binaryCrossEntropy({ from: "probabilities" }),
    values: "binary",
    prediction: probability,
    target: answer,
    learnsTargets: false,
  },
  {
    loss: poisson,
    values: "poisson",
    option: 1e-7,
    prediction: between(0.01, 9),
    target: between(0, 9),
    learnsTargets: true,
  },
  {
    loss: klDivergenceOfProbabilities,
    values: "kl",
    prediction: probability,
    target: fc.oneof(fc.constant(0), probability),
    learnsTargets: false,
  },
  {
    loss: cosineSimilarity,
    values: "cosine",
    prediction: fc.oneof(between(0.5, 8), between(-8, -0.5)),
    target: fc.oneof(between(0.5, 8), between(-8, -0.5)),
    learnsTargets: true,
    byRow: true,
  },
];

interface OracleCase {
  readonly pair: Pair;
  readonly predictions: number[][];
  readonly targets: number[][];
  readonly reduction: "none" | "sum" | "mean";
}

const oracleCases: fc.Arbitrary<OracleCase> = fc
  .tuple(fc.constantFrom(...pairs), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 6 }))
  .chain(([pair, rows, columns]) => {
    const matrix = (entry: fc.Arbitrary<number>): fc.Arbitrary<number[][]> =>
      fc.array(fc.array(entry, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows });
    return fc.record({
      pair: fc.constant(pair),
      predictions: matrix(pair.prediction),
      targets: matrix(pair.target),
      reduction: fc.constantFrom<"none" | "sum" | "mean">("none", "sum", "mean"),
    });
  });

function torchCase({ pair, predictions, targets, reduction }: OracleCase): TorchValuesCase {
  const { values, option = null, learnsTargets } = pair;
  // A mean of our row sums is PyTorch's "batchmean".
  const named = values === "kl" && reduction === "mean" ? "batchmean" : reduction;
  return { values, option, learnsTargets, predictions, targets, reduction: named };
}

/** What ours is, in PyTorch's terms: PyTorch reduces elements, so that each of ours is a row of its own. */
function ours({ pair, predictions, targets, reduction }: OracleCase): {
  readonly loss: Loss<"values", "already reduced" | "already reduced per token">;
  readonly batch: { readonly predictions: number[][] | number[][][]; readonly targets: number[][] | number[][][] };
  readonly shape: readonly number[];
} {
  const reduced = { none: perToken, sum, mean }[reduction](pair.loss as never) as Loss<"values", "already reduced">;
  const isByRow = pair.byRow === true || (pair.values === "kl" && reduction === "mean");
  const elements = (rows: number[][]): number[][] | number[][][] =>
    isByRow ? rows : rows.map((row) => row.map((x) => [x]));
  const [rows, columns] = [predictions.length, predictions[0].length];
  return {
    loss: reduced,
    batch: { predictions: elements(predictions), targets: elements(targets) },
    shape: isByRow ? [rows, columns] : [rows, columns, 1],
  };
}

/** PyTorch's loss of pairs that belong together is 1 − cos. */
function expectedValue({ pair, reduction, predictions }: OracleCase, { value }: TorchAnswer): readonly number[] {
  if (pair.values !== "cosine") return value;
  return value.map((x) => x - (reduction === "sum" ? predictions.length : 1));
}

const withTorch = hasTorch();
const sample: readonly OracleCase[] = withTorch ? fc.sample(oracleCases, 400) : [];
let answers: readonly TorchAnswer[] = [];

(withTorch ? describe : describe.skip)("400 random cases against PyTorch", () => {
  beforeAll(() => {
    answers = askTorch(sample.map(torchCase));
  });

  /** A cosine and its gradient are differences of numbers of its parts' size. */
  const atLeast = ({ pair }: OracleCase): number => (pair.values === "cosine" || pair.values === "kl" ? 1 : 1e-12);

  /** So are p − t log p, which may be near 0 between large parts, and its gradient 1 − t / p. */
  const sizes = (oracleCase: OracleCase): { readonly value: number; readonly gradient: number } => {
    const { pair, predictions, targets, reduction } = oracleCase;
    if (pair.values !== "poisson") return { value: atLeast(oracleCase), gradient: atLeast(oracleCase) };
    const t = targets.flat();
    const parts = predictions.flat().map((p, i) => p + Math.abs(t[i] * Math.log(p)));
    const total = parts.reduce((sum, part) => sum + part, 0);
    if (reduction === "none") return { value: Math.max(...parts), gradient: 1 };
    const count = reduction === "mean" ? parts.length : 1;
    return { value: total / count, gradient: 1 / count };
  };

  test("reference, values and gradients to 1e-10", () => {
    sample.forEach((oracleCase, i) => {
      const { loss, batch } = ours(oracleCase);
      // PyTorch adds 1e-12 to the squared lengths of a cosine.
      const value = distance(
        flat(evaluate(loss as never, batch as never)),
        expectedValue(oracleCase, answers[i]),
        atLeast(oracleCase),
      );
      const gradient = distance(flat(evaluateGradient(loss, batch)), answers[i].gradient, atLeast(oracleCase));
      if (value > 1e-10 || gradient > 1e-10) {
        throw new Error(`off by ${value}, ${gradient}: ${JSON.stringify(torchCase(oracleCase))}`);
      }
    });
    expect(answers.length).toBe(400);
  });

  for (const backend of backends) {
    test(`${backend}, values and gradients to 2e-6, of targets too`, async () => {
      await startBackend(backend)();
      for (const [i, oracleCase] of sample.entries()) {
        const { loss, batch, shape } = ours(oracleCase);
        const { value, gradient } = await runCompiled(loss, batch, shape);
        const { labelsGradient } = answers[i];
        const size = sizes(oracleCase);
        // The gradient of a target is a difference of costs of about 1.
        const errors = [
          distance(value, expectedValue(oracleCase, answers[i]), size.value),
          distance(gradient, answers[i].gradient, size.gradient),
          labelsGradient === null
            ? 0
            : distance(await targetsGradient(loss, batch, shape), labelsGradient as readonly number[], 1),
        ];
        if (errors.some((error) => error > 2e-6)) {
          throw new Error(`off by ${errors}: ${JSON.stringify(torchCase(oracleCase))}`);
        }
      }
      expect(answers.length).toBe(400);
    });
  }
});

async function targetsGradient(
  loss: Loss<"values", "already reduced" | "already reduced per token">,
  batch: { readonly predictions: unknown; readonly targets: unknown },
  shape: readonly number[],
): Promise<number[]> {
  const compiled = compile(loss);
  const [p, t] = [batch.predictions, batch.targets].map((x) => tf.tensor(x as number[], [...shape], "float32"));
  const gradient = tf.grad((x: tf.Tensor) => tf.sum(compiled({ predictions: p, targets: x })))(t);
  const values = [...(await gradient.data())];
  tf.dispose([p, t, gradient]);
  return values;
}
