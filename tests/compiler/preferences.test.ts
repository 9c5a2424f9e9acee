/**
 * From logits to a loss on preferences: log-probabilities of sequences by compiled cross entropy, batches of them, and
 * the gradients back to the logits, against PyTorch, live; the ends of the losses, masks, and what is refused.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  add,
  type CompiledLoss,
  compile,
  crossEntropy,
  dpo,
  evaluate,
  evaluateGradient,
  focal,
  ignoreIndex,
  ipo,
  kto,
  type Loss,
  linear,
  mean,
  orpo,
  perToken,
  pipe,
  preferencePairs,
  scale,
  sequenceLogProbabilities,
  simPO,
  sum,
  temperature,
  unpairedPreferences,
} from "lossmith";
import { backends, behindGlass, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { lossErrorOf } from "../support/lossErrorOf.ts";
import { distance, expectClose, flat } from "../support/numbers.ts";
import { askTorch, hasTorch, type TorchAnswer } from "../support/torch.ts";

type Values = Loss<"values", "without a weight field">;
type Logits = number[][][];

const ofTokens = pipe(crossEntropy, ignoreIndex(-100));

interface Policy {
  readonly preference: string;
  readonly loss: Values;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly per: "sum" | "mean";
}

const desirable = [true, false, true];
const policies: readonly Policy[] = [
  {
    preference: "dpo",
    parameters: { beta: 0.3, labelSmoothing: 0.1 },
    loss: dpo({ beta: 0.3, labelSmoothing: 0.1 }),
    per: "sum",
  },
  { preference: "ipo", parameters: { beta: 0.5 }, loss: ipo({ beta: 0.5 }), per: "mean" },
  { preference: "simpo", parameters: { beta: 2, gamma: 0.5, labelSmoothing: 0 }, loss: simPO(), per: "mean" },
  { preference: "orpo", parameters: { lambda: 0.3, likelihood: 1 }, loss: orpo({ lambda: 0.3 }), per: "mean" },
  {
    preference: "kto",
    parameters: { beta: 0.4, desirableWeight: 1, undesirableWeight: 1.2, desirable },
    loss: kto({ beta: 0.4, undesirableWeight: 1.2 }),
    per: "sum",
  },
];

/** Three pairs of sequences of up to four tokens, in a vocabulary of five; prompts and padding are −100. */
const labels = [
  [
    [-100, 0, 1, 2],
    [3, 4, -100, -100],
    [-100, -100, 2, -100],
  ],
  [
    [-100, 1, -100, 4],
    [3, 3, 3, 0],
    [0, 0, -100, -100],
  ],
];

interface EndToEnd extends Policy {
  readonly labels: typeof labels;
  readonly policy: readonly Logits[];
  readonly reference: readonly Logits[];
}

const logit = fc.double({ min: -3, max: 3, noNaN: true }).map(Math.fround);
const nested = <T>(entry: fc.Arbitrary<T>, length: number): fc.Arbitrary<T[]> =>
  fc.array(entry, { minLength: length, maxLength: length });
const twoOfLogits = nested(nested(nested(nested(logit, 5), 4), 3), 2);
const cases: fc.Arbitrary<EndToEnd> = fc
  .record({
    given: fc.constantFrom(...policies),
    policy: twoOfLogits,
    reference: twoOfLogits,
  })
  .map(({ given, ...logits }) => ({ ...given, ...logits, labels }));

/** The batch that a user makes of the log-probabilities of two lists of sequences by two models. */
function batchOf(preference: string, [first, second]: tf.Tensor[], [ofFirst, ofSecond]: tf.Tensor[]) {
  if (preference === "kto") {
    const reference = { responses: ofFirst, mismatched: ofSecond };
    return unpairedPreferences({ responses: first, mismatched: second, reference, desirable });
  }
  return preferencePairs({ chosen: first, rejected: second, reference: { chosen: ofFirst, rejected: ofSecond } });
}

async function run({ preference, loss, per, policy, reference }: EndToEnd): Promise<readonly number[][]> {
  const logProbabilities = sequenceLogProbabilities(ofTokens, { per });
  const compiled = compile(pipe(loss, perToken));
  const score = (logits: readonly tf.Tensor[]): tf.Tensor[] =>
    logits.map((z, i) => logProbabilities({ logits: z, labels: labels[i] }));
  const [mine, frozen] = [policy, reference].map((two) => two.map((z) => tf.tensor3d(z)));
  const of = (...logits: tf.Tensor[]): tf.Tensor => compiled(batchOf(preference, score(logits), score(frozen)));
  const value = tf.tidy(() => of(...mine));
  const gradients = tf.grads((...logits: tf.Tensor[]) => tf.sum(of(...logits)))(mine);
  const numbers = await Promise.all([value, ...gradients].map(async (x) => [...(await x.data())]));
  compiled.dispose();
  logProbabilities.dispose();
  tf.dispose([mine, frozen, value, gradients]);
  return [numbers[0], numbers.slice(1).flat()];
}

