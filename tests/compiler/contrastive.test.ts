/** InfoNCE and NT-Xent, on the similarities of embeddings, against PyTorch, live; masks, and what is refused. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type CompiledLoss,
  type ContrastiveBatch,
  type ContrastiveOptions,
  compile,
  contrastivePairs,
  contrastiveViews,
  infoNCE,
  LossError,
  mean,
  perToken,
} from "lossmith";
import { backends, behindGlass, startBackend } from "../support/backends.ts";
import { distance, expectClose } from "../support/numbers.ts";
import { askTorch, hasTorch, type TorchAnswer, type TorchValuesCase } from "../support/torch.ts";

type Make = (a: tf.Tensor, b: tf.Tensor, options?: ContrastiveOptions) => ContrastiveBatch;
const makers: Readonly<Record<string, Make>> = { "info nce": contrastivePairs, "nt xent": contrastiveViews };

const matrices = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 5 })).chain(([rows, columns]) => {
  // No embedding is short: the direction of one near 0 has few digits.
  const size = fc.integer({ min: 50, max: 300 }).map((n) => n / 100);
  const entry = fc.tuple(size, fc.boolean()).map(([x, isNegative]) => Math.fround(isNegative ? -x : x));
  const matrix = fc.array(fc.array(entry, { minLength: columns, maxLength: columns }), {
    minLength: rows,
    maxLength: rows,
  });
  return fc.record({
    values: fc.constantFrom(...Object.keys(makers)),
    predictions: matrix,
    targets: matrix,
    option: fc.constantFrom(0.07, 0.5, 2),
    reduction: fc.constantFrom<"none" | "mean">("none", "mean"),
    learnsTargets: fc.constant(true),
  });
});

/** The value of a loss on what a maker gives, and the gradients of both embeddings. */
async function run({ values, predictions, targets, option, reduction }: TorchValuesCase): Promise<readonly number[][]> {
  const open = infoNCE({ temperature: option as number });
  const loss: CompiledLoss = compile(reduction === "none" ? perToken(open) : mean(open));
  const embeddings = [predictions, targets].map((x) => tf.tensor2d(x as number[][]));
  const of = (a: tf.Tensor, b: tf.Tensor): tf.Tensor => tf.sum(loss(makers[values](a, b)));
  const value = tf.tidy(() => loss(makers[values](embeddings[0], embeddings[1])));
  const gradients = tf.grads(of)(embeddings);
  const numbers = await Promise.all([value, ...gradients].map(async (x) => [...(await x.data())]));
  loss.dispose();
  tf.dispose([...embeddings, value, ...gradients]);
  return numbers;
}

const withTorch = hasTorch();
const sample = withTorch ? fc.sample(matrices, 60) : [];
let answers: readonly TorchAnswer[] = [];

(withTorch ? describe : describe.skip)("InfoNCE and NT-Xent against PyTorch", () => {
  beforeAll(() => {
    answers = askTorch(sample);
  });

  const expectAgreement = async (): Promise<void> => {
    for (const [i, one] of sample.entries()) {
      const [value, ofFirst, ofSecond] = await run(one);
      const { value: expected, gradient, labelsGradient } = answers[i];
      // A gradient is a difference of similarities over the temperature.
      const size = 1 / (one.option as number);
      const errors = [
        distance(value, expected, 1),
        distance(ofFirst, gradient, size),
        distance(ofSecond, labelsGradient as readonly number[], size),
      ];
      if (errors.some((error) => error > 5e-6)) throw new Error(`off by ${errors}: ${JSON.stringify(one)}`);
    }
    expect(answers.length).toBe(60);
  };

  for (const backend of backends) {
    test(backend, async () => {
      await startBackend(backend)();
      await expectAgreement();
    });
  }

  test("by ordinary ops", () => behindGlass(expectAgreement));
});

