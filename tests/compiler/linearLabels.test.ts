/** Labels of the linear form that are soft, sparse or masked, where the host sees them and where only the device does. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  classWeights,
  compile,
  compileLinear,
  crossEntropy,
  type LinearBatch,
  type Loss,
  labelSmoothing,
  mean,
  perToken,
  pipe,
  tokenSelection,
} from "lossmith";
import { backends, behindGlass, startBackend } from "../support/backends.ts";
import { lossErrorOf } from "../support/lossErrorOf.ts";
import { expectClose } from "../support/numbers.ts";
import { peakBytes } from "../support/peakBytes.ts";

const classes = 5;
const kernel = [
  [0.5, -1, 2, 0, 1],
  [1, 0.25, -0.5, 1.5, -1],
];
const hidden = [
  [1, 2],
  [Number.NaN, Number.POSITIVE_INFINITY],
  [0, 1],
  [-1, 1],
];
const losses: Readonly<Record<string, Loss<"logits", "already reduced per token">>> = {
  "a mean": pipe(crossEntropy, labelSmoothing(0.1), mean) as never,
  "rows of their own": perToken(pipe(crossEntropy, labelSmoothing(0.1))),
  "a choice of rows": pipe(crossEntropy, tokenSelection(0.5, { reference: null })) as never,
};

/** Value and gradients, of a batch whose row 1 is not read. */
function outcome(loss: Loss<"logits", "already reduced per token">, entries: Partial<LinearBatch>): number[][] {
  return tf.tidy(() => {
    const compiled = compileLinear(loss, { tileRows: 3 });
    const run = (h: tf.Tensor, k: tf.Tensor, b: tf.Tensor): tf.Tensor =>
      compiled({ labels: tf.tensor1d([0, 1, 2, 3], "int32"), ...entries, hidden: h, kernel: k, bias: b }).sum();
    const { value, grads } = tf.valueAndGrads(run)([tf.tensor2d(hidden), tf.tensor2d(kernel), tf.zeros([classes])]);
    compiled.dispose();
    return [value, ...grads].map((x) => [...x.dataSync()]);
  });
}

const notRead: Readonly<Record<string, () => Partial<LinearBatch>>> = {
  "a mask on the host": () => ({ mask: [true, false, true, true] }),
  "a mask on the device": () => ({ mask: tf.tensor1d([1, 0, 1, 1], "bool") }),
  "a weight of 0": () => ({ sampleWeight: tf.tensor1d([1, 0, 1, 1]) }),
};

test("hidden states that are not read may be NaN, also where the host does not know which those are", async () => {
  const all = (): number[][][] =>
    Object.entries(losses).flatMap(([name, loss]) =>
      Object.values(notRead)
        // A choice of rows is among those of weight 0, too.
        .filter((entries) => name !== "a choice of rows" || "mask" in entries())
        .map((entries) => outcome(loss, entries())),
    );
  await startBackend("cpu")();
  const onHost = all();
  for (const x of onHost.flat(2)) expect(Number.isFinite(x)).toBe(true);
  await behindGlass(async () => {
    all().forEach((found, i) => {
      found.forEach((numbers, j) => {
        expectClose(numbers, onHost[i][j], 1e-5);
      });
    });
  });
});

const sparse = {
  ids: [
    [1, 2],
    [0, 0],
    [4, 1],
    [3, 3],
  ],
  probabilities: [
    [0.5, 0.25],
    [1, 0.5],
    [0, 2],
    [0.25, 0.25],
  ],
};
const finite = [
  [1, 2],
  [2, -1],
  [0, 1],
  [-1, 1],
];
const batchOf = (labels: LinearBatch["labels"]): LinearBatch => ({
  hidden: tf.tensor2d(finite),
  kernel: tf.tensor2d(kernel),
  labels,
});

function numberOf(labels: LinearBatch["labels"], more: Partial<LinearBatch> = {}, check = false): number {
  return tf.tidy(() => {
    const loss = compileLinear(pipe(crossEntropy, mean), { check });
    return loss({ ...batchOf(labels), ...more }).dataSync()[0];
  });
}

