/** Gradients of micro-batches add up to those of the whole batch, for every loss and reduction that does not couple rows. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  type Batches,
  compile,
  crossEntropy,
  type Input,
  LossError,
  language,
  mean,
  pipe,
} from "lossmith";
import { accumulateGradients, trainStep } from "lossmith/training";
import { reference } from "../support/agreement.ts";
import { type Case, cases } from "../support/arbitraries.ts";
import { backends, startBackend } from "../support/backends.ts";
import { gradientSize, valueSize } from "../support/gradientSize.ts";
import { type ValuesCase, valuesCases } from "../support/valuesArbitraries.ts";

/** Cases whose batches have sequences, which a cut along the first axis leaves whole. */
function cuttable({ composition, batch }: Case | ValuesCase): boolean {
  const ends = composition.loss.terms.some(({ reduction }) => reduction === "perToken");
  return (
    batch.shape.length >= 2 && !batch.shape.includes(0) && !ends && typeof reference(composition, batch) !== "string"
  );
}

/** The rows of each entry of a batch between two indices; soft labels as a tensor. */
function rowsOf(
  { composition: { loss }, batch }: Case | ValuesCase,
  from: number,
  to: number,
): Record<string, unknown> {
  const { step: _, logits, predictions, inputs, ...entries } = batch.plain as unknown as Record<string, unknown[]>;
  const cut = Object.fromEntries(Object.entries(entries).map(([name, rows]) => [name, rows.slice(from, to)]));
  const given = Object.entries(inputs as unknown as Record<string, unknown[]>);
  if ("labels" in cut && depth(cut["labels"]) > batch.shape.length)
    cut["labels"] = tf.tensor(cut["labels"] as never) as never;
  if (!loss.terms.some((t) => JSON.stringify(t).includes("teacher"))) delete cut["teacher"];
  return { ...cut, inputs: Object.fromEntries(given.map(([name, rows]) => [name, rows.slice(from, to)])) };
}

function depth(nested: unknown): number {
  return Array.isArray(nested) ? 1 + depth(nested[0]) : 0;
}

interface Result {
  readonly value: number;
  readonly gradient: Float32Array;
}

function whole(one: Case | ValuesCase, input: tf.Tensor, name: string): Result {
  const loss = compile(one.composition.loss);
  const entries = { ...rowsOf(one, 0, one.batch.shape[0]), step: one.batch.plain.step };
  const of = (x: tf.Tensor): tf.Scalar => loss({ ...entries, [name]: x } as unknown as Batches[Input]) as tf.Scalar;
  const { value, grad } = tf.valueAndGrad(of)(input);
  for (const variable of loss.variables.values()) variable.dispose();
  loss.dispose();
  return { value: value.dataSync()[0], gradient: grad.dataSync() as Float32Array };
}

function inParts(one: Case | ValuesCase, input: tf.Tensor, cuts: readonly number[]): Result {
  const variable = input.variable();
  const [size] = one.batch.shape;
  const edges = [0, ...cuts.map((cut) => cut % (size + 1)).sort((a, b) => a - b), size];
  const gradients = accumulateGradients<[number, number], Input>({
    loss: one.composition.loss as never,
    model: ([from, to]) => variable.slice([from], [to - from]),
    variables: [variable],
  });
  const batches = edges.slice(1).flatMap((to, i) => {
    const from = edges[i];
    return from === to ? [] : [{ ...rowsOf(one, from, to), x: [from, to] }];
  });
  try {
    const { value, grads } = gradients(batches as never, one.batch.plain.step);
    return { value: value.dataSync()[0], gradient: grads[variable.name].dataSync() as Float32Array };
  } finally {
    gradients.dispose();
    variable.dispose();
  }
}

const norm = (x: ArrayLike<number>): number => Math.sqrt(Array.from(x).reduce((s, v) => s + v * v, 0));

