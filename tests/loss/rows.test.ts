/** What a row's loss may read beside its own logits: inputs, its position, and numbers that rows share. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  at,
  compile,
  crossEntropy,
  evaluate,
  evaluateGradient,
  explain,
  fromFunction,
  ignoreIndex,
  join,
  labelSmoothing,
  language,
  lossEq,
  type Nested,
  type PlainBatch,
  parameter,
  perToken,
  pipe,
  scale,
  show,
  sum,
} from "lossmith";
import { unaryNumber } from "../../lib/loss/expression.ts";
import { backends, behindGlass, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { expectClose, flat } from "../support/numbers.ts";

const {
  add,
  batchMean,
  constant,
  divide,
  input,
  lossOf,
  modulate,
  multiply,
  nll,
  overSequence,
  position,
  probability,
} = language;
const { subtract, stopGradient, unary } = language;

/** Two sequences of three tokens; the last token is padding. */
const batch = {
  logits: [
    [
      [2, 1, 0.1],
      [0.5, 2.5, 0.3],
      [1, 1, 1],
    ],
    [
      [0, 3, 1],
      [1, 0, 2],
      [9, 9, 9],
    ],
  ],
  labels: [
    [0, 1, 2],
    [1, 0, -1],
  ],
  inputs: {
    reference: [
      [0.5, 0.1, 1],
      [0.2, 0.3, 7],
    ],
  },
} satisfies PlainBatch;
const shape = [2, 3, 3];
const valid = ignoreIndex(-1);
const each = evaluate(pipe(crossEntropy, valid, perToken), batch) as number[][];

const length = overSequence(constant(1));
const { overTargets } = language;
const losses: Readonly<Record<string, AnyLoss>> = {
  "an input": pipe(lossOf(subtract(nll, input("reference"))), valid),
  "a position": pipe(
    crossEntropy,
    modulate("prompt", (loss) => multiply(unary("exp", multiply(constant(-0.5), position)), loss)),
    valid,
  ),
  "a sum over the sequence": pipe(lossOf(unary("softplus", divide(overSequence(nll), length))), valid, sum),
  "a mean over the batch": pipe(
    crossEntropy,
    modulate("relative", (loss) => divide(loss, batchMean(loss))),
    modulate("squared", (loss) => multiply(loss, loss)),
    valid,
  ),
  "a function of the row's own loss": pipe(
    crossEntropy,
    labelSmoothing(0.2),
    modulate("squared", (loss) => multiply(overTargets(loss), unary("log1p", overTargets(loss)))),
    valid,
  ),
  "an aggregate of an aggregate, detached in part": pipe(
    lossOf(multiply(nll, overSequence(multiply(batchMean(probability), stopGradient(nll))))),
    valid,
  ),
  "an aggregate of a smoothed loss": pipe(
    crossEntropy,
    labelSmoothing(0.2),
    modulate("sequence", (loss) => unary("log1p", overSequence(loss))),
    valid,
  ),
  "Lambert's W of the loss, as in SuperLoss": pipe(
    crossEntropy,
    modulate("super", (loss) => unary("lambertW", subtract(loss, constant(0.3)))),
    valid,
  ),
};

test("are the numbers of their formulas", () => {
  const number = (name: string): number => evaluate(losses[name] as typeof crossEntropy, batch);
  const tokens = each.map((row, s) => row.slice(0, s === 0 ? 3 : 2));
  const all = tokens.flat();
  const mean = all.reduce((a, b) => a + b, 0) / 5;
  expect(number("an input")).toBeCloseTo(mean - (0.5 + 0.1 + 1 + 0.2 + 0.3) / 5, 12);
  const decayed = tokens.flatMap((row) => row.map((x, i) => x * Math.exp(-0.5 * i)));
  expect(number("a position")).toBeCloseTo(decayed.reduce((a, b) => a + b, 0) / 5, 12);
  const means = tokens.map((row) => row.reduce((a, b) => a + b, 0) / row.length);
  const softplus = means.map((x) => Math.log1p(Math.exp(x)));
  expect(number("a sum over the sequence")).toBeCloseTo(3 * softplus[0] + 2 * softplus[1], 12);
  expect(number("a mean over the batch")).toBeCloseTo(all.reduce((a, x) => a + (x / mean) ** 2, 0) / 5, 12);
});

