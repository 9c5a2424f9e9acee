/** Weights of rows: by their position in the sequence, and of a prompt against its response. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  balanced,
  classWeights,
  clip,
  compile,
  crossEntropy,
  evaluate,
  evaluateGradient,
  explain,
  exponentialDecay,
  focal,
  freqWeights,
  fromCounts,
  ignoreIndex,
  type Keep,
  labelSmoothing,
  lawMonoid,
  linear,
  logarithmic,
  mean,
  normalise,
  override,
  type PlainBatch,
  perToken,
  pipe,
  positionWeights,
  powerLaw,
  promptWeight,
  scale,
  show,
  stretchedExponential,
  sum,
  zLoss,
} from "lossmith";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { expectClose, flat } from "../support/numbers.ts";

/** Two sequences of four tokens: prompts of two and of one; the last token of the second is padding. */
const batch = {
  logits: [
    [
      [2, 1, 0.1],
      [0.5, 2.5, 0.3],
      [1, 1, 1],
      [-1, 0.5, 2],
    ],
    [
      [0, 3, 1],
      [1, 0, 2],
      [0.2, 0.1, -0.4],
      [9, 9, 9],
    ],
  ],
  labels: [
    [0, 1, 2, 0],
    [1, 0, 1, -1],
  ],
  sampleWeight: [
    [1, 2, 1, 0.5],
    [1, 0, 1, 1],
  ],
  inputs: {
    prompt: [
      [1, 1, 0, 0],
      [1, 0, 0, 0],
    ],
  },
  step: 3,
} satisfies PlainBatch;
const shape = [2, 4, 3];
const valid = ignoreIndex(-1);
const nll = flat(evaluate(pipe(crossEntropy, valid, perToken), { ...batch, sampleWeight: ones() }));
const sampleWeight = flat(batch.sampleWeight).map((w, row) => (row === 7 ? 0 : w));
const prompt = flat(batch.inputs.prompt);

function ones(): number[][] {
  return [0, 1].map(() => [1, 1, 1, 1]);
}

const total = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Σ s w l / Σ s w, with w the weights of the rows. */
function weightedMeanOf(weights: readonly number[]): number {
  const each = sampleWeight.map((s, row) => s * weights[row]);
  return total(each.map((w, row) => w * nll[row])) / total(each);
}

const byPosition = (w: (place: number) => number): number[] => nll.map((_, row) => w(1 + (row % 4)));

const rowWeights: readonly (readonly [string, Keep, readonly number[]])[] = [
  ["a power of the position", positionWeights(powerLaw(0.5, { epsilon: 0 })), byPosition((i) => i ** -0.5)],
  ["an exponential", positionWeights(exponentialDecay(0.3)), byPosition((i) => Math.exp(-0.3 * i))],
  [
    "an exponential from 0",
    positionWeights(exponentialDecay(0.3), { first: 0 }),
    byPosition((i) => Math.exp(-0.3 * (i - 1))),
  ],
  ["a logarithm", positionWeights(logarithmic), byPosition((i) => 1 / Math.log(Math.E + i))],
  [
    "a stretched exponential",
    positionWeights(stretchedExponential({ tau: 2, beta: 0.7 })),
    byPosition((i) => Math.exp(-((i / 2) ** 0.7))),
  ],
  ["weights that grow", positionWeights(powerLaw(-2, { epsilon: 0 })), byPosition((i) => i ** 2)],
  [
    "two laws as one",
    positionWeights(lawMonoid.concat(powerLaw(1, { epsilon: 0 }), clip(0.4, 0.7))),
    byPosition((i) => Math.min(0.7, Math.max(0.4, 1 / i))),
  ],
  [
    "a schedule",
    positionWeights(powerLaw(linear({ init: 0, end: 1, steps: 10 }), { epsilon: 0 })),
    byPosition((i) => i ** -0.3),
  ],
  ["a prompt that weighs less", promptWeight(0.1), prompt.map((p) => (p > 0 ? 0.1 : 1))],
  ["a prompt that weighs more", promptWeight(3, { response: 0.5 }), prompt.map((p) => (p > 0 ? 3 : 0.5))],
  ["a scheduled prompt", promptWeight(linear({ init: 1, end: 0, steps: 4 })), prompt.map((p) => (p > 0 ? 0.25 : 1))],
];

