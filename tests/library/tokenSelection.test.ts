/** Rows that are chosen by their excess over a reference, and `highest`, which chooses them. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  classWeights,
  compile,
  crossEntropy,
  distillation,
  evaluate,
  evaluateGradient,
  explain,
  labelSmoothing,
  language,
  linear,
  mean,
  meanSquaredError,
  type PlainBatch,
  perToken,
  pipe,
  scale,
  show,
  sum,
  tokenSelection,
  zLoss,
} from "lossmith";
import { batches, compositions } from "../support/arbitraries.ts";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { distance, expectClose, flat } from "../support/numbers.ts";
import { askTorch, hasTorch } from "../support/torch.ts";

const numberOf = (loss: AnyLoss, batch: object): number => evaluate(loss as typeof crossEntropy, batch as PlainBatch);
const rowsOf = (loss: AnyLoss, batch: object): number[] => flat(evaluate(loss as never, batch as never));

/** Rows whose cross entropy is log(1 + exp(x)). */
const binary = (xs: readonly number[]): Pick<PlainBatch, "logits" | "labels"> => ({
  logits: xs.map((x) => [0, x]),
  labels: xs.map(() => 0),
});
const nll = (x: number): number => Math.log1p(Math.exp(x));
const hardest = (share: number): AnyLoss => pipe(crossEntropy, tokenSelection(share, { reference: null }), perToken);
const kept = (share: number, xs: readonly number[], more: object = {}): number[] =>
  rowsOf(hardest(share), { ...binary(xs), ...more }).flatMap((x, row) => (x === 0 ? [] : [row]));

describe("which rows are chosen", () => {
  test("the nearest whole number of rows, one at least; halves up", () => {
    const xs = [3, 1, 5, 2, 4];
    expect(kept(0.5, xs)).toEqual([0, 2, 4]);
    expect(kept(0.49, xs)).toEqual([2, 4]);
    expect(kept(0.01, xs)).toEqual([2]);
    expect(kept(1, xs)).toEqual([0, 1, 2, 3, 4]);
    // 0.7 · 5 is below 3.5 in float32 and 0.35 · 10 in float64.
    expect(kept(0.7, xs).length).toBe(4);
    expect(kept(0.35, [...xs, ...xs]).length).toBe(4);
  });

  test("of the valid rows alone, those of weight 0 among them", () => {
    const xs = [3, 1, 5, 2, 4];
    expect(kept(0.5, xs, { mask: [true, true, false, true, false] })).toEqual([0, 3]);
    expect(kept(0.5, xs, { mask: [false, false, false, false, false] })).toEqual([]);
    const weighed = { ...binary(xs), sampleWeight: [1, 1, 0, 1, 1] };
    expect(rowsOf(hardest(0.4), weighed)).toEqual([0, 0, 0, 0, nll(4)]);
  });

  test("of rows that tie those that come first", () => {
    expect(kept(0.5, [1, 1, 1, 1])).toEqual([0, 1]);
    expect(kept(0.5, [1, 1, 2, 1])).toEqual([0, 2]);
  });

  test("NaN and infinity first, so that neither is passed over", () => {
    expect(kept(0.3, [1, Number.NaN, 2, 3])).toEqual([1]);
    expect(
      numberOf(pipe(crossEntropy, tokenSelection(0.3, { reference: null })), binary([1, Number.NaN, 2])),
    ).toBeNaN();
    expect(kept(0.5, [1, Number.POSITIVE_INFINITY, 2, 3]).includes(1)).toBe(true);
  });

  test("by the loss of all terms so far less the reference", () => {
    const batch = { ...binary([3, 1, 4]), inputs: { base: [2.9, 0, 4] } };
    const [first, second] = [3, 1].map(nll);
    expect(second - 0).toBeGreaterThan(first - 2.9);
    const selection = tokenSelection(0.3, { reference: "base" });
    expect(numberOf(pipe(crossEntropy, selection), batch)).toBeCloseTo(second, 12);
    // The z-loss, as a term that is there, has a part in it; the teacher's term chooses for itself.
    const both = pipe(crossEntropy, zLoss(1), selection, sum);
    const lse = (x: number): number => nll(x);
    expect(numberOf(both, batch)).toBeCloseTo(nll(4) + lse(4) ** 2, 12);
    const taught = {
      ...batch,
      teacher: [
        [0, 0],
        [5, -5],
        [0, 0],
      ],
    };
    const ofTeacher = rowsOf(pipe(crossEntropy, scale(0), add(distillation()), selection, perToken), taught);
    expect(ofTeacher.map((x) => x !== 0)).toEqual([false, true, false]);
  });

  test("order is meaning: weights before it have a part in the choice, those after have none", () => {
    const batch = {
      logits: [
        [0, 3],
        [4, 0],
      ],
      labels: [0, 1],
    };
    const weights = classWeights([10, 1]);
    const selection = tokenSelection(0.5, { reference: null });
    expect(numberOf(pipe(crossEntropy, weights, selection, sum), batch)).toBeCloseTo(10 * nll(3), 12);
    expect(numberOf(pipe(crossEntropy, selection, weights, sum), batch)).toBeCloseTo(nll(4), 12);
  });
});