test("one sequence is the whole of labels of rank 1, and a scalar label is its own", () => {
  const loss = pipe(lossOf(overSequence(constant(1))), perToken);
  const rows = {
    logits: [
      [0, 1],
      [0, 1],
      [0, 1],
    ],
    labels: [0, 1, 0],
    mask: [true, false, true],
  };
  expect(evaluate(loss, rows)).toEqual([2, 0, 2]);
  expect(evaluate(loss, { logits: [0, 1], labels: 0 })).toBe(1);
});

test("the reference's gradient agrees with finite differences", () => {
  for (const loss of Object.values(losses)) {
    const value = (logits: Nested<number>): number => evaluate(loss as typeof crossEntropy, { ...batch, logits });
    const flatLogits = flat(batch.logits);
    // A detached factor is a constant to the gradient alone.
    if (loss === losses["an aggregate of an aggregate, detached in part"]) continue;
    const differences = flatLogits.map((_, i) => {
      const moved = (h: number): number => {
        const z = flatLogits.map((x, j) => (j === i ? x + h : x));
        return value([0, 1].map((s) => [0, 1, 2].map((t) => z.slice(9 * s + 3 * t, 9 * s + 3 * t + 3))));
      };
      return (moved(1e-5) - moved(-1e-5)) / 2e-5;
    });
    expectClose(evaluateGradient(loss, batch), differences, 1e-7);
  }
});

async function expectReference(loss: AnyLoss): Promise<void> {
  const { value, gradient } = await runCompiled(loss, batch, shape);
  expectClose(value, flat(evaluate(loss as never, batch)), 2e-6);
  expectClose(gradient, evaluateGradient(loss, batch), 5e-6);
}

for (const backend of backends) {
  describe(`compiled on ${backend}`, () => {
    beforeAll(startBackend(backend));
    for (const [name, loss] of Object.entries(losses)) {
      test(`${name} is the reference's`, () => expectReference(loss));
    }

    test("sample weights of 0 leave a row in the sums that others share", async () => {
      const weighed = {
        ...batch,
        sampleWeight: [
          [1, 0, 2],
          [0, 1, 1],
        ],
      };
      const loss = losses["a sum over the sequence"];
      const { value, gradient } = await runCompiled(loss, weighed, shape);
      expectClose(value, [evaluate(loss as typeof crossEntropy, weighed)], 2e-6);
      expectClose(gradient, evaluateGradient(loss, weighed), 5e-6);
    });

    test("trainable parameters and soft labels inside an aggregate get their gradient", () => {
      const learned = pipe(crossEntropy, scale(parameter("scale", 1.5)), sum);
      const loss = compile(
        pipe(
          learned,
          (l) =>
            ({ ...l, terms: l.terms.map((t) => ({ ...t, value: unary("log1p", overSequence(t.value)) })) }) as typeof l,
        ),
      );
      const logits = tf.tensor(batch.logits);
      const labels = tf.softmax(
        tf.tensor([
          [
            [1, 2, 0],
            [0, 0, 1],
            [1, 1, 1],
          ],
          [
            [0, 2, 0],
            [1, 0, 0],
            [0, 0, 3],
          ],
        ]),
      );
      const value = (): tf.Scalar => loss({ logits, labels }) as tf.Scalar;
      const [variable] = [...loss.variables.values()];
      const { grads } = tf.variableGrads(value, [variable]);
      const at15 = (x: number): number => {
        variable.assign(tf.scalar(x));
        return value().dataSync()[0];
      };
      const difference = (at15(1.51) - at15(1.49)) / 0.02;
      variable.assign(tf.scalar(1.5));
      expect(Math.abs(Object.values(grads)[0].dataSync()[0] - difference)).toBeLessThan(1e-3 * Math.abs(difference));

      const gradient = tf
        .grad((q: tf.Tensor) => loss({ logits, labels: q }))(labels)
        .dataSync();
      const direction = tf.randomNormal(labels.shape, 0, 1, "float32", 3);
      const moved = (h: number): number => loss({ logits, labels: tf.add(labels, tf.mul(direction, h)) }).dataSync()[0];
      const along = Array.from(direction.dataSync()).reduce((all, d, i) => all + d * gradient[i], 0);
      expect(Math.abs(along - (moved(1e-2) - moved(-1e-2)) / 2e-2)).toBeLessThan(2e-3 * Math.abs(along) + 1e-3);
    });
  });
}