const withTorch = hasTorch();
const sample = withTorch ? fc.sample(cases, 40) : [];
let answers: readonly TorchAnswer[] = [];

(withTorch ? describe : describe.skip)("from logits, against PyTorch", () => {
  beforeAll(() => {
    answers = askTorch(sample);
  });

  const expectAgreement = async (): Promise<void> => {
    for (const [i, one] of sample.entries()) {
      const [value, gradient] = await run(one);
      // Log-probabilities are up to some tens, and their differences have the digits of these.
      const errors = [distance(value, answers[i].value, 1), distance(gradient, answers[i].gradient, 1)];
      if (errors.some((error) => error > 1e-5))
        throw new Error(`off by ${errors}: ${JSON.stringify({ ...one, loss: null })}`);
    }
    expect(answers.length).toBe(40);
  };

  for (const backend of backends) {
    test(backend, async () => {
      await startBackend(backend)();
      await expectAgreement();
    });
  }

  test("by ordinary ops", () => behindGlass(expectAgreement));
});

// ---------------------------------------------------------------------------------------------------------- extremes

interface Extreme {
  readonly loss: Values;
  readonly row: readonly [number, number];
  readonly reference?: readonly [number, number];
  readonly value: number;
  readonly gradient: readonly [number, number];
}

const tiny = Math.exp(-40);
const extremes: Readonly<Record<string, Extreme>> = {
  "a pair that is right and confident": {
    loss: dpo({ beta: 1 }),
    row: [-10, -50],
    value: tiny,
    gradient: [-tiny, tiny],
  },
  "a pair that is wrong and confident": { loss: dpo({ beta: 1 }), row: [-9000, -1], value: 8999, gradient: [-1, 1] },
  "long sequences near the reference": {
    loss: dpo({ beta: 1 }),
    row: [-4096.5, -2048.25],
    reference: [-4096, -2048],
    value: Math.log1p(Math.exp(0.25)),
    gradient: [-1 / (1 + Math.exp(-0.25)), 1 / (1 + Math.exp(-0.25))],
  },
  "a margin that is met by far": {
    loss: simPO({ beta: 2, gamma: 1 }),
    row: [-1, -21.5],
    value: tiny,
    gradient: [-2 * tiny, 2 * tiny],
  },
  // R = (1 − p) / p · odds of the other.
  "odds of a chosen response that is nearly certain": {
    loss: orpo({ lambda: 1, likelihood: 0 }),
    row: [-(2 ** -60), -Math.LN2],
    value: 2 ** -60,
    gradient: [-1, 2 ** -59],
  },
  "odds of a chosen response that is certain": {
    loss: orpo({ lambda: 1, likelihood: 0 }),
    row: [0, -Math.LN2],
    value: 0,
    gradient: [-1, 0],
  },
  "odds of a rejected response that is nearly certain": {
    loss: orpo({ lambda: 1, likelihood: 0 }),
    row: [-Math.LN2, -(2 ** -60)],
    value: 60 * Math.LN2,
    gradient: [-2, 2 ** 60],
  },
  "odds of responses that are both unlikely": {
    loss: orpo({ lambda: 1, likelihood: 0 }),
    row: [-400, -300],
    value: 100,
    gradient: [-1, 1],
  },
};

async function expectExtreme({ loss, row, reference = [0, 0], value, gradient }: Extreme): Promise<void> {
  const batch = { predictions: [[...row]], targets: [[...reference]] };
  const compiled = await runCompiled(loss, batch, [1, 2]);
  const plain = { value: [evaluate(loss, batch)], gradient: flat(evaluateGradient(loss, batch)) };
  for (const found of [compiled, plain]) {
    expect(distance(found.value, [value])).toBeLessThanOrEqual(4e-6);
    expect(distance(found.gradient, gradient)).toBeLessThanOrEqual(4e-6);
  }
}

for (const backend of backends) {
  describe(`extremes, ${backend}`, () => {
    beforeAll(startBackend(backend));
    for (const [name, extreme] of Object.entries(extremes)) test(name, () => expectExtreme(extreme));
  });
}

describe("extremes, by ordinary ops", () => {
  for (const [name, extreme] of Object.entries(extremes)) test(name, () => behindGlass(() => expectExtreme(extreme)));
});