describe("sparse labels", () => {
  const forms = (): readonly LinearBatch["labels"][] => [
    sparse,
    { ids: tf.tensor2d(sparse.ids, undefined, "int32"), probabilities: tf.tensor2d(sparse.probabilities) },
    { ids: Int32Array.from(sparse.ids.flat()), probabilities: Float32Array.from(sparse.probabilities.flat()) },
    { ids: Uint16Array.from(sparse.ids.flat()), probabilities: tf.tensor2d(sparse.probabilities) },
  ];
  const wrongIds = [[1, 2], [0, 0], [9, -1], sparse.ids[3]];
  const wrong = { ...sparse, ids: wrongIds };
  const mask = [true, true, false, true];

  const checkForms = (): void => {
    const expected = tf.tidy(() => {
      const soft = sparse.ids.map((ids, row) =>
        Array.from({ length: classes }, (_, c) =>
          ids.reduce((sum, id, k) => sum + (id === c ? sparse.probabilities[row][k] : 0), 0),
        ),
      );
      const logits = tf.matMul(tf.tensor2d(finite), tf.tensor2d(kernel));
      return compile(pipe(crossEntropy, mean))({ logits, labels: soft }).dataSync()[0];
    });
    for (const labels of forms()) expectClose([numberOf(labels)], [expected], 1e-6);
  };

  /** That what stands in a masked row is not looked at, whichever side sees it. */
  const checkMasked = (): void => {
    const expected = numberOf(sparse, { mask });
    const odd = {
      ids: wrongIds,
      probabilities: sparse.probabilities.map((p, row) => (row === 2 ? [Number.NaN, 1] : p)),
    };
    const onDevice = { ids: tf.tensor2d(wrongIds, undefined, "int32"), probabilities: tf.tensor2d(odd.probabilities) };
    for (const labels of [odd, onDevice])
      for (const masked of [mask, tf.tensor1d(mask, "bool")])
        expectClose([numberOf(labels, { mask: masked as never })], [expected], 1e-6);
  };

  for (const backend of backends) {
    describe(backend, () => {
      beforeAll(startBackend(backend));

      test("come as tensors, typed arrays and nested arrays", checkForms);
      test("are not looked at in rows that are masked", checkMasked);
      test("of no row", () => {
        const none = { hidden: tf.zeros([0, 2]), kernel: tf.tensor2d(kernel) };
        const loss = compileLinear(crossEntropy);
        for (const labels of [
          { ids: [], probabilities: [] },
          { ids: new Int32Array(0), probabilities: new Float32Array(0) },
          { ids: tf.zeros([0, 3], "int32"), probabilities: tf.zeros([0, 3]) },
        ])
          expect(loss({ ...none, labels }).dataSync()[0]).toBe(0);
      });
    });
  }

  test("are checked where the host sees them, on whatever backend", async () => {
    const onDevice = (): LinearBatch["labels"] => ({
      ids: tf.tensor2d(wrongIds, undefined, "int32"),
      probabilities: tf.tensor2d(sparse.probabilities),
    });
    const named = (labels: LinearBatch["labels"], check = false): void => {
      expect(lossErrorOf(() => numberOf(labels, {}, check))).toContain("entry 0 of row 2 is 9");
    };
    const notFinite = {
      ...sparse,
      probabilities: [
        [1, Number.NaN],
        [0, 0],
        [0, 0],
        [0, 0],
      ],
    };
    const both = (): void => {
      named(wrong);
      named(onDevice(), true);
      expect(lossErrorOf(() => numberOf(notFinite))).toContain("labels.probabilities: entry 1 of row 0 is NaN");
    };
    await startBackend("cpu")();
    both();
    named(onDevice());
    await behindGlass(async () => {
      both();
      checkForms();
      checkMasked();
      // Without a look the row is NaN.
      expect(numberOf(onDevice())).toBeNaN();
    });
  });

  test("say their own shape", () => {
    const refused = (labels: object): string => lossErrorOf(() => numberOf(labels as never));
    expect(refused({ ...sparse, ids: [[1], [2]] })).toContain("labels.ids: they have shape [2, 1] beside rows [4]");
    expect(refused({ ...sparse, ids: new Int32Array(7) })).toContain("7 ids for 4 rows");
    expect(refused({ ...sparse, ids: new Float32Array(8) })).toContain("they are a Float32Array");
    expect(refused({ ...sparse, ids: new BigInt64Array(8) })).toContain("they are a BigInt64Array");
    expect(refused({ ...sparse, probabilities: new Int32Array(8) })).toContain("they are a Int32Array");
    expect(refused({ ...sparse, ids: [[1], [2], [3], [4]] })).toContain("1 ids a row beside 2 probabilities");
  });
});

test("the denominators of soft labels are made in blocks, too", async () => {
  await startBackend("cpu")();
  // No length for the inner of two sums divides it.
  const [rows, wide] = [64, 1009];
  const weighted = pipe(crossEntropy, classWeights(Array.from({ length: wide }, (_, id) => 1 + (id % 3))));
  const loss = compileLinear(weighted, { tileRows: 4 });
  const batch = { hidden: tf.ones([rows, 2]), kernel: tf.ones([2, wide]), labels: tf.fill([rows, wide], 1 / wide) };
  loss(batch).dispose();
  const peak = peakBytes(() => loss(batch).dispose());
  expect(peak).toBeGreaterThan(0);
  expect(peak).toBeLessThan(5 * 4 * 4 * wide);
  loss.dispose();
});