test("compiled by ordinary ops they are the reference's too", async () => {
  await behindGlass(async () => {
    for (const loss of Object.values(losses)) await expectReference(loss);
  });
});

describe("errors", () => {
  test("an input that the batch does not give, or that does not fit", async () => {
    const loss = losses["an input"] as typeof crossEntropy;
    const { inputs: _inputs, ...without } = batch;
    const message = 'inputs: the loss reads "reference" and the batch gives no such input';
    expect(() => evaluate(loss, without)).toThrow(message);
    await expect(runCompiled(loss, without, shape)).rejects.toThrow(message);
    const short = { ...batch, inputs: { reference: [1] } };
    expect(() => evaluate(loss, short)).toThrow("inputs.reference: they have shape [1]");
    await expect(runCompiled(loss, short, shape)).rejects.toThrow("inputs.reference: they have shape [1]");
    expect(() => input("")).toThrow("input(name)");
  });

  test("a loss with a mean over the batch has no parts", () => {
    const loss = compile(losses["a mean over the batch"]);
    const logits = tf.tensor(batch.logits);
    const message = "the loss has a mean over the batch";
    expect(() => loss.parts({ ...batch, logits })).toThrow(message);
    expect(() => loss.denominators({ labels: batch.labels })).toThrow(message);
    expect(() => loss({ ...batch, logits, denominators: [5] })).toThrow(message);
    const sequence = compile(losses["a sum over the sequence"]);
    expect(() => sequence.parts({ ...batch, logits })).not.toThrow();
  });
});

test("show and explain say what rows share", () => {
  const loss = pipe(lossOf(add(input("reference"), multiply(position, batchMean(overSequence(nll))))), sum);
  expect(show(loss)).toBe("loss = Σ_i [reference + position · mean_batch(Σ_sequence(nll(y)))]");
  expect(explain(loss)).toContain("rows share: a mean over the batch, so that it has no parts");
});

describe("Lambert's W", () => {
  test("is the inverse of w exp(w), in numbers and in tensors", () => {
    fc.assert(
      fc.property(fc.double({ min: -1, max: 300, noNaN: true }), (w) => {
        const x = w * Math.exp(w);
        // Near the branch point −1/e it has half of the digits of x.
        const tolerance = Math.abs(w + 1) < 1e-3 ? 1e-6 : 1e-12;
        expect(Math.abs(unaryNumber.lambertW(x) - w)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(w)));
      }),
    );
    const published = [
      [-1 / Math.E, -1],
      [-0.34, -0.654],
      [-0.2, -0.259],
      [0, 0],
      [0.12, 0.108],
      [Math.E, 1],
      [5, 1.327],
    ];
    for (const [x, w] of published) expect(Math.abs(unaryNumber.lambertW(x) - w)).toBeLessThan(5e-4);
    expect(unaryNumber.lambertW(-1)).toBeNaN();
    expect(unaryNumber.lambertW(-1 / Math.E)).toBeCloseTo(-1, 6);
    expect(unaryNumber.lambertW(1)).toBeCloseTo(0.5671432904097838, 15);
  });

  test("in tensors too, to the digits of float32", async () => {
    await behindGlass(async () => {
      const loss = pipe(lossOf(unary("lambertW", input("x"))), perToken);
      const xs = [-0.36, -0.3, -0.1, -1e-4, 0, 1e-6, 0.1, 0.5, 1, 2.7, 10, 1e3, 1e6];
      const rows = { logits: xs.map(() => [0, 0]), labels: xs.map(() => 0), inputs: { x: xs } };
      const { value } = await runCompiled(loss, rows, [xs.length, 2]);
      value.forEach((w, i) => {
        const exact = unaryNumber.lambertW(Math.fround(xs[i]));
        expect(Math.abs(w - exact)).toBeLessThan(2e-6 * Math.max(1, Math.abs(exact)) * (xs[i] < -0.35 ? 10 : 1));
      });
    });
  });
});