// -------------------------------------------------------------------------------------------------------------- laws

describe("what holds between them", () => {
  const pairs = {
    predictions: [
      [-3, -5],
      [-9, -2],
    ],
    targets: [
      [-4, -4],
      [-8, -4],
    ],
  };

  test("label smoothing of ½ does not tell which is chosen", () => {
    const turned = {
      predictions: pairs.predictions.map(([a, b]) => [b, a]),
      targets: pairs.targets.map(([a, b]) => [b, a]),
    };
    const loss = dpo({ labelSmoothing: 0.5 });
    expect(evaluate(loss, pairs)).toBeCloseTo(evaluate(loss, turned), 12);
    expect(evaluate(dpo(), pairs)).not.toBeCloseTo(evaluate(dpo(), turned), 3);
  });

  test("DPO without a reference is SimPO without a margin", () => {
    const batch = {
      ...pairs,
      targets: [
        [0, 0],
        [0, 0],
      ],
    };
    expect(evaluate(dpo({ beta: 2 }), batch)).toBe(evaluate(simPO({ beta: 2, gamma: 0 }), batch));
  });

  test("they compose with schedules, sample weights, masks, sums and each other", async () => {
    await startBackend("cpu")();
    const loss = pipe(
      dpo({ beta: linear({ init: 0.1, end: 0.5, steps: 10 }) }),
      add(pipe(ipo({ beta: 1 }), scale(0.5), sum)),
    );
    const batch = { predictions: [...pairs.predictions, [Number.NaN, -1]], targets: [...pairs.targets, [-1, -1]] };
    const rest = { mask: [true, true, false], sampleWeight: [2, 1, 1], step: 5 };
    const h = pairs.predictions.map(([c, r], i) => c - pairs.targets[i][0] - (r - pairs.targets[i][1]));
    const weights = [2, 1];
    const logistic = h.reduce((total, x, i) => total + weights[i] * Math.log1p(Math.exp(-0.3 * x)), 0) / 3;
    const squares = h.reduce((total, x, i) => total + weights[i] * 0.5 * (x - 0.5) ** 2, 0);
    expect(evaluate(loss, { ...batch, ...rest })).toBeCloseTo(logistic + squares, 12);
    const { value, gradient } = await runCompiled(loss, { ...batch, ...rest }, [3, 2]);
    expectClose(value, [logistic + squares], 2e-6);
    expect(gradient.slice(4).map(Math.abs)).toEqual([0, 0]);
  });

  test("a mean over tokens does not depend on padding, a sum of it does not either", async () => {
    await startBackend("cpu")();
    const z = tf.randomNormal([2, 6, 5], 0, 1, "float32", 3);
    const tokens = [
      [1, 2, 3, -100, -100, -100],
      [0, 4, 4, 2, 1, 0],
    ];
    for (const per of ["sum", "mean"] as const) {
      const score = sequenceLogProbabilities(ofTokens, { per });
      const padded = await score({ logits: z, labels: tokens }).data();
      const alone = await score({ logits: z.slice([0, 0, 0], [1, 3, 5]), labels: [[1, 2, 3]] }).data();
      expectClose([padded[0]], [alone[0]], 1e-6);
      const masked = await score({
        logits: z,
        labels: tokens.map((row) => row.map((y) => Math.max(0, y))),
        mask: tokens.map((row) => row.map((y) => y >= 0)),
      }).data();
      expectClose([...masked], [...padded], 1e-6);
    }
  });

  test("a sequence without a token has 0, and no gradient", async () => {
    await startBackend("cpu")();
    for (const per of ["sum", "mean"] as const) {
      const score = sequenceLogProbabilities(ofTokens, { per });
      const z = tf.fill([2, 2, 3], Number.NaN);
      const batch = {
        labels: [
          [-100, -100],
          [-100, -100],
        ],
      };
      expect([...(await score({ ...batch, logits: z }).data())].map(Math.abs)).toEqual([0, 0]);
      const gradient = tf.grad((logits: tf.Tensor) => tf.sum(score({ ...batch, logits })))(z);
      expect([...(await gradient.data())].every((x) => x === 0)).toBe(true);
    }
  });

  test("what a token costs is the caller's to say, and one sequence is a number", async () => {
    await startBackend("cpu")();
    const z = tf.tensor2d([
      [2, 0],
      [0, 4],
    ]);
    const loss = pipe(crossEntropy, temperature(2), focal({ gamma: 0 }));
    const score = await sequenceLogProbabilities(loss)({ logits: z, labels: [0, 0] }).data();
    expect(score[0]).toBeCloseTo(-Math.log1p(Math.exp(-1)) - Math.log1p(Math.exp(2)), 6);
  });
});

