/** Losses over values: what holds between them, and their values and gradients at the ends of their domains. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  binaryCrossEntropy,
  binaryFocal,
  categoricalHinge,
  cosineSimilarity,
  dice,
  evaluate,
  evaluateGradient,
  hinge,
  huber,
  jaccard,
  klDivergenceOfProbabilities,
  type Loss,
  logCosh,
  meanAbsoluteError,
  meanSquaredError,
  type PlainValuesBatch,
  perToken,
  pipe,
  poisson,
  quantile,
  scale,
  squaredHinge,
  tversky,
} from "lossmith";
import { backends, behindGlass, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { distance, flat } from "../support/numbers.ts";
import { type Domain, valuesBatches } from "../support/valuesArbitraries.ts";

type Values = Loss<"values", "without a weight field">;

/** Expects the values and the gradients of two losses to be the same. */
function expectSame(a: Values, b: Values, batch: PlainValuesBatch): void {
  const tolerance = 1e-12;
  expect(distance([evaluate(a, batch)], [evaluate(b, batch)], 1e-3)).toBeLessThanOrEqual(tolerance);
  const [ofA, ofB] = [a, b].map((loss) => flat(evaluateGradient(loss, batch)));
  expect(distance(ofA, ofB, 1e-3)).toBeLessThanOrEqual(tolerance);
}

function always(domain: Domain, holds: (batch: PlainValuesBatch) => void): void {
  fc.assert(
    fc.property(valuesBatches(domain), ({ plain }) => holds(plain)),
    { numRuns: 200 },
  );
}

