/** Losses that read ids beside the label: against PyTorch, on every backend against the reference, and at the edges. */
import { describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  type Batch,
  compile,
  crossEntropy,
  evaluate,
  evaluateGradient,
  explain,
  fromProbabilities,
  ignoreIndex,
  labelSmoothing,
  language,
  linear,
  type PlainBatch,
  parameter,
  perToken,
  pipe,
  scaleGrad,
  sequenceUnlikelihood,
  show,
  sum,
  temperature,
  unlikelihood,
} from "lossmith";
import { atom } from "../../lib/loss/expression.ts";
import { agreementOf } from "../support/agreement.ts";
import { type Case, nest, within } from "../support/arbitraries.ts";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";
import { candidateCases, sureCandidateCases } from "../support/candidateCases.ts";
import { runCompiled } from "../support/compiled.ts";
import { gradientSize } from "../support/gradientSize.ts";
import { distance, flat } from "../support/numbers.ts";
import { askTorch, hasTorch, type NamedTorchCase } from "../support/torch.ts";

const tolerance = 2e-5;

// ------------------------------------------------------------------------------------------------------------ PyTorch

interface TorchPair {
  readonly loss: AnyLoss;
  readonly batch: PlainBatch;
  readonly shape: readonly number[];
  readonly torch: NamedTorchCase;
}

const pairs: fc.Arbitrary<TorchPair> = fc
  .record({
    classes: fc.integer({ min: 2, max: 6 }),
    sequences: fc.integer({ min: 1, max: 2 }),
    length: fc.integer({ min: 1, max: 7 }),
  })
  .chain(({ classes, sequences, length }) => {
    const rows = sequences * length;
    const each = <T>(entry: fc.Arbitrary<T>, count: number): fc.Arbitrary<T[]> =>
      fc.array(entry, { minLength: count, maxLength: count });
    return fc
      .record({
        logits: each(within(-8, 8).map(Math.fround), rows * classes),
        labels: each(fc.nat({ max: classes - 1 }), rows),
        ignored: each(
          fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
          rows,
        ),
        candidates: each(each(fc.integer({ min: -1, max: classes - 1 }), 3), rows),
        alpha: within(0, 2),
        clamp: fc.constantFrom(1e-5, 0.2),
        gamma: fc.constantFrom(0.2, 0.5, 0.8, 1),
        n: fc.integer({ min: 1, max: 3 }),
        name: fc.constantFrom("unlikelihood", "given_unlikelihood", "sequence_unlikelihood", "scale_grad"),
      })
      .map(({ logits, labels, ignored, candidates, alpha, clamp, gamma, n, name }) => {
        const isFlat = name === "given_unlikelihood";
        const shape = isFlat ? [rows] : [sequences, length];
        const known = labels.map((label, i) =>
          ignored[i] && (name === "unlikelihood" || name === "scale_grad") ? -100 : label,
        );
        const batch = {
          logits: nest(logits, [...shape, classes]),
          labels: nest(known, shape),
          candidates,
        } as PlainBatch;
        const of = { earlierLabels: "earlierLabels", given: "given" } as const;
        const losses: Readonly<Record<string, readonly [AnyLoss, Readonly<Record<string, unknown>>]>> = {
          unlikelihood: [pipe(crossEntropy, unlikelihood({ weight: alpha, clamp })), { alpha, clamp }],
          given_unlikelihood: [
            pipe(crossEntropy, unlikelihood({ weight: alpha, clamp, candidates: of.given })),
            { alpha, clamp, candidates },
          ],
          sequence_unlikelihood: [sequenceUnlikelihood({ n, clamp }), { n, clamp }],
          scale_grad: [scaleGrad({ gamma }), { gamma }],
        };
        const [loss, parameters] = losses[name];
        return {
          loss: pipe(loss as typeof crossEntropy, ignoreIndex(-100), perToken),
          batch,
          shape: [...shape, classes],
          torch: { loss: name, parameters, logits: batch.logits, labels: batch.labels, soft: false },
        };
      });
  });