for (const [name, weigh, weights] of rowWeights) {
  describe(name, () => {
    test("is in the value, and in the denominator of a weighted mean", () => {
      expect(evaluate(pipe(crossEntropy, weigh, valid), batch)).toBeCloseTo(weightedMeanOf(weights), 12);
    });

    test("is in the value alone under the other reductions", () => {
      const each = nll.map((l, row) => sampleWeight[row] * weights[row] * l);
      expect(evaluate(pipe(crossEntropy, weigh, valid, sum), batch)).toBeCloseTo(total(each), 12);
      expect(evaluate(pipe(crossEntropy, weigh, valid, mean), batch)).toBeCloseTo(total(each) / 7, 12);
      expectClose(evaluate(pipe(crossEntropy, weigh, valid, perToken), batch), each, 1e-12);
    });

    test("is linear in the loss", () => {
      const other = pipe(crossEntropy, focal({ gamma: 2 }), labelSmoothing(0.1));
      const value = (loss: AnyLoss): number => evaluate(pipe(loss as typeof crossEntropy, valid), batch);
      const apart = value(pipe(crossEntropy, weigh)) + value(pipe(other, weigh));
      expect(value(pipe(crossEntropy, add(other), weigh))).toBeCloseTo(apart, 12);
      expect(value(pipe(other, scale(2.5), weigh))).toBeCloseTo(2.5 * value(pipe(other, weigh)), 12);
    });
  });
}

test("row weights multiply, and meet a field's in any order", () => {
  const [position, ofPrompt] = [positionWeights(powerLaw(1, { epsilon: 0 })), promptWeight(0.2)];
  const field = classWeights([1, 2, 4]);
  const value = (loss: AnyLoss): number => evaluate(pipe(loss as typeof crossEntropy, valid), batch);
  const labels = flat(batch.labels);
  const expected = weightedMeanOf(
    nll.map((_, row) => (1 / (1 + (row % 4))) * (prompt[row] > 0 ? 0.2 : 1) * ([1, 2, 4][labels[row]] ?? 0)),
  );
  expect(value(pipe(crossEntropy, position, ofPrompt, field))).toBeCloseTo(expected, 12);
  expect(value(pipe(crossEntropy, field, ofPrompt, position))).toBeCloseTo(expected, 12);
});

test("the focus stays: a law after row weights acts on the field before them", () => {
  const field = freqWeights(fromCounts([16, 4, 1]));
  const after = pipe(crossEntropy, field, promptWeight(0.5), powerLaw(0.5), valid);
  const before = pipe(crossEntropy, field, powerLaw(0.5), promptWeight(0.5), valid);
  expect(evaluate(after, batch)).toBe(evaluate(before, batch));
});

test("a term that is appended later is not weighed", () => {
  const weighed = pipe(crossEntropy, promptWeight(0), valid);
  const z = evaluate(pipe(crossEntropy, zLoss(1), valid), batch) - evaluate(pipe(crossEntropy, valid), batch);
  expect(evaluate(pipe(weighed, zLoss(1)), batch)).toBeCloseTo(evaluate(weighed, batch) + z, 12);
});

test("a prompt of weight 0 is a masked prompt under the weighted mean, whatever its loss", () => {
  const mask = batch.inputs.prompt.map((row) => row.map((p) => p === 0));
  const masked = evaluate(pipe(crossEntropy, valid), { ...batch, mask });
  expect(evaluate(pipe(crossEntropy, promptWeight(0), valid), batch)).toBeCloseTo(masked, 12);
  const infinite = batch.logits.map((rows, s) =>
    rows.map((z, t) => (s === 0 && t === 0 ? [Number.NEGATIVE_INFINITY, 0, 0] : z)),
  );
  expect(evaluate(pipe(crossEntropy, promptWeight(0), valid), { ...batch, logits: infinite })).toBeCloseTo(masked, 12);
});

test("weights of 0 in every row give 0", () => {
  const nothing = { ...batch, inputs: { prompt: ones() } };
  expect(evaluate(pipe(crossEntropy, promptWeight(0), valid), nothing)).toBe(0);
});

test("the input may have another name", () => {
  const loss = pipe(crossEntropy, promptWeight(0.1, { input: "isPrompt" }), valid);
  const renamed = { ...batch, inputs: { isPrompt: batch.inputs.prompt } };
  expect(evaluate(loss, renamed)).toBe(evaluate(pipe(crossEntropy, promptWeight(0.1), valid), batch));
});