describe("laws", () => {
  test("the quantile loss at ½ is half the mean absolute error", () => {
    always("numbers", (batch) => {
      expect(evaluate(quantile(0.5), batch)).toBeCloseTo(evaluate(meanAbsoluteError, batch) / 2, 12);
    });
  });

  test("the best constant of a quantile loss is the quantile", () => {
    const targets = Array.from({ length: 101 }, (_, i) => i);
    const at = (x: number): number => evaluate(quantile(0.9), { predictions: targets.map(() => x), targets });
    expect(at(90)).toBeLessThan(at(89.5));
    expect(at(90)).toBeLessThan(at(91));
  });

  test("Huber loss tends to half the squared error, and to delta times the absolute error", () => {
    always("numbers", (batch) => {
      expectSame(huber({ delta: 1e3 }), pipe(meanSquaredError, scale(0.5)), batch);
      const straight = evaluate(pipe(huber({ delta: 1e-6 }), scale(1e6)), batch);
      expect(Math.abs(straight - evaluate(meanAbsoluteError, batch))).toBeLessThanOrEqual(1e-6);
    });
  });

  test("log cosh lies between the absolute error less log 2 and half the squared error", () => {
    always("numbers", (batch) => {
      const value = evaluate(logCosh, batch);
      expect(value).toBeGreaterThanOrEqual(evaluate(meanAbsoluteError, batch) - Math.LN2 - 1e-12);
      expect(value).toBeLessThanOrEqual(evaluate(meanSquaredError, batch) / 2 + 1e-12);
    });
  });

  test("binary focal loss at gamma 0 is binary cross entropy", () => {
    for (const from of ["logits", "probabilities"] as const) {
      always(from, (batch) => expectSame(binaryFocal({ from, gamma: 0 }), binaryCrossEntropy({ from }), batch));
    }
  });

  test("alpha ½ halves binary focal loss", () => {
    always("logits", (batch) => {
      const half = pipe(binaryFocal({ from: "logits" }), scale(0.5));
      expectSame(binaryFocal({ from: "logits", alpha: 0.5 }), half, batch);
    });
  });

  test("binary cross entropy of logits is that of their sigmoids", () => {
    always("logits", (batch) => {
      const sigmoid = (x: unknown): unknown => (Array.isArray(x) ? x.map(sigmoid) : 1 / (1 + Math.exp(-(x as number))));
      const probabilities = { ...batch, predictions: sigmoid(batch.predictions) as number[] };
      const value = evaluate(binaryCrossEntropy({ from: "probabilities" }), probabilities);
      expect(value).toBeCloseTo(evaluate(binaryCrossEntropy({ from: "logits" }), batch), 9);
    });
  });

  test("label smoothing moves targets to ½", () => {
    always("logits", (batch) => {
      const smoothed = (t: unknown): unknown => (Array.isArray(t) ? t.map(smoothed) : 0.8 * (t as number) + 0.1);
      const moved = { ...batch, targets: smoothed(batch.targets) as number[] };
      for (const make of [binaryCrossEntropy, binaryFocal]) {
        const value = evaluate(make({ from: "logits", labelSmoothing: 0.2 }), batch);
        expect(value).toBeCloseTo(evaluate(make({ from: "logits" }), moved), 12);
      }
    });
  });

  test("Dice is Tversky at ½ and ½, Jaccard is it at 1 and 1, and each tells the other", () => {
    always("probabilities", (batch) => {
      expectSame(dice(), tversky({ alpha: 0.5, beta: 0.5 }), batch);
      expectSame(jaccard(), tversky({ alpha: 1, beta: 1 }), batch);
      const { predictions, targets } = batch;
      const values = (loss: Values): number[] => flat(evaluate(pipe(loss, perToken), { predictions, targets }));
      const jaccards = values(jaccard());
      values(dice()).forEach((d, i) => {
        expect(jaccards[i]).toBeCloseTo((2 * d) / (1 + d), 5);
      });
    });
  });

  test("Tversky's alpha is the price of false positives, beta that of false negatives", () => {
    const falsePositive = { predictions: [[1, 1]], targets: [[1, 0]] };
    const falseNegative = { predictions: [[1, 0]], targets: [[1, 1]] };
    const loss = tversky({ alpha: 3, beta: 0 });
    expect(evaluate(loss, falsePositive)).toBeCloseTo(0.75, 6);
    expect(evaluate(loss, falseNegative)).toBeCloseTo(0, 6);
  });

  test("a cosine does not depend on lengths", () => {
    always("numbers", (batch) => {
      const scaled = (factor: number, x: unknown): unknown =>
        Array.isArray(x) ? x.map((inner) => scaled(factor, inner)) : factor * (x as number);
      const longer = {
        ...batch,
        predictions: scaled(1e3, batch.predictions) as number[],
        targets: scaled(1e-3, batch.targets) as number[],
      };
      expect(evaluate(cosineSimilarity, longer)).toBeCloseTo(evaluate(cosineSimilarity, batch), 9);
    });
  });

  test("a divergence is at least 0, and 0 for equal distributions", () => {
    always("distributions", (batch) => {
      const normalised = (x: unknown): unknown => {
        if (!Array.isArray(x)) return x;
        if (Array.isArray(x[0])) return x.map(normalised);
        const total = (x as number[]).reduce((sum, y) => sum + y, 0);
        return x.map((y) => (total === 0 ? 1 / x.length : (y as number) / total));
      };
      const predictions = normalised(batch.predictions) as number[];
      const targets = normalised(batch.targets) as number[];
      expect(evaluate(klDivergenceOfProbabilities, { ...batch, predictions, targets })).toBeGreaterThanOrEqual(-1e-5);
      const equal = evaluate(klDivergenceOfProbabilities, { ...batch, predictions, targets: predictions });
      expect(Math.abs(equal)).toBeLessThanOrEqual(1e-5);
    });
  });

  test("targets of 0 and 1 are those of −1 and 1 to hinge losses", () => {
    always("scores", (batch) => {
      const signs = (t: unknown): unknown => (Array.isArray(t) ? t.map(signs) : t === 0 ? -1 : t);
      const signed = { ...batch, targets: signs(batch.targets) as number[] };
      for (const loss of [hinge, squaredHinge]) {
        expect(evaluate(loss, batch)).toBe(evaluate(loss, signed));
        expect(evaluateGradient(loss, batch)).toEqual(evaluateGradient(loss, signed));
      }
    });
  });

  test("the mean over all numbers is the mean of rows of one column", () => {
    always("numbers", ({ predictions, targets }) => {
      const elements = (x: unknown): unknown => (Array.isArray(x) ? x.map(elements) : [x]);
      const apart = { predictions: elements(predictions) as number[], targets: elements(targets) as number[] };
      expect(evaluate(meanSquaredError, { predictions, targets })).toBeCloseTo(evaluate(meanSquaredError, apart), 12);
    });
  });
});

// ---------------------------------------------------------------------------------------------------------- extremes

interface Extreme {
  readonly loss: Values;
  readonly prediction: readonly number[];
  readonly target: readonly number[];
  readonly value: number;
  readonly gradient: readonly number[];
}

const bce = binaryCrossEntropy({ from: "logits" });
const bceOfProbabilities = binaryCrossEntropy({ from: "probabilities" });
const focal = binaryFocal({ from: "logits" });
const floor = -Math.log(1e-7);
const one = (loss: Values, prediction: number, target: number, value: number, gradient: number): Extreme => ({
  loss,
  prediction: [prediction],
  target: [target],
  value,
  gradient: [gradient],
});