test("a weighted mean divides by the chosen rows, mean by all valid ones", () => {
  const batch = { ...binary([3, 1, 5, 2]), sampleWeight: [1, 1, 3, 1] };
  const selection = tokenSelection(0.5, { reference: null });
  expect(numberOf(pipe(crossEntropy, selection), batch)).toBeCloseTo((nll(3) + 3 * nll(5)) / 4, 12);
  expect(numberOf(pipe(crossEntropy, selection, mean), batch)).toBeCloseTo((nll(3) + 3 * nll(5)) / 4, 12);
  expect(numberOf(pipe(crossEntropy, selection, mean), binary([3, 1, 5, 2]))).toBeCloseTo((nll(3) + nll(5)) / 4, 12);
});

test("a share of 1 is the loss itself", () => {
  const open = compositions(4, 0).filter(({ loss }) => loss.terms.every(({ reduction }) => reduction === null));
  fc.assert(
    fc.property(open, batches(4), ({ loss }, { plain }) => {
      const all = tokenSelection(1, { reference: null })(loss as typeof crossEntropy);
      const outcome = (x: AnyLoss): unknown => {
        try {
          return [numberOf(x, plain), flat(evaluateGradient(x, plain))];
        } catch (error) {
          return String(error);
        }
      };
      expect(outcome(all)).toEqual(outcome(loss));
    }),
  );
});

test("the choice is a constant to gradients", () => {
  const gradient = flat(
    evaluateGradient(pipe(crossEntropy, tokenSelection(0.5, { reference: null }), sum), binary([3, 1])),
  );
  const p = 1 / (1 + Math.exp(-3));
  expectClose(gradient, [-p, p, 0, 0], 1e-12);
});

test("over values, and by numbers of one's own", () => {
  const batch = {
    predictions: [
      [1, 0],
      [3, 0],
      [2, 0],
    ],
    targets: [
      [0, 0],
      [0, 0],
      [0, 0],
    ],
  };
  expect(evaluate(pipe(meanSquaredError, tokenSelection(0.5, { reference: null })), batch)).toBeCloseTo(
    (4.5 + 2) / 2,
    12,
  );
  const { constant, highest, input, modulate, subtract, weigh } = language;
  // The easiest rows: the lowest are the highest of the negative.
  const easiest = modulate("easiest", (x) => weigh(highest(0.4, subtract(constant(0), input("rank"))), x));
  expect(evaluate(pipe(meanSquaredError, easiest, sum), { ...batch, inputs: { rank: [3, 2, 9] } })).toBeCloseTo(
    4.5,
    12,
  );
});

test("couples the rows: no parts; show and explain say what is chosen", () => {
  const loss = pipe(crossEntropy, tokenSelection(linear({ init: 1, end: 0.6, steps: 9 })));
  expect(show(loss)).toContain("isHighest_linear(1 → 0.6, 9 steps)(row(nll(y)) − reference)");
  expect(explain(loss)).toContain("rows share: a choice of the batch's highest rows, so that it has no parts");
  const compiled = compile(loss);
  const batch = { logits: tf.zeros([1, 2]), labels: [0], inputs: { reference: [0] }, step: 0 };
  expect(() => compiled.parts(batch)).toThrow("a choice of the batch's highest rows");
  expect(() => compiled.denominators({ labels: [0] })).toThrow("a choice of the batch's highest rows");
  expect(() => compiled({ ...batch, step: undefined as never })).toThrow("step");
});

// ----------------------------------------------------------------------------------------------------------- backends

const edges: readonly object[] = [
  { ...binary([3, 1, 5, 2, 4]), inputs: { reference: [0, 0, 5, 0, 0] }, mask: [true, true, true, true, false] },
  { ...binary([1, 1, 1, 1, 1]), inputs: { reference: [0, 0, 0, 0, 0] } },
  { ...binary([1, 1, 1, 1, 1]), inputs: { reference: [Number.POSITIVE_INFINITY, 0, 0, Number.NEGATIVE_INFINITY, 0] } },
  { ...binary([1, 2]), inputs: { reference: [0, 0] }, mask: [false, false] },
  { ...binary([1]), inputs: { reference: [0] } },
];

/** So many rows that a sort on a device takes several programs, with groups that tie. */
const many = {
  ...binary(Array.from({ length: 1500 }, (_, i) => ((i * 7919) % 500) / 50 - 5)),
  inputs: { reference: new Array(1500).fill(0) },
};

async function expectEdges(): Promise<void> {
  for (const share of [0.5, 1]) {
    const loss = pipe(crossEntropy, tokenSelection(share));
    for (const batch of share === 1 ? edges : [...edges, many]) {
      const { logits } = batch as PlainBatch;
      const { value, gradient } = await runCompiled(loss, batch as PlainBatch, [(logits as number[][]).length, 2]);
      expect(distance(value, [numberOf(loss, batch)], 1e-3)).toBeLessThan(1e-6);
      expect(distance(gradient, flat(evaluateGradient(loss, batch as PlainBatch)), 1e-3)).toBeLessThan(1e-6);
    }
  }
}