(hasTorch() ? test : test.skip)("the authors' formulas in PyTorch: to 1e-9, and each backend to 2e-5", async () => {
  const sample = fc.sample(pairs, { numRuns: 90, seed: 5 });
  const answers = askTorch(sample.map(({ torch }) => torch));
  const check = (i: number, value: readonly number[], gradient: readonly number[], atMost: number): void => {
    const { loss, batch, torch } = sample[i];
    const errors = [
      distance(value, answers[i].value, 1),
      distance(gradient, answers[i].gradient, gradientSize(loss, batch)),
    ];
    if (errors.some((error) => !(error <= atMost))) throw new Error(`off by ${errors}: ${JSON.stringify(torch)}`);
  };
  for (const [i, { loss, batch }] of sample.entries())
    check(i, flat(evaluate(loss as never, batch)), flat(evaluateGradient(loss, batch)), 1e-9);
  for (const backend of backends) {
    await startBackend(backend)();
    for (const [i, { loss, batch, shape }] of sample.entries()) {
      const { value, gradient } = await runCompiled(loss, batch, shape);
      check(i, value, gradient, tolerance);
    }
  }
  expect(answers.length).toBe(90);
});

// ----------------------------------------------------------------------------------------------------------- backends

async function expectAgreement(cases: fc.Arbitrary<Case>, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(cases, async (one) => {
      const agreement = await agreementOf(one);
      if ("refused" in agreement) return expect(agreement.compiled).toBe(agreement.refused);
      expect(agreement.value).toBeLessThanOrEqual(tolerance);
      expect(agreement.gradient).toBeLessThanOrEqual(tolerance);
    }),
    { numRuns },
  );
}

for (const backend of [...backends, ...gpuBackends]) {
  const isGpu = !backends.includes(backend as "cpu");
  test(`${backend} agrees with the reference, at sure rows and entries of −∞ too`, async () => {
    await startBackend(backend)();
    await expectAgreement(candidateCases, isGpu ? 15 : 40);
    await expectAgreement(sureCandidateCases, isGpu ? 10 : 25);
  });
}

test("so does a backend that the library does not know, by ordinary ops alone", async () => {
  await behindGlass(async () => {
    await expectAgreement(candidateCases, 30);
    await expectAgreement(sureCandidateCases, 20);
  });
});

// -------------------------------------------------------------------------------------------------------------- edges

const penalty = (options: Parameters<typeof unlikelihood>[0] = {}): AnyLoss =>
  pipe(sequenceUnlikelihood({ n: 1000 }), unlikelihood(options), perToken);
const valuesOf = (loss: AnyLoss, batch: PlainBatch): readonly number[] => flat(evaluate(loss as never, batch));
const ofHalf = -Math.log(1 - 1 / 2);

describe("which ids are candidates", () => {
  const equal = (labels: number[], more: object = {}): PlainBatch => ({
    logits: labels.map(() => [0, 0]),
    labels,
    ...more,
  });

  test("earlier labels, each once, without the row's own", () => {
    expect(valuesOf(penalty(), equal([0, 0, 1, 1, 0]))).toEqual([0, 0, ofHalf, ofHalf, ofHalf]);
  });

  test("no label of a masked or ignored row, whatever it is; a row of weight 0 has said something", () => {
    expect(valuesOf(penalty(), equal([0, 1], { mask: [false, true] }))).toEqual([0, 0]);
    const ignoring = pipe(sequenceUnlikelihood({ n: 9 }), unlikelihood(), ignoreIndex(-100), perToken);
    expect(valuesOf(ignoring, equal([-100, 1, -100, 0]))).toEqual([0, 0, 0, ofHalf]);
    expect(valuesOf(penalty(), equal([0, 1], { sampleWeight: [0, 1] }))).toEqual([0, ofHalf]);
  });

  test("none of another sequence", () => {
    const logits = [
      [
        [0, 0],
        [0, 0],
      ],
      [
        [0, 0],
        [0, 0],
      ],
    ];
    const labels = [
      [0, 1],
      [1, 1],
    ];
    expect(valuesOf(penalty(), { logits, labels })).toEqual([0, ofHalf, 0, 0]);
  });

  test("what the batch gives: once, without the label and without −1", () => {
    const candidates = [
      [1, 1, 1],
      [1, -1, 1],
      [-1, -1, -1],
    ];
    expect(valuesOf(penalty({ candidates: "given" }), equal([0, 1, 0], { candidates }))).toEqual([ofHalf, 0, 0]);
    expect(valuesOf(penalty({ candidates: "given" }), equal([0], { candidates: [[]] }))).toEqual([0]);
  });

  test("a repeat is made of valid rows that follow each other", () => {
    const loss = pipe(sequenceUnlikelihood({ n: 2 }), perToken);
    expect(valuesOf(loss, equal([0, 1, 0, 1, 1]))).toEqual([0, 0, ofHalf, ofHalf, 0]);
    const mask = [true, false, true, true, true, true];
    expect(valuesOf(loss, equal([0, 1, 1, 0, 0, 1], { mask }))).toEqual([0, 0, 0, 0, 0, 0]);
    expect(valuesOf(pipe(sequenceUnlikelihood({ n: 2 }), perToken), equal([0, 0, 0]))).toEqual([0, ofHalf, ofHalf]);
  });
});