describe("expm1", () => {
  const xs = [-90, -3, -0.6, -0.5, -0.49, -0.1, -1e-3, -1e-7, -1e-20, 0, 1e-20, 1e-7, 1e-3, 0.1, 0.49, 0.5, 0.6, 3, 80];

  test("keeps the digits of small numbers in numbers, in loops and in tensors", async () => {
    const loss = pipe(lossOf(unary("expm1", input("x"))), perToken);
    const rows = { logits: xs.map(() => [0, 0]), labels: xs.map(() => 0), inputs: { x: xs } };
    expect(flat(evaluate(loss, rows))).toEqual(xs.map(Math.expm1));
    const expectExact = async (): Promise<void> => {
      const { value } = await runCompiled(loss, rows, [xs.length, 2]);
      value.forEach((y, i) => {
        const exact = Math.expm1(Math.fround(xs[i]));
        expect(Math.abs(y - exact)).toBeLessThanOrEqual(4e-7 * Math.abs(exact));
      });
    };
    for (const backend of backends) {
      await startBackend(backend)();
      await expectExact();
    }
    await behindGlass(expectExact);
  });

  test("of NaN and of infinities is that of float64", async () => {
    const edges = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    const loss = pipe(lossOf(unary("expm1", input("x"))), perToken);
    const rows = { logits: edges.map(() => [0, 0]), labels: edges.map(() => 0), inputs: { x: edges } };
    const inTensors = async (): Promise<void> => {
      expect((await runCompiled(loss, rows, [3, 2])).value).toEqual(edges.map(Math.expm1));
    };
    await inTensors();
    await behindGlass(inTensors);
  });
});

describe("fromFunction", () => {
  const halves = fromFunction((step) => 2 ** -step);

  test("is its function of the step, also after a join and where schedules are multiplied", () => {
    expect(at(halves, 3)).toBe(0.125);
    expect(at(join([1, halves], [10]), 12)).toBe(0.25);
    expect(at(join([1, join([1, halves], [5])], [10]), 17)).toBe(0.25);
    const loss = pipe(crossEntropy, scale(halves), sum);
    const rows = { logits: [[0, 0]], labels: [0], step: 2 };
    expect(evaluate(loss, rows)).toBeCloseTo(Math.log(2) / 4, 12);
    expect(() => evaluate(loss, { ...rows, step: undefined as never })).toThrow("step:");
    expect(() =>
      at(
        fromFunction(() => Number.NaN),
        1,
      ),
    ).toThrow("got NaN");
    expect(() => fromFunction(3 as never)).toThrow("fromFunction: got 3");
  });

  test("is equal to itself alone, in losses and in the tables of compiled ones", () => {
    const other = fromFunction((step) => 2 ** -step);
    const scaled = (f: typeof halves): AnyLoss => pipe(crossEntropy, scale(f));
    expect(lossEq.equals(scaled(halves), scaled(halves))).toBe(true);
    expect(lossEq.equals(scaled(halves), scaled(other))).toBe(false);
    const both = language.add(
      halves,
      language.multiply(
        constant(10),
        fromFunction((step) => step),
      ),
    );
    const loss = compile(pipe(crossEntropy, labelSmoothing(0), scale(both), sum));
    const value = loss({ logits: tf.tensor2d([[0, 0]]), labels: [0], step: 1 }).dataSync()[0];
    expect(value).toBeCloseTo(10.5 * Math.log(2), 5);
  });
});
