/** Triplet margin loss against PyTorch, live, with the gradients of all three embeddings; its ends, and what is refused. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { compile, evaluate, evaluateGradient, perToken, pipe, tripletMargin, triplets } from "lossmith";
import { backends, behindGlass, startBackend } from "../support/backends.ts";
import { lossErrorOf } from "../support/lossErrorOf.ts";
import { distance, expectClose, flat } from "../support/numbers.ts";
import { askTorch, hasTorch, type TorchAnswer, type TorchTripletCase } from "../support/torch.ts";

type Rows = number[][];
type Triple = readonly [anchors: Rows, positives: Rows, negatives: Rows];

interface TripletCase extends TorchTripletCase {
  readonly triplets: Triple;
}

const cases: fc.Arbitrary<TripletCase> = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 6 }))
  .chain(([rows, columns]) => {
    // Without ties, where each side shares a gradient as it likes.
    const entry = fc.noBias(fc.integer({ min: -4e6, max: 4e6 })).map((n) => Math.fround(n / 1e6));
    const matrix = fc.array(fc.array(entry, { minLength: columns, maxLength: columns }), {
      minLength: rows,
      maxLength: rows,
    });
    return fc.record({
      triplets: fc.tuple(matrix, matrix, matrix),
      margin: fc.constantFrom(0.1, 1, 5),
      p: fc.constantFrom(1, 1.5, 2, 3, null),
      swap: fc.boolean(),
    });
  });

const lossOf = ({ margin, p, swap }: Omit<TorchTripletCase, "triplets">) =>
  pipe(tripletMargin({ margin, p: p ?? Number.POSITIVE_INFINITY, swap }), perToken);

/** Rows side by side. */
const beside = (...parts: readonly Rows[]): Rows => parts[0].map((_, i) => parts.flatMap((rows) => rows[i]));

/** Value and gradients by the reference: of what `triplets` makes, and of that with predictions for targets. */
function reference(one: TripletCase): { readonly value: number[]; readonly gradient: number[] } {
  const loss = lossOf(one);
  const [a, p, n] = one.triplets;
  const [predictions, targets] = [beside(a, a, p), beside(p, n, n)];
  const gradient = evaluateGradient(loss, { predictions, targets }) as Rows;
  const size = a[0].length;
  const part = (row: number[], i: number): number[] => row.slice(i * size, (i + 1) * size);
  // d(x, y) depends on x − y alone, so that what reaches y is what reaches x with the sign turned.
  const added = (...parts: readonly (readonly [index: number, sign: number])[]): number[] =>
    gradient.flatMap((row) =>
      Array.from({ length: size }, (_, j) => parts.reduce((sum, [i, sign]) => sum + sign * part(row, i)[j], 0)),
    );
  return {
    value: flat(evaluate(loss, { predictions, targets })),
    gradient: [...added([0, 1], [1, 1]), ...added([0, -1], [2, 1]), ...added([1, -1], [2, -1])],
  };
}

async function compiled(one: TripletCase): Promise<{ readonly value: number[]; readonly gradient: number[] }> {
  const loss = compile(lossOf(one));
  const embeddings = one.triplets.map((rows) => tf.tensor2d(rows));
  const of = (a: tf.Tensor, p: tf.Tensor, n: tf.Tensor): tf.Tensor => loss(triplets(a, p, n));
  const value = tf.tidy(() => of(embeddings[0], embeddings[1], embeddings[2]));
  const gradients = tf.grads((a: tf.Tensor, p: tf.Tensor, n: tf.Tensor) => tf.sum(of(a, p, n)))(embeddings);
  const numbers = await Promise.all([value, ...gradients].map(async (x) => [...(await x.data())]));
  loss.dispose();
  tf.dispose([...embeddings, value, ...gradients]);
  return { value: numbers[0], gradient: numbers.slice(1).flat() };
}

const withTorch = hasTorch();
const sample = withTorch ? fc.sample(cases, 150) : [];
let answers: readonly TorchAnswer[] = [];

(withTorch ? describe : describe.skip)("150 random cases against PyTorch", () => {
  beforeAll(() => {
    answers = askTorch(sample);
  });

  /** A value is a difference of distances of some ones, and PyTorch's gradient is one of differences. */
  const expectAgreement = (i: number, run: ReturnType<typeof reference>, tolerance: number): void => {
    const { value, gradient } = answers[i];
    const errors = [distance(run.value, value, 1), distance(run.gradient, gradient, 1)];
    if (errors.some((error) => error > tolerance)) throw new Error(`off by ${errors}: ${JSON.stringify(sample[i])}`);
  };

  test("reference, to 1e-10", () => {
    for (const [i, one] of sample.entries()) expectAgreement(i, reference(one), 1e-10);
    expect(answers.length).toBe(150);
  });

  for (const backend of backends) {
    test(`${backend}, to 2e-6`, async () => {
      await startBackend(backend)();
      for (const [i, one] of sample.entries()) expectAgreement(i, await compiled(one), 2e-6);
    });
  }

  test("by ordinary ops, to 2e-6", () =>
    behindGlass(async () => {
      for (const [i, one] of sample.slice(0, 40).entries()) expectAgreement(i, await compiled(one), 2e-6);
    }));
});