function expectSame(one: Case | ValuesCase, cuts: readonly number[]): void {
  tf.tidy(() => {
    const { plain } = one.batch;
    const [name, nested] = "predictions" in plain ? ["predictions", plain.predictions] : ["logits", plain.logits];
    const input = tf.tensor(nested as number[], undefined, "float32");
    const expected = whole(one, input, name);
    if (isCoupled(one.composition.loss) && cuts.length > 0) {
      const edges = new Set(
        cuts.map((cut) => cut % (one.batch.shape[0] + 1)).filter((c) => c > 0 && c < one.batch.shape[0]),
      );
      if (edges.size > 0) return expect(() => inParts(one, input, cuts)).toThrow(LossError);
    }
    const actual = inParts(one, input, cuts);
    // Where a number is a small difference, its error is one of the parts; the two sizes are a twentieth of theirs.
    const [ofValue, ofGradient] = [valueSize, gradientSize].map((size) => 20 * size(one.composition.loss, plain));
    const value = Math.max(Math.abs(expected.value), ofValue, 1e-33);
    expect(Math.abs(actual.value - expected.value)).toBeLessThanOrEqual(1e-6 * value);
    const size = Math.max(ofGradient, one.composition.loss.probabilities ? 0 : norm(expected.gradient), 1e-33);
    // The parts of the gradient of a probability p are those of log p over p.
    const over = one.composition.loss.probabilities ? input.dataSync() : tf.onesLike(input).dataSync();
    const difference = expected.gradient.map((g, i) => (g - actual.gradient[i]) * over[i]);
    expect(norm(difference)).toBeLessThanOrEqual(1e-6 * size);
  });
}

function isCoupled(loss: AnyLoss): boolean {
  const compiled = compile(loss);
  for (const variable of compiled.variables.values()) variable.dispose();
  return compiled.plan.couplings.length > 0;
}

for (const backend of backends) {
  describe(`micro-batches, ${backend}`, () => {
    beforeAll(startBackend(backend));

    const cuts = fc.array(fc.nat({ max: 100 }), { maxLength: 3 });

    test("losses over logits, with integer and soft labels, masks and weights", () => {
      fc.assert(fc.property(cases.filter(cuttable), cuts, expectSame), { numRuns: 30 });
    }, 30_000);

    test("losses over values", () => {
      fc.assert(fc.property(valuesCases.filter(cuttable), cuts, expectSame), { numRuns: 25 });
    });

    test("a step on micro-batches updates the weights as a step on the whole batch", async () => {
      const xs = tf.randomUniform<tf.Rank.R2>([6, 4], -1, 1, "float32", 1);
      const labels = [0, 1, 2, 2, 1, 0];
      const trained = async (edges: readonly number[]): Promise<Float32Array> => {
        const weights = tf.variable(tf.randomUniform<tf.Rank.R2>([4, 3], -1, 1, "float32", 2));
        const optimizer = tf.train.adam(0.05);
        const step = trainStep({ optimizer, loss: crossEntropy, model: (x: tf.Tensor2D) => tf.matMul(x, weights) });
        const batches = edges.slice(1).map((to, i) => ({
          x: xs.slice([edges[i]], [to - edges[i]]),
          labels: labels.slice(edges[i], to),
        }));
        for (let t = 0; t < 10; t++) await step(batches);
        step.dispose();
        optimizer.dispose();
        return (await weights.data()) as Float32Array;
      };
      const [one, several] = [await trained([0, 6]), await trained([0, 1, 3, 6])];
      expect(norm(one.map((w, i) => w - several[i]))).toBeLessThanOrEqual(2e-6 * norm(one));
    });
  });
}

describe("what cannot be added up is refused", () => {
  beforeAll(startBackend("cpu"));

  const { batchMean, lossOf, nll } = language;

  test("a loss with a batch mean, on more than one micro-batch", () => {
    const coupled = lossOf(batchMean(nll));
    const weights = tf.variable(tf.zeros([1, 2]));
    const gradients = accumulateGradients({ loss: coupled, model: () => weights, variables: [weights] });
    const batch = { x: 0, labels: [0] };
    expect(() => gradients([batch, batch])).toThrow(LossError);
    const { value, grads } = gradients([batch]);
    expect(value.dataSync()[0]).toBeCloseTo(Math.log(2), 6);
    tf.dispose([value, grads, weights]);
    gradients.dispose();
  });

  test("soft labels as arrays, which cannot be told from integer labels without logits", () => {
    const weights = tf.variable(tf.zeros([2, 2]));
    const gradients = accumulateGradients({ loss: pipe(crossEntropy, mean), model: () => weights });
    const batch = {
      x: 0,
      labels: [
        [1, 0],
        [0, 1],
      ],
    };
    expect(() => gradients([batch, batch])).toThrow("as float32 tensors");
    gradients.dispose();
    weights.dispose();
  });

  test("no batch at all", () => {
    const gradients = accumulateGradients({ loss: crossEntropy, model: () => tf.zeros([1, 2]) });
    expect(() => gradients([])).toThrow("there is no batch");
  });
});
