/** Labels that are a weight for each class. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  type Batch,
  classWeights,
  compile,
  crossEntropy,
  evaluate,
  focal,
  generalisedCrossEntropy,
  klDivergence,
  LossError,
  labelSmoothing,
  mean,
  perToken,
  pipe,
  softcap,
  sum,
  superLoss,
  zLoss,
} from "lossmith";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { distance, expectClose, flat } from "../support/numbers.ts";

const logits = [
  [2, 1, 0.1],
  [0.5, 2.5, 0.3],
];
const labels = [
  [0.2, 0.5, 0.3],
  [1, 0.5, 0],
];

const losses: Readonly<Record<string, AnyLoss>> = {
  "the weighted mean": pipe(crossEntropy, classWeights([1, 2, 3])),
  "a mean": pipe(crossEntropy, classWeights([1, 2, 3]), mean),
  "a sum with smoothing, focal and z-loss": pipe(
    crossEntropy,
    focal({ gamma: 2 }),
    labelSmoothing(0.1),
    zLoss(0.1),
    sum,
  ),
  "a loss that is not linear in nll": pipe(generalisedCrossEntropy({ q: 0.5 }), sum),
  "a function of the row's own loss": pipe(crossEntropy, classWeights([1, 2, 3]), superLoss({ lambda: 2 }), mean),
  "one number a token": pipe(crossEntropy, classWeights([1, 2, 3]), labelSmoothing(0.1), perToken),
};

for (const backend of backends) {
  describe(`soft labels, ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("a confident row keeps the digits of its loss", async () => {
      const { value } = await runCompiled(
        pipe(crossEntropy, sum),
        {
          logits: [
            [0, 0, 25.3],
            [47.3, 0, 1],
          ],
          labels: [
            [0, 0, 1],
            [1e-4, 0, 0],
          ],
        },
        [2, 3],
      );
      const [first, second] = [Math.fround(25.3), Math.fround(47.3)];
      const exact = Math.log1p(2 * Math.exp(-first)) + 1e-4 * Math.log1p(Math.exp(-second) + Math.exp(1 - second));
      expect(Math.abs(value[0] - exact)).toBeLessThan(2e-6 * exact);
    });

    test("a smoothed row keeps its digits where one class has nearly all of the weight", async () => {
      const weights = [1.203e-6, 2.56e-6, 1.3825e-5, 1.002e-6, 8.458e-6, 0.08944];
      const batch = { logits: [[0, 0, 0, 0, 0, 8]], labels: [Array<number>(6).fill(Math.fround(1 / 6))] };
      const loss = pipe(crossEntropy, classWeights(weights), labelSmoothing(0.5), sum);
      const { value } = await runCompiled(loss, batch, [1, 6]);
      expect(distance(value, [evaluate(loss, batch)])).toBeLessThan(2e-6);
    });

    test("a one-hot row is its integer label", async () => {
      for (const loss of Object.values(losses)) {
        const soft = await runCompiled(
          loss,
          {
            logits,
            labels: [
              [0, 0, 1],
              [1, 0, 0],
            ],
          },
          [2, 3],
        );
        const hard = await runCompiled(loss, { logits, labels: [2, 0] }, [2, 3]);
        expectClose(soft.value, hard.value, 1e-6);
        expectClose(soft.gradient, hard.gradient, 1e-6);
      }
    });

    test("in every form: tensor, float array, nested arrays", async () => {
      const loss = compile(pipe(crossEntropy, sum));
      const z = tf.tensor2d(logits);
      const expected = evaluate(pipe(crossEntropy, sum), { logits, labels });
      for (const form of [
        labels,
        Float32Array.from(flat(labels)),
        Float64Array.from(flat(labels)),
        tf.tensor2d(labels),
      ]) {
        expectClose([...(await loss({ logits: z, labels: form }).data())], [expected], 1e-6);
      }
      z.dispose();
    });

    for (const [name, loss] of Object.entries(losses)) {
      test(`the gradient for the labels agrees with finite differences: ${name}`, async () => {
        const compiled = compile(loss);
        const [z, q] = [tf.tensor2d(logits), tf.tensor2d(labels)];
        const gradient = tf.grad((x: tf.Tensor) => tf.sum(compiled({ logits: z, labels: x } as Batch)))(q);
        const at = (row: number, c: number, h: number): number => {
          const changed = labels.map((all, i) => all.map((x, k) => (i === row && k === c ? x + h : x)));
          return flat(evaluate(loss as typeof crossEntropy, { logits, labels: changed })).reduce((a, b) => a + b, 0);
        };
        const expected = labels.flatMap((all, row) => all.map((_, c) => (at(row, c, 1e-6) - at(row, c, -1e-6)) / 2e-6));
        expectClose([...(await gradient.data())], expected, 1e-4);
        tf.dispose([z, q, gradient]);
      });
    }

    test("the gradient for the labels of a divergence agrees with finite differences", async () => {
      const positive = [
        [0.2, 0.5, 0.3],
        [0.9, 0.5, 0.1],
      ];
      const divergences: readonly AnyLoss[] = [
        pipe(klDivergence, classWeights([1, 2, 3]), perToken),
        pipe(klDivergence, focal({ gamma: 2 }), sum),
        pipe(klDivergence, superLoss({ lambda: 2, tau: 0.1 }), mean),
      ];
      for (const loss of divergences) {
        const compiled = compile(loss);
        const [z, q] = [tf.tensor2d(logits), tf.tensor2d(positive)];
        const gradient = tf.grad((x: tf.Tensor) => tf.sum(compiled({ logits: z, labels: x })))(q);
        const at = (row: number, c: number, h: number): number => {
          const moved = positive.map((all, i) => all.map((x, k) => (i === row && k === c ? x + h : x)));
          return flat(evaluate(loss as never, { logits, labels: moved })).reduce((a, b) => a + b, 0);
        };
        const expected = positive.flatMap((all, row) =>
          all.map((_, c) => (at(row, c, 1e-6) - at(row, c, -1e-6)) / 2e-6),
        );
        expectClose([...(await gradient.data())], expected, 1e-5);
        tf.dispose([z, q, gradient]);
      }
    });

    test("a student and a teacher both get their gradients", async () => {
      const loss = compile(pipe(crossEntropy, sum));
      const [student, teacher] = [
        tf.tensor2d(logits),
        tf.tensor2d([
          [1, 0, 0],
          [0, 1, 2],
        ]),
      ];
      const distil = (z: tf.Tensor, t: tf.Tensor): tf.Scalar => loss({ logits: z, labels: tf.softmax(t) });
      const [dStudent, dTeacher] = tf.grads(distil as never)([student, teacher]);
      const plain = tf.grads(((z: tf.Tensor, t: tf.Tensor) =>
        tf.neg(tf.sum(tf.mul(tf.softmax(t), tf.logSoftmax(z))))) as never);
      const [expectedStudent, expectedTeacher] = plain([student, teacher]);
      expectClose([...(await dStudent.data())], [...(await expectedStudent.data())], 1e-5);
      expectClose([...(await dTeacher.data())], [...(await expectedTeacher.data())], 1e-5);
      tf.dispose([student, teacher, dStudent, dTeacher, expectedStudent, expectedTeacher]);
    });

    test("masses on a logit of -infinity: none adds 0, some makes the loss infinite", async () => {
      const z = [[1, 2, Number.NEGATIVE_INFINITY]];
      const none = await runCompiled(crossEntropy, { logits: z, labels: [[0.5, 0.5, 0]] }, [1, 3]);
      expectClose(none.value, [evaluate(crossEntropy, { logits: z, labels: [[0.5, 0.5, 0]] })], 1e-6);
      expect(none.gradient.every(Number.isFinite)).toBe(true);
      const some = await runCompiled(crossEntropy, { logits: z, labels: [[0.5, 0, 0.5]] }, [1, 3]);
      expect(some.value[0]).toBe(Number.POSITIVE_INFINITY);
    });

    test("masked rows are out, NaN or not", async () => {
      const batch = {
        logits: [...logits, [Number.NaN, 1, 2]],
        labels: [...labels, [1, 0, 0]],
        mask: [true, true, false],
      };
      const { value, gradient } = await runCompiled(pipe(crossEntropy, mean), batch, [3, 3]);
      expectClose(value, [evaluate(pipe(crossEntropy, mean), { logits, labels })], 1e-6);
      expect(gradient.slice(6).map(Math.abs)).toEqual([0, 0, 0]);
    });

    test("bad soft labels are refused", () => {
      const loss = compile(crossEntropy);
      const z = tf.tensor2d(logits);
      expect(() =>
        loss({
          logits: z,
          labels: [
            [1, 0],
            [0, 1],
          ],
        }),
      ).toThrow(LossError);
      expect(() =>
        loss({
          logits: z,
          labels: [
            [1, 0, Number.NaN],
            [0, 1, 0],
          ],
        }),
      ).toThrow("entry 2 is NaN");
      expect(() =>
        loss({
          logits: z,
          labels: tf.tensor2d(
            [
              [1, 0, 0],
              [0, 1, 0],
            ],
            [2, 3],
            "int32",
          ),
        }),
      ).toThrow("int32");
      z.dispose();
    });

    test("of confident rows under a softcap keep a focal loss finite, and the reference's", async () => {
      for (const cap of [10, 20, 30, 50]) {
        for (let gap = 10; gap < 30; gap += 0.25) {
          const batch = { logits: [[0, gap, 0, 0, 0, 0, 0]], labels: [[0, 1, 0, 0, 0, 0, 0]] };
          const loss = pipe(crossEntropy, softcap(cap), focal({ gamma: 2 }), sum);
          const { value, gradient } = await runCompiled(loss, batch, [1, 7]);
          expect(gradient.every(Number.isFinite)).toBe(true);
          expect(distance(value, [evaluate(loss, batch)], 1e-33)).toBeLessThanOrEqual(2e-5);
        }
      }
    });

    test("leave no tensor behind, with a gradient for the labels too", () => {
      const loss = compile(pipe(crossEntropy, classWeights([1, 2, 3]), focal({ gamma: 1 }), labelSmoothing(0.1)));
      const [z, q] = [tf.tensor2d(logits), tf.tensor2d(labels)];
      const step = (): void => {
        const both = tf.grads(((x: tf.Tensor, y: tf.Tensor) => loss({ logits: x, labels: y })) as never)([z, q]);
        tf.dispose(both);
      };
      step();
      const { numTensors } = tf.memory();
      for (let i = 0; i < 100; i++) step();
      expect(tf.memory().numTensors).toBe(numTensors);
      loss.dispose();
      tf.dispose([z, q]);
    });
  });
}