/** What PyTorch's own numbers do not show: lengths at the ends of float32, and where there is no direction. */
const ends: Readonly<Record<string, TripletCase & { readonly value: number; readonly gradient: readonly number[] }>> = {
  "far apart": {
    triplets: [[[3e30, 0]], [[0, 4e30]], [[0, 0]]],
    margin: 0,
    p: 2,
    swap: false,
    value: 2e30,
    gradient: [-0.4, -0.8, -0.6, 0.8, 1, 0],
  },
  "equal embeddings, whose differences are epsilon": {
    triplets: [[[1, 2]], [[1, 2]], [[1, 2]]],
    margin: 1,
    p: 2,
    swap: false,
    value: 1,
    // The directions are those of epsilon; the positive's distance and the negative's cancel at the anchor.
    gradient: [0, 0, -1, -1, 1, 1].map((x) => x * Math.SQRT1_2),
  },
  "a negative beyond the margin": {
    triplets: [[[0, 0]], [[1, 0]], [[0, 9]]],
    margin: 1,
    p: 1,
    swap: false,
    value: 0,
    gradient: [0, 0, 0, 0, 0, 0],
  },
};

async function expectEnd({ value, gradient, ...one }: (typeof ends)[string]): Promise<void> {
  for (const run of [reference(one), await compiled(one)]) {
    expectClose(run.value, [value], 2e-6);
    expect(distance(run.gradient, gradient, 1)).toBeLessThanOrEqual(4e-6);
  }
}

for (const backend of backends) {
  describe(`ends, ${backend}`, () => {
    beforeAll(startBackend(backend));
    for (const [name, end] of Object.entries(ends)) test(name, () => expectEnd(end));

    test("equal embeddings without epsilon have no direction and no gradient", async () => {
      const loss = compile(tripletMargin({ epsilon: 0, margin: 2 }));
      const x = tf.tensor2d([[1, 2]]);
      const gradients = tf.grads((a: tf.Tensor, p: tf.Tensor, n: tf.Tensor) => loss(triplets(a, p, n)));
      for (const gradient of gradients([x, x, x])) expect([...(await gradient.data())].map(Math.abs)).toEqual([0, 0]);
    });

    test("takes embeddings of any rank from 2, and masks rows", async () => {
      const loss = compile(tripletMargin());
      const [a, p, n] = [1, 2, 3].map((seed) => tf.randomNormal([2, 3, 4], 0, 1, "float32", seed));
      const rows = (x: tf.Tensor): tf.Tensor => x.reshape([6, 4]);
      const whole = await loss(triplets(a, p, n)).data();
      expectClose([...whole], [...(await loss(triplets(rows(a), rows(p), rows(n))).data())], 1e-6);
      const part = [a, p, n].map((x) => rows(x).slice([0, 0], [5, 4]));
      const mask = [...Array.from({ length: 5 }, () => true), false];
      const masked = await loss({ ...triplets(rows(a), rows(p), rows(n)), mask }).data();
      expectClose([...masked], [...(await loss(triplets(part[0], part[1], part[2])).data())], 1e-6);
    });
  });
}

describe("ends, by ordinary ops", () => {
  for (const [name, end] of Object.entries(ends)) test(name, () => behindGlass(() => expectEnd(end)));
});

describe("refused", () => {
  beforeAll(startBackend("cpu"));
  const x = (...shape: number[]): tf.Tensor => tf.ones(shape);
  const wrong: readonly (readonly [string, () => unknown, ...string[]])[] = [
    ["arrays", () => triplets([[1]] as never, x(1, 1), x(1, 1)), "triplets", "float32 tensors [..., D]"],
    ["a negative for all", () => triplets(x(3, 2), x(3, 2), x(1, 2)), "[3, 2], [3, 2], [1, 2]"],
    ["one row without its axis", () => triplets(x(2), x(2), x(2)), "[2]"],
    ["no column", () => triplets(x(2, 0), x(2, 0), x(2, 0)), "[2, 0]"],
    ["integers", () => triplets(tf.ones([1, 1], "int32"), x(1, 1), x(1, 1)), "int32"],
    ["a norm below 1", () => tripletMargin({ p: 0.5 }), "tripletMargin({ p })", "0.5"],
    ["a norm that is none", () => tripletMargin({ p: Number.NaN }), "tripletMargin({ p })", "NaN"],
    ["a negative margin", () => tripletMargin({ margin: -1 }), "tripletMargin({ margin })", "-1"],
    ["a negative epsilon", () => tripletMargin({ epsilon: -1 }), "tripletMargin({ epsilon })", "-1"],
    ["swap as a word", () => tripletMargin({ swap: "yes" as never }), "tripletMargin({ swap })", "yes"],
    ["a margin as the argument", () => tripletMargin(1 as never), "tripletMargin", "{ margin }"],
    [
      "columns that are not three parts",
      () => compile(tripletMargin())({ predictions: x(2, 4), targets: x(2, 4) }),
      "predictions",
      "[2, 4]",
      "3 parts of a row",
      "anchor − positive",
      "[..., 3 · D]",
    ],
  ];
  for (const [name, make, ...parts] of wrong) {
    test(name, () => {
      const message = lossErrorOf(make);
      for (const part of parts) expect(message).toContain(part);
    });
  }
});