// ------------------------------------------------------------------------------------------------------------- batches

for (const backend of backends) {
  describe(`batches, ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("the reference model's log-probabilities are constants, though a tape saw how they were made", async () => {
      const loss = compile(dpo());
      const x = tf.tensor1d([-2, -3]);
      const gradient = tf.grad((y: tf.Tensor) =>
        loss(preferencePairs({ chosen: y, rejected: tf.mul(y, 2), reference: { chosen: tf.mul(y, 3), rejected: y } })),
      )(x);
      // h = (y − 3 y) − (2 y − y), of which y − 2 y has a gradient.
      const expected = [-2, -3].map((y) => 0.1 / (1 + Math.exp(-0.3 * y)) / 2);
      expectClose([...(await gradient.data())], expected, 1e-5);
    });

    test("KTO's second column gets no gradient, its first does", async () => {
      const compiled: CompiledLoss<tf.Scalar, "values"> = compile(pipe(kto(), mean));
      const p = [tf.tensor1d([-2, -3]), tf.tensor1d([-2, -2])];
      const reference = { responses: tf.tensor1d([-3, -3]), mismatched: tf.tensor1d([-9, -8]) };
      const [first, second] = tf.grads((responses: tf.Tensor, mismatched: tf.Tensor) =>
        compiled(unpairedPreferences({ responses, mismatched, reference, desirable: [true, false] })),
      )(p);
      const slopes = [1 - 6.5, 0 - 6.5].map(
        (x) => (0.1 / 2 / (1 + Math.exp(-0.1 * x))) * (1 / (1 + Math.exp(0.1 * x))),
      );
      expectClose([...(await first.data())], [-slopes[0], slopes[1]], 1e-5);
      expect([...(await second.data())].map(Math.abs)).toEqual([0, 0]);
    });

    test("NaN where a response is neither desirable nor undesirable, and for odds of no probability", async () => {
      const batch = {
        predictions: [
          [-1, -1],
          [-1, -1],
          [-1, -1],
        ],
        targets: [
          [-2, -2],
          [-2, -2],
          [-2, -2],
        ],
      };
      for (const [value, isSpoilt] of [
        [1, false],
        [0, false],
        [-1, true],
        [0.5, true],
        [2, true],
        [Number.NaN, true],
      ] as const) {
        const given = { ...batch, inputs: { desirable: [value, 1, 0] } };
        const loss = pipe(kto(), perToken);
        for (const found of [(await runCompiled(loss, given, [3, 2])).value, flat(evaluate(loss, given))]) {
          expect(found.map(Number.isNaN)).toEqual([isSpoilt, false, false]);
        }
      }
      // A caller who gives −log π in place of log π.
      for (const row of [
        [2, 3],
        [3, 2],
        [-1, 1],
        [1, -1],
      ]) {
        const given = {
          predictions: [row, [-1, -2]],
          targets: [
            [0, 0],
            [0, 0],
          ],
        };
        const { value, gradient } = await runCompiled(pipe(orpo(), perToken), given, [2, 2]);
        expect(value.map(Number.isNaN)).toEqual([true, false]);
        expect(gradient.slice(2).some(Number.isNaN)).toBe(false);
        expect(gradient.slice(0, 2).some(Number.isNaN)).toBe(true);
      }
    });

    test("a training step leaves no tensor behind", () => {
      const logProbabilities = sequenceLogProbabilities(ofTokens, { per: "mean" });
      const loss = compile(pipe(dpo(), add(orpo())));
      const two = [1, 2].map((seed) => tf.randomNormal([3, 4, 5], 0, 1, "float32", seed));
      const frozen = { chosen: tf.tensor1d([-1, -2, -3]), rejected: tf.tensor1d([-2, -2, -2]) };
      const gradients = tf.grads((a: tf.Tensor, b: tf.Tensor) => {
        const [chosen, rejected] = [a, b].map((logits, i) => logProbabilities({ logits, labels: labels[i] }));
        return loss(preferencePairs({ chosen, rejected, reference: frozen }));
      });
      tf.dispose(gradients(two));
      const before = tf.memory().numTensors;
      for (let i = 0; i < 5; i++) tf.dispose(gradients(two));
      expect(tf.memory().numTensors).toBe(before);
      loss.dispose();
      logProbabilities.dispose();
      tf.dispose([two, frozen]);
    });
  });
}

describe("refused", () => {
  beforeAll(startBackend("cpu"));
  const x = (...shape: number[]): tf.Tensor => tf.fill(shape, -1);
  const reference = { responses: x(2), mismatched: x(2) };
  const wrong: readonly (readonly [string, () => unknown, ...string[]])[] = [
    ["fewer rejected than chosen", () => preferencePairs({ chosen: x(3), rejected: x(2) }), "chosen [3], rejected [2]"],
    ["[N, 1] beside [N]", () => preferencePairs({ chosen: x(2, 1), rejected: x(2) }), "chosen [2, 1], rejected [2]"],
    [
      "a reference of another shape",
      () => preferencePairs({ chosen: x(2), rejected: x(2), reference: { chosen: x(2), rejected: x(1) } }),
      "reference.rejected [1]",
    ],
    [
      "a reference without the rejected",
      () => preferencePairs({ chosen: x(2), rejected: x(2), reference: { chosen: x(2) } as never }),
      "preferencePairs({ reference.rejected })",
      "undefined",
    ],
    ["single numbers", () => preferencePairs({ chosen: x(), rejected: x() }), "[]"],
    [
      "arrays",
      () => preferencePairs({ chosen: [-1] as never, rejected: x(1) }),
      "preferencePairs({ chosen })",
      "Array",
    ],
    ["a tensor", () => preferencePairs(x(2, 2) as never), "preferencePairs", "{ chosen, rejected, reference? }"],
    ["integers", () => preferencePairs({ chosen: tf.zeros([1], "int32"), rejected: x(1) }), "int32"],
    [
      "cross entropies",
      () =>
        preferencePairs({
          chosen: x(2, 2),
          rejected: tf.tensor2d([
            [-1, -2],
            [-1, 3],
          ]),
        }),
      "preferencePairs({ rejected })",
      "row [1, 1] is 3",
      "their negative",
    ],
    [
      "too few ratings",
      () => unpairedPreferences({ responses: x(2), mismatched: x(2), reference, desirable: [true] }),
      "unpairedPreferences({ desirable })",
      "2 booleans",
    ],
    [
      "numbers for ratings",
      () => unpairedPreferences({ responses: x(2), mismatched: x(2), reference, desirable: [1, 0] as never }),
      "desirable",
    ],
    [
      "no reference",
      () => unpairedPreferences({ responses: x(2), mismatched: x(2), desirable: [true] } as never),
      "reference",
    ],
    [
      "three columns",
      () => evaluate(dpo(), { predictions: [[1, 2, 3]], targets: [[1, 2, 3]] }),
      "[1, 3]",
      "2 columns: chosen, rejected",
    ],
    ["one column", () => compile(simPO())({ predictions: x(2, 1), targets: x(2, 1) }), "[2, 1]", "[..., 2]"],
    [
      "no column axis",
      () => compile(orpo())({ predictions: x(2), targets: x(2) }),
      "[2]",
      "[..., 2]: chosen, rejected",
    ],
    ["no ratings", () => compile(kto())({ predictions: x(2, 2), targets: x(2, 2) }), 'reads "desirable"'],
    ["beta 0", () => dpo({ beta: 0 }), "dpo({ beta })", "got 0"],
    ["beta as the argument", () => ipo(0.1 as never), "ipo", "{ beta }"],
    [
      "a smoothing that turns pairs round",
      () => dpo({ labelSmoothing: 0.6 }),
      "dpo({ labelSmoothing })",
      "from 0 to 0.5",
    ],
    ["a negative margin", () => simPO({ gamma: -1 }), "simPO({ gamma })", "-1"],
    ["a negative weight", () => orpo({ lambda: -1 }), "orpo({ lambda })", "-1"],
    ["a negative weight of desirable responses", () => kto({ desirableWeight: -1 }), "kto({ desirableWeight })", "-1"],
    [
      "a loss over values for sequences",
      () => sequenceLogProbabilities(dpo() as never),
      "sequenceLogProbabilities",
      "values",
    ],
    ["a reduced loss for sequences", () => sequenceLogProbabilities(mean(crossEntropy) as never), "already reduced"],
    ["a loss misspelt", () => sequenceLogProbabilities(undefined as never), "sequenceLogProbabilities", "crossEntropy"],
    ["per misspelt", () => sequenceLogProbabilities(crossEntropy, { per: "token" as never }), '"token"', '"mean"'],
    ["logits of no sequence", () => sequenceLogProbabilities(crossEntropy)({ logits: x(3), labels: 1 }), "[..., T, V]"],
  ];
  for (const [name, make, ...parts] of wrong) {
    test(name, () => {
      const message = lossErrorOf(make);
      for (const part of parts) expect(message).toContain(part);
    });
  }
});