const drawn = candidateCases.map(({ batch }) => batch);
const allOf = (loss: AnyLoss, plain: PlainBatch): readonly number[] => [
  ...flat(evaluate(loss as never, plain)),
  ...flat(evaluateGradient(loss, plain)),
];

describe("laws, on random sequences", () => {
  const hold = (name: string, left: AnyLoss, right: AnyLoss): void => {
    test(name, () => {
      fc.assert(
        fc.property(drawn, ({ plain }) => {
          expect(distance(allOf(left, plain), allOf(right, plain), 1)).toBeLessThan(1e-12);
        }),
        { numRuns: 25 },
      );
    });
  };
  hold("a weight of 0 is cross entropy", pipe(crossEntropy, unlikelihood({ weight: 0 })), crossEntropy);
  hold("a clamp of 1 is cross entropy", pipe(crossEntropy, unlikelihood({ clamp: 1 })), crossEntropy);
  hold("a gamma of 1 is cross entropy", scaleGrad({ gamma: 1 }), crossEntropy);
  hold(
    "smoothing leaves the penalty as it is",
    pipe(crossEntropy, unlikelihood(), labelSmoothing(0.2)),
    pipe(crossEntropy, labelSmoothing(0.2), unlikelihood()),
  );
  hold(
    "the penalty reads the logits as the loss does, whichever comes first",
    pipe(crossEntropy, temperature(2), unlikelihood()),
    pipe(crossEntropy, unlikelihood(), temperature(2)),
  );
});

test("ScaleGrad where every token is novel, or all but the label's are: cross entropy, and what the formula says", () => {
  const batch = { logits: [[1, 2, 0.5]], labels: [1] };
  const none = scaleGrad({ gamma: 0.3, seen: "given" });
  expect(evaluate(none, { ...batch, candidates: [[-1]] })).toBeCloseTo(evaluate(crossEntropy, batch), 12);
  expect(evaluate(none, { ...batch, candidates: [[0, 1, 2]] })).toBeCloseTo(evaluate(crossEntropy, batch), 12);
  const [a, b, c] = [1, 2, 0.5].map(Math.exp);
  expect(evaluate(none, { ...batch, candidates: [[1]] })).toBeCloseTo(-Math.log(b / (b + 0.3 * (a + c))), 12);
  expect(evaluate(none, { ...batch, candidates: [[0]] })).toBeCloseTo(-Math.log((0.3 * b) / (a + 0.3 * (b + c))), 12);
});

test("label smoothing says why it has no meaning for what reads where the label stands", () => {
  for (const loss of [scaleGrad({ gamma: 0.5 }), sequenceUnlikelihood()]) {
    expect(() => pipe(loss, labelSmoothing(0.1))).toThrow("where its label stands");
  }
});

test("soft labels are refused, by the reference and compiled", () => {
  for (const loss of [pipe(crossEntropy, unlikelihood()), scaleGrad({ gamma: 0.5 }), sequenceUnlikelihood()]) {
    const labels = [[0.5, 0.5]];
    expect(() => evaluate(loss, { logits: [[0, 0]], labels })).toThrow("integer labels");
    expect(() => compile(loss)({ logits: tf.tensor2d([[0, 0]]), labels })).toThrow("integer labels");
  }
});

describe("a candidate that has nearly all of the probability", () => {
  for (const backend of backends) {
    test(`${backend}: 1 − p and the gradient keep their digits`, async () => {
      await startBackend(backend)();
      for (const gap of [3, 9, 14, 30, 60]) {
        const loss = penalty({ clamp: 0, candidates: "given" });
        const batch = { logits: [[0, gap, 0.5, -1]], labels: [0], candidates: [[2, 1]] };
        const { value, gradient } = await runCompiled(loss, batch, [1, 4]);
        expect(value[0] / valuesOf(loss, batch)[0]).toBeCloseTo(1, 6);
        flat(evaluateGradient(loss, batch)).forEach((exact, i) => {
          expect(gradient[i] / exact).toBeCloseTo(1, 5);
        });
      }
    });
  }
});