const tiny = Math.exp(-20);
const extremes: Readonly<Record<string, Extreme>> = {
  "a binary logit that is right and confident": one(bce, 20, 1, tiny, -tiny),
  "the same for the other answer": one(bce, -20, 0, tiny, tiny),
  "a binary logit that is wrong and confident": one(bce, -1e4, 1, 1e4, -1),
  "a binary logit of 0": one(bce, 0, 1, Math.LN2, -0.5),
  "a binary logit of −∞ for what is not": one(bce, Number.NEGATIVE_INFINITY, 0, 0, 0),
  "a binary logit of ∞ for what is": one(bce, Number.POSITIVE_INFINITY, 1, 0, 0),
  "focal loss of a confident logit": one(focal, 20, 1, tiny ** 3, -3 * tiny ** 3),
  "focal loss of a wrong and confident logit": one(focal, -1e3, 1, 1e3, -1),
  "a probability of 0 for what is": one(bceOfProbabilities, 0, 1, floor, 0),
  "a probability of 1 for what is not": one(bceOfProbabilities, 1, 0, floor, 0),
  "a probability of 1 for what is": one(bceOfProbabilities, 1, 1, 1e-7, 0),
  "a small probability for what is not": one(bceOfProbabilities, 1e-5, 0, 1.00000500003e-5, 1.00001),
  "a small error, log cosh": one(logCosh, 1e-4, 0, 4.9999999917e-9, 9.99999997e-5),
  "a large error, log cosh": one(logCosh, 1e30, 0, 1e30, 1),
  "a large error, Huber": one(huber(), -1e30, 0, 1e30, -1),
  "no error, absolute": one(meanAbsoluteError, 2, 2, 0, 0),
  "no error, Huber": one(huber(), 2, 2, 0, 0),
  "no error, log cosh": one(logCosh, 2, 2, 0, 0),
  "a rate of 0 without a count": one(poisson, 0, 0, 0, 1),
  "a rate of 0 with a count": one(poisson, 0, 2, 2 * floor, 1 - 2e7),
  "a target of 0 in a divergence": {
    loss: klDivergenceOfProbabilities,
    prediction: [0, 0.5],
    target: [0, 1],
    value: Math.LN2,
    gradient: [0, -2],
  },
  "a prediction of 0 in a divergence": {
    loss: klDivergenceOfProbabilities,
    prediction: [0, 1],
    target: [1, 0],
    value: floor,
    gradient: [0, 0],
  },
  "a prediction of 1 in a divergence": one(klDivergenceOfProbabilities, 1, 1, 0, -1),
  "a long vector": {
    loss: cosineSimilarity,
    prediction: [3e30, 0],
    target: [3, 4],
    value: -0.6,
    gradient: [0, -0.8 / 3e30],
  },
  "a short vector": {
    loss: cosineSimilarity,
    prediction: [3e-30, 0],
    target: [3e-20, 4e-20],
    value: -0.6,
    gradient: [0, -0.8 / 3e-30],
  },
  "a vector of zeros": { loss: cosineSimilarity, prediction: [0, 0], target: [3, 4], value: 0, gradient: [0, 0] },
  "targets of zeros": { loss: cosineSimilarity, prediction: [1, 2], target: [0, 0], value: 0, gradient: [0, 0] },
  "two empty sets": { loss: dice(), prediction: [0, 0], target: [0, 0], value: 1, gradient: [0, 0] },
  "two empty sets, smoothed": {
    loss: dice({ smooth: 1 }),
    prediction: [0, 0],
    target: [0, 0],
    value: 1e-7,
    gradient: [0.5, 0.5],
  },
  "equal sets": { loss: jaccard(), prediction: [1, 0], target: [1, 0], value: 1e-7, gradient: [-1, 1] },
  "categories that lead equally": {
    loss: categoricalHinge,
    prediction: [1, 2, 2],
    target: [1, 0, 0],
    value: 2,
    gradient: [-1, 0.5, 0.5],
  },
};

/** Relative to the largest number beside it. */
function expectNear(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  expect(distance(actual, expected)).toBeLessThanOrEqual(tolerance);
}

async function expectCompiled({ loss, prediction, target, value, gradient }: Extreme): Promise<void> {
  const batch = { predictions: [prediction], targets: [target] };
  const run = await runCompiled(loss, batch, [1, prediction.length]);
  expectNear(run.value, [value], 2e-6);
  expectNear(run.gradient, gradient, 2e-6);
}

describe("extremes, reference", () => {
  for (const [name, { loss, prediction, target, value, gradient }] of Object.entries(extremes)) {
    test(name, () => {
      const batch = { predictions: [prediction], targets: [target] };
      expectNear([evaluate(loss, batch)], [value], 1e-6);
      expectNear(flat(evaluateGradient(loss, batch)), gradient, 1e-6);
    });
  }
});

for (const backend of backends) {
  describe(`extremes, ${backend}`, () => {
    beforeAll(startBackend(backend));
    for (const [name, extreme] of Object.entries(extremes)) test(name, () => expectCompiled(extreme));
  });
}

describe("extremes, by ordinary ops", () => {
  for (const [name, extreme] of Object.entries(extremes)) {
    test(name, () => behindGlass(() => expectCompiled(extreme)));
  }
});