test("the positions of labels of rank 1 are one sequence", () => {
  const rows = { logits: nll.slice(0, 5).map(() => [0, 0]), labels: [0, 1, 0, 1, 0] };
  const loss = pipe(crossEntropy, positionWeights(powerLaw(1, { epsilon: 0 })), perToken);
  expectClose(
    evaluate(loss, rows),
    [1, 2, 3, 4, 5].map((i) => Math.log(2) / i),
    1e-12,
  );
});

const combined = pipe(
  crossEntropy,
  focal({ gamma: 1 }),
  freqWeights(fromCounts([9, 4, 1])),
  powerLaw(0.5),
  positionWeights(powerLaw(0.5)),
  labelSmoothing(0.1),
  promptWeight(linear({ init: 0, end: 1, steps: 10 })),
  add(pipe(crossEntropy, positionWeights(exponentialDecay(0.2)), mean)),
  valid,
);
const soft = {
  ...batch,
  labels: batch.logits.map((rows) => rows.map((z) => z.map((x) => Math.fround(Math.max(0, Math.sin(3 * x)))))),
};

async function expectReference(loss: AnyLoss, on: PlainBatch): Promise<void> {
  const { value, gradient } = await runCompiled(loss, on, shape);
  expectClose(value, flat(evaluate(loss as never, on)), 2e-6);
  expectClose(gradient, evaluateGradient(loss, on), 5e-6);
}

for (const backend of backends) {
  describe(`compiled on ${backend}`, () => {
    beforeAll(startBackend(backend));

    for (const [name, weigh] of rowWeights) {
      test(`${name} is the reference's, with soft labels too`, async () => {
        await expectReference(pipe(crossEntropy, weigh, valid), batch);
        await expectReference(pipe(crossEntropy, weigh, valid, perToken), batch);
        await expectReference(pipe(crossEntropy, weigh), soft);
      });
    }

    test("among all the rest it is the reference's", async () => {
      await expectReference(combined, batch);
      await expectReference(combined, soft);
    });

    test("micro-batches whose denominators are summed add up to the whole batch", () => {
      const loss = compile(combined);
      const part = (s: number) => ({
        logits: tf.tensor([batch.logits[s]]),
        labels: [batch.labels[s]],
        sampleWeight: [batch.sampleWeight[s]],
        inputs: { prompt: [batch.inputs.prompt[s]] },
        step: batch.step,
      });
      const parts = [part(0), part(1)];
      const denominators = parts
        .map(({ logits: _logits, ...rest }) => loss.denominators(rest))
        .reduce((a, b) => tf.add(a, b));
      const value = total(parts.map((p) => loss({ ...p, denominators }).dataSync()[0]));
      expectClose([value], [evaluate(combined, batch)], 2e-6);
      const merged = parts.map((p) => loss.parts(p));
      const sums = {
        numerators: tf.add(merged[0].numerators, merged[1].numerators) as tf.Tensor1D,
        denominators: tf.add(merged[0].denominators, merged[1].denominators) as tf.Tensor1D,
      };
      expectClose([loss.combine(sums).dataSync()[0]], [evaluate(combined, batch)], 2e-6);
      loss.dispose();
    });

    test("denominators ask for the inputs that weights read, and for no others", () => {
      const weighed = compile(pipe(crossEntropy, promptWeight(0.1), valid));
      const { labels, sampleWeight: w, inputs } = batch;
      expect(() => weighed.denominators({ labels, sampleWeight: w })).toThrow(
        'inputs: the loss reads "prompt" and the batch gives no such input',
      );
      const expected = total(sampleWeight.map((s, row) => s * (prompt[row] > 0 ? 0.1 : 1)));
      expectClose([...weighed.denominators({ labels, sampleWeight: w, inputs }).dataSync()], [expected], 1e-6);
      const scaled = compile(pipe(crossEntropy, promptWeight(0.1), valid, mean));
      expectClose([...scaled.denominators({ labels }).dataSync()], [7], 1e-6);
    });

    test("a tensor of sample weights gets its gradient through the row weights", () => {
      const loss = compile(pipe(crossEntropy, promptWeight(0.1), valid));
      const logits = tf.tensor(batch.logits);
      const at = (w: number[]): number =>
        evaluate(pipe(crossEntropy, promptWeight(0.1), valid), {
          ...batch,
          sampleWeight: [w.slice(0, 4), w.slice(4)],
        });
      const start = flat(batch.sampleWeight);
      const gradient = tf.grad((w: tf.Tensor) =>
        loss({ logits, labels: batch.labels, inputs: batch.inputs, sampleWeight: w }),
      )(tf.tensor(batch.sampleWeight));
      const differences = start.map((_, i) => {
        const moved = (h: number): number => at(start.map((x, j) => (j === i ? Math.max(0, x + h) : x)));
        return start[i] === 0 ? (moved(1e-6) - moved(0)) / 1e-6 : (moved(1e-5) - moved(-1e-5)) / 2e-5;
      });
      expectClose([...gradient.dataSync()], differences, 1e-4);
    });
  });
}