for (const backend of backends) {
  describe(`batches of embeddings, ${backend}`, () => {
    beforeAll(startBackend(backend));

    const first = [
      [1, 2],
      [0.5, -1],
      [2, 0],
    ];
    const second = [
      [1, 1],
      [1, -1],
      [0, 3],
    ];

    for (const [name, make] of Object.entries(makers)) {
      test(`what is masked is as if it were not there, NaN too: ${name}`, async () => {
        const loss = compile(infoNCE({ temperature: 0.5 }));
        const on = (mask: readonly boolean[] | null) => (a: tf.Tensor, b: tf.Tensor) =>
          loss(make(a, b, mask === null ? {} : { mask }));
        const whole = [first, second].map((x) => tf.tensor2d([...x, [Number.NaN, 1]]));
        const part = [first, second].map((x) => tf.tensor2d(x));
        const masked = tf.valueAndGrads(on([true, true, true, false]))(whole);
        const without = tf.valueAndGrads(on(null))(part);
        expectClose([...(await masked.value.data())], [...(await without.value.data())], 1e-6);
        for (const [i, gradient] of masked.grads.entries()) {
          expectClose([...(await gradient.data())], [...(await without.grads[i].data()), 0, 0], 1e-5);
        }
        loss.dispose();
        tf.dispose([...whole, ...part, masked.value, ...masked.grads, without.value, ...without.grads]);
      });

      test(`dot products of embeddings as they are: ${name}`, async () => {
        const { logits } = make(tf.tensor2d(first), tf.tensor2d(second), { similarity: "dot" });
        const rows = (await logits.array()) as number[][];
        const place = name === "info nce" ? 1 : 4;
        expect(rows[0][place]).toBeCloseTo(1 * 1 + 2 * -1, 6);
        if (name === "nt xent") expect(rows.map((row, i) => row[i])).toEqual(rows.map(() => Number.NEGATIVE_INFINITY));
        logits.dispose();
      });

      test(`steps leave no tensor behind: ${name}`, () => {
        const loss = compile(infoNCE());
        const inputs = [first, second].map((x) => tf.tensor2d(x));
        const step = tf.grads((a: tf.Tensor, b: tf.Tensor) => loss(make(a, b, { mask: [true, false, true] })));
        tf.dispose(step(inputs));
        const before = tf.memory().numTensors;
        for (let i = 0; i < 5; i++) tf.dispose(step(inputs));
        expect(tf.memory().numTensors).toBe(before);
        loss.dispose();
        tf.dispose(inputs);
      });
    }

    const wrong: readonly (readonly [string, () => unknown, ...string[]])[] = [
      ["arrays", () => contrastivePairs(first as never, tf.tensor2d(second)), "contrastivePairs", "[N, D]"],
      ["other shapes", () => contrastiveViews(tf.ones([2, 3]), tf.ones([3, 3])), "[2, 3]", "[3, 3]"],
      ["another rank", () => contrastivePairs(tf.ones([2]), tf.ones([2])), "[2]"],
      ["no row", () => contrastivePairs(tf.zeros([0, 2]), tf.zeros([0, 2])), "[0, 2]"],
      ["integers", () => contrastivePairs(tf.ones([2, 2], "int32"), tf.ones([2, 2])), "int32"],
      [
        "a similarity misspelt",
        () => contrastivePairs(tf.ones([2, 2]), tf.ones([2, 2]), { similarity: "cos" as never }),
        '"cos"',
      ],
      [
        "a short mask",
        () => contrastivePairs(tf.ones([2, 2]), tf.ones([2, 2]), { mask: [true] }),
        "mask",
        "2 booleans",
      ],
      ["temperature 0", () => infoNCE({ temperature: 0 }), "temperature", "0"],
      ["temperature as the argument", () => infoNCE(0.1 as never), "infoNCE", "{ temperature }"],
    ];
    for (const [name, make, ...parts] of wrong) {
      test(`refused: ${name}`, () => {
        const message = tf.tidy(() => {
          try {
            make();
          } catch (error) {
            return error instanceof LossError ? error.message : "no LossError";
          }
          return "no error";
        });
        for (const part of parts) expect(message).toContain(part);
      });
    }
  });
}