for (const backend of [...backends, ...gpuBackends]) {
  test(`ties, infinite references, masks and single rows on ${backend}`, async () => {
    await startBackend(backend)();
    await expectEdges();
  });
}

test("the same where the host cannot read tensors without waiting; a label that is no class is NaN there, not passed over", () =>
  behindGlass(async () => {
    await expectEdges();
    const loss = compile(pipe(crossEntropy, tokenSelection(0.5)));
    const labels = tf.tensor1d([0, 7, 0, 0], "int32");
    const value = loss({
      logits: tf.tensor2d([0, 3, 0, 1, 0, 9, 0, 2], [4, 2]),
      labels,
      inputs: { reference: [0, 0, 0, 0] },
    });
    expect((await value.data())[0]).toBeNaN();
  }));

describe("soft labels and sample weights", () => {
  beforeAll(startBackend("cpu"));

  test("get the gradient of the rows that are chosen", async () => {
    const data = pipe(crossEntropy, labelSmoothing(0.1), tokenSelection(0.5, { reference: null }));
    const loss = compile(data);
    const logits = [
      [2, 1, 0],
      [0, 3, 1],
      [1, 1, 4],
    ];
    const labels = [
      [0.2, 0.3, 0.5],
      [1, 0.5, 0],
      [0, 1, 0.25],
    ];
    const weights = [1, 2, 0.5];
    const at = (q: number[][], w: number[]): number => numberOf(data, { logits, labels: q, sampleWeight: w });
    const z = tf.tensor2d(logits);
    const run = (q: tf.Tensor, w: tf.Tensor): tf.Tensor => loss({ logits: z, labels: q, sampleWeight: w });
    const [forLabels, forWeights] = tf.grads(run)([tf.tensor2d(labels), tf.tensor1d(weights)]);
    const [ofLabels, ofWeights] = [await forLabels.data(), await forWeights.data()];
    const step = 1e-5;
    labels.flat().forEach((_, k) => {
      const moved = (by: number): number[][] =>
        labels.map((row, i) => row.map((q, c) => (3 * i + c === k ? q + by : q)));
      // At a label of 0 only upwards: the gradient there is the one-sided one.
      const slope = (at(moved(step), weights) - at(labels, weights)) / step;
      expect(Math.abs(ofLabels[k] - slope)).toBeLessThan(2e-4);
    });
    weights.forEach((_, k) => {
      const moved = (by: number): number[] => weights.map((w, i) => (i === k ? w + by : w));
      const slope = (at(labels, moved(step)) - at(labels, moved(-step))) / (2 * step);
      expect(Math.abs(ofWeights[k] - slope)).toBeLessThan(1e-4);
    });
  });
});

(hasTorch() ? test : test.skip)("agrees with PyTorch's topk, value and gradient", async () => {
  const number = fc.double({ min: -6, max: 6, noNaN: true }).map(Math.fround);
  const cases = fc.sample(
    fc.tuple(fc.integer({ min: 1, max: 9 }), fc.double({ min: 0.05, max: 1, noNaN: true })).chain(([rows, share]) =>
      fc.record({
        share: fc.constant(share),
        logits: fc.array(fc.array(number, { minLength: 3, maxLength: 3 }), { minLength: rows, maxLength: rows }),
        labels: fc.array(fc.nat({ max: 2 }), { minLength: rows, maxLength: rows }),
        // PyTorch leaves open which of rows that tie it takes.
        reference: fc
          .array(number.map(Math.abs), { minLength: rows, maxLength: rows })
          .map((each) => each.map((x, row) => Math.fround(x + Math.SQRT2 * row))),
      }),
    ),
    60,
  );
  const answers = askTorch(
    cases.map(({ share, logits, labels, reference }) => {
      const parameters = { reference, count: Math.max(1, Math.round(share * labels.length)) };
      return { loss: "rho", parameters, logits, labels, soft: false };
    }),
  );
  const agrees = (i: number, value: readonly number[], gradient: readonly number[], tolerance: number): void => {
    expect(distance(value, answers[i].value, 1e-3)).toBeLessThan(tolerance);
    expect(distance(gradient, answers[i].gradient, 1e-3)).toBeLessThan(tolerance);
  };
  const ours = cases.map(({ share, logits, labels, reference }) => ({
    loss: pipe(crossEntropy, tokenSelection(share)),
    batch: { logits, labels, inputs: { reference } },
  }));
  for (const [i, { loss, batch }] of ours.entries()) {
    agrees(i, [numberOf(loss, batch)], flat(evaluateGradient(loss, batch)), 1e-12);
  }
  for (const backend of backends) {
    await startBackend(backend)();
    for (const [i, { loss, batch }] of ours.entries()) {
      const { value, gradient } = await runCompiled(loss, batch, [batch.labels.length, 3]);
      agrees(i, value, gradient, 2e-6);
    }
  }
});