for (const backend of gpuBackends) {
  test(`on ${backend} they are the reference's`, async () => {
    await startBackend(backend)();
    for (const [, weigh] of rowWeights) await expectReference(pipe(crossEntropy, weigh, valid), batch);
    await expectReference(combined, batch);
    await expectReference(combined, soft);
    const loss = compile(combined);
    const { logits: _logits, ...rest } = batch;
    const denominators = [...(await loss.denominators(rest).data())];
    const value = await loss({ ...rest, logits: tf.tensor(batch.logits), denominators }).data();
    expectClose([...value], [evaluate(combined, batch)], 2e-6);
    loss.dispose();
  });
}

test("compiled by ordinary ops they are the reference's too", async () => {
  await behindGlass(async () => {
    await expectReference(combined, batch);
    await expectReference(combined, soft);
  });
});

test("any weights of the rows are those of sample weights", () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(0, 1), { minLength: 8, maxLength: 8 }),
      fc.nat({ max: 30 }),
      (marks, tenths) => {
        const inputs = { prompt: [marks.slice(0, 4), marks.slice(4)] };
        const weighed = evaluate(pipe(crossEntropy, promptWeight(tenths / 10), valid), { ...batch, inputs });
        const sampleWeights = batch.sampleWeight.map((row, s) =>
          row.map((w, t) => (inputs.prompt[s][t] === 1 ? w * (tenths / 10) : w)),
        );
        const expected = evaluate(pipe(crossEntropy, valid), { ...batch, sampleWeight: sampleWeights });
        expect(Math.abs(weighed - expected)).toBeLessThanOrEqual(1e-12 * Math.abs(expected));
      },
    ),
  );
});

test("show and explain", () => {
  const loss = pipe(crossEntropy, positionWeights(exponentialDecay(0.5)), promptWeight(0.1));
  expect(show(loss)).toContain("(0 < prompt ? 0.1 : 1) · exp(−0.5 · (position + 1)) · nll(y)");
  expect(explain(loss)).toContain("inputs: prompt");
});

describe("wrong input", () => {
  const anything = (x: unknown): never => x as never;

  test("laws of counts or of the whole vocabulary are refused", () => {
    for (const law of [balanced, normalise("max"), override({ 0: 1 })]) {
      expect(() => positionWeights(law)).toThrow(`${law.law.name} reads more than the value`);
    }
    expect(() => positionWeights(anything(0.5))).toThrow("positionWeights(law): got 0.5. Give a law");
    expect(() => positionWeights(logarithmic, { first: Number.NaN })).toThrow("positionWeights({ first }): got NaN");
  });

  test("weights of prompts are at least 0", () => {
    expect(() => promptWeight(-0.1)).toThrow("promptWeight(w): got -0.1");
    expect(() => promptWeight(0.1, { response: Infinity })).toThrow("promptWeight({ response }): got Infinity");
    expect(() => promptWeight(0.1, { input: "" })).toThrow("input(name)");
  });

  test("rows are weighed before the reduction", () => {
    const apply = (combinator: unknown): unknown => (combinator as (loss: unknown) => unknown)(mean(crossEntropy));
    expect(() => apply(promptWeight(0.1))).toThrow("Put promptWeight before the reduction");
    expect(() => apply(positionWeights(logarithmic))).toThrow("Put positionWeights before the reduction");
  });

  test("a batch without the input is refused", () => {
    const { inputs: _inputs, ...without } = batch;
    expect(() => evaluate(pipe(crossEntropy, promptWeight(0.1), valid), without)).toThrow('the loss reads "prompt"');
  });
});