test("a weight of the candidate itself, and several sums in one loss", async () => {
  const { add: plus, constant, lossOf, multiply, nll, overCandidates, probability } = language;
  const field = { source: { name: "costs", values: Float64Array.of(3, 0.5, 2, 1), counts: null }, laws: [] };
  const cost = atom<language.ClassAtom>({ kind: "weight", field });
  const costly = overCandidates(multiply(cost, probability));
  const loss = pipe(
    lossOf(plus(multiply(nll, costly), overCandidates(multiply(cost, constant(1)), "given"))),
    perToken,
  );
  const batch: PlainBatch = {
    logits: [
      [1, 2, 3, 4],
      [0, 3, 1, -1],
      [2, 0, 5, 1],
    ],
    labels: [2, 1, 3],
    candidates: [
      [0, 1],
      [-1, 1],
      [2, 2],
    ],
  };
  const p = (z: readonly number[], c: number): number =>
    Math.exp(z[c]) / z.reduce((total, x) => total + Math.exp(x), 0);
  const [first, second, third] = batch.logits as number[][];
  const expected = [
    3.5,
    -Math.log(p(second, 1)) * 2 * p(second, 2),
    -Math.log(p(third, 3)) * (2 * p(third, 2) + 0.5 * p(third, 1)) + 2,
  ];
  expect(first.length).toBe(4);
  expect(distance(valuesOf(loss, batch), expected, 1)).toBeLessThan(1e-12);
  const check = async (): Promise<void> => {
    const { value, gradient } = await runCompiled(loss, batch, [3, 4]);
    expect(distance(value, expected, 1)).toBeLessThan(1e-6);
    expect(distance(gradient, flat(evaluateGradient(loss, batch)), 1)).toBeLessThan(1e-6);
  };
  for (const backend of backends) {
    await startBackend(backend)();
    await check();
  }
  await behindGlass(check);
});

describe("labels and candidates on the device", () => {
  const logits = (): tf.Tensor => tf.tensor2d([0, 1, 2, 2, 1, 0, 1, 1, 3], [3, 3]);
  const batch = (): Batch => ({ logits: logits(), labels: tf.tensor1d([0, 2, 1], "int32") });
  const loss = pipe(crossEntropy, unlikelihood(), perToken);
  const given = pipe(crossEntropy, unlikelihood({ candidates: "given" }), perToken);

  test("an id that is no class makes its row NaN where looking would wait, and is named elsewhere", async () => {
    const wrong = { ...batch(), candidates: tf.tensor2d([0, 1, -1, 7, 2, 0], [3, 2], "int32") };
    await behindGlass(async () => {
      const of = {
        ...wrong,
        logits: logits(),
        labels: [0, 2, 1],
        candidates: tf.tensor2d([0, 1, -1, 7, 2, 0], [3, 2], "int32"),
      };
      const value = await compile(given)(of).data();
      expect([...value].map(Number.isNaN)).toEqual([false, true, false]);
      const masked = await compile(given)({ ...of, mask: tf.tensor1d([true, false, true], "bool") }).data();
      expect([...masked].map(Number.isNaN)).toEqual([false, false, false]);
      expect(masked[1]).toBe(0);
    });
    await startBackend("wasm")();
    expect(() => compile(given)({ ...batch(), candidates: tf.tensor2d([0, 1, -1, 7, 2, 0], [3, 2], "int32") })).toThrow(
      "row 1 is 7",
    );
  });

  test("a label that is no class is nobody's candidate", async () => {
    await behindGlass(async () => {
      const value = await compile(loss)({ logits: logits(), labels: tf.tensor1d([9, 2, 1], "int32") }).data();
      const known = await compile(loss)({ logits: logits(), labels: [0, 2, 1], mask: [false, true, true] }).data();
      expect(value[0]).toBeNaN();
      expect([value[1], value[2]]).toEqual([known[1], known[2]]);
    });
  });
});

test("parts of whole sequences make the loss of the batch, and denominators need no candidates", async () => {
  await startBackend("cpu")();
  const loss = compile(pipe(crossEntropy, unlikelihood({ candidates: "given" })));
  const logits = tf.tensor3d([0, 1, 2, 1, 3, 0, 1, 1], [2, 2, 2]);
  const labels = [
    [0, 1],
    [1, 1],
  ];
  const candidates = [
    [[1], [0]],
    [[0], [-1]],
  ];
  const whole = (await loss({ logits, labels, candidates }).data())[0];
  const halves = [0, 1].map((i) =>
    loss.parts({ logits: tf.slice(logits, [i, 0, 0], [1, 2, 2]), labels: [labels[i]], candidates: [candidates[i]] }),
  );
  const numerators = tf.add(halves[0].numerators, halves[1].numerators) as tf.Tensor1D;
  const denominators = loss.denominators({ labels });
  expect((await loss.combine({ numerators, denominators }).data())[0]).toBeCloseTo(whole, 6);
});

describe("other gradients", () => {
  const batch = {
    logits: [
      [1, 2, 0.5],
      [0, 3, 1],
      [2, 1, 4],
    ],
    labels: [0, 2, 1],
  };

  for (const backend of backends) {
    test(`${backend}: of sample weights, also of a row of weight 0, and of a trained temperature`, async () => {
      await startBackend(backend)();
      const learned = temperature(parameter("temperature", 1.5));
      const loss = pipe(crossEntropy, learned, unlikelihood({ clamp: 0 }), add(scaleGrad({ gamma: 0.3 })));
      const compiled = compile(pipe(loss, sum));
      const logits = tf.tensor2d(batch.logits);
      const weights = tf.tensor1d([1, 0, 2]);
      const of = (w: tf.Tensor): tf.Scalar => compiled({ logits, labels: batch.labels, sampleWeight: w }) as tf.Scalar;
      const ofRows = [...(await tf.grad(of)(weights).data())];
      expect(distance(ofRows, valuesOf(pipe(loss, perToken), batch), 1)).toBeLessThan(1e-6);

      const [variable] = compiled.variables.values();
      const { grads } = tf.variableGrads(() => of(weights), [variable]);
      const at = (t: number): number =>
        evaluate(pipe(loss, sum), { ...batch, sampleWeight: [1, 0, 2], parameters: { temperature: t } });
      const slope = (at(1.5 + 1e-4) - at(1.5 - 1e-4)) / 2e-4;
      expect((await grads[variable.name].data())[0]).toBeCloseTo(slope, 5);
      tf.dispose([logits, weights, variable, ...Object.values(grads)]);
      compiled.dispose();
    });
  }
});

test("probabilities in place of logits", async () => {
  await startBackend("wasm")();
  const loss = pipe(crossEntropy, unlikelihood(), add(scaleGrad({ gamma: 0.5 })), fromProbabilities, sum);
  const batch = {
    logits: [
      [0.2, 0.5, 0.3],
      [0.1, 0.1, 0.8],
      [0.6, 0.3, 0.1],
    ],
    labels: [2, 0, 2],
  };
  const { value, gradient } = await runCompiled(loss, batch, [3, 3]);
  expect(distance(value, valuesOf(loss, batch), 1)).toBeLessThan(1e-6);
  expect(distance(gradient, flat(evaluateGradient(loss, batch)), 1)).toBeLessThan(1e-6);
});

test("a scheduled weight and clamp", async () => {
  const loss = pipe(
    crossEntropy,
    unlikelihood({ weight: linear({ init: 0, end: 1, steps: 10 }), clamp: linear({ init: 1, end: 0, steps: 10 }) }),
    sum,
  );
  const batch = {
    logits: [
      [0, 0],
      [0, 0],
    ],
    labels: [0, 1],
  };
  expect(evaluate(loss, { ...batch, step: 4 })).toBeCloseTo(2 * Math.log(2) + 0.4 * -Math.log(0.6), 12);
  expect(evaluate(loss, { ...batch, step: 8 })).toBeCloseTo(2 * Math.log(2) + 0.8 * ofHalf, 12);
});

test("show and explain say what candidates are and cost", async () => {
  await startBackend("wasm")();
  const loss = pipe(crossEntropy, unlikelihood({ weight: 0.5 }), sum);
  expect(show(loss)).toBe(
    "loss = Σ_i nll(y) + Σ_i 0.5 · Σ_{k ∈ earlier labels without y}(min(11.5129, softplus(logOdds(k))))",
  );
  const text = explain(loss);
  expect(text).toContain("sums over candidates: 1, by arithmetic on [N, K], over the K distinct labels");
  expect(text).toContain("kept of each candidate: 8 bytes");
  expect(text).toContain("fused for wasm: the logits are read once forward and once backward");
  expect(explain(crossEntropy)).not.toContain("candidate");
});
