/** Wrong input gets a LossError that says what was wrong, where, and what would be right. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  addK,
  type Batch,
  classWeights,
  clip,
  compile,
  compileEither,
  cosine,
  countTokens,
  crossEntropy,
  evaluate,
  freqWeights,
  fromCounts,
  ignoreIndex,
  LossError,
  labelSmoothing,
  linear,
  mean,
  mergeCounts,
  normalise,
  override,
  type PlainBatch,
  perToken,
  pipe,
  powerLaw,
  ramp,
  scale,
  sum,
  useBackend,
  weightedMean,
} from "lossmith";
import { backends, gpuBackends, startBackend } from "./support/backends.ts";

/** The message of the LossError that `run` throws. */
function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(LossError);
    const { where, what, remedy, message } = error as LossError;
    for (const part of [where, what, remedy]) {
      expect(part.length).toBeGreaterThan(0);
      expect(message).toContain(part);
    }
    return message;
  }
  return "no error";
}

const anything = (x: unknown): never => x as never;
const apply = (combinator: unknown, loss: unknown): unknown => (combinator as (l: unknown) => unknown)(loss);
const f = fromCounts([3, 2, 1]);

describe("bad parameters are refused at composition", () => {
  const cases: readonly (readonly [string, () => unknown, ...string[]])[] = [
    ["alpha NaN", () => powerLaw(Number.NaN), "powerLaw(alpha)", "NaN", "finite number"],
    ["alpha infinite", () => powerLaw(Infinity), "powerLaw(alpha)", "Infinity"],
    ["alpha text", () => powerLaw(anything("0.5")), "powerLaw(alpha)", "0.5", "schedule"],
    ["epsilon infinite", () => powerLaw(1, { epsilon: Infinity }), "epsilon", "Infinity"],
    ["epsilon negative", () => powerLaw(1, { epsilon: -1 }), "epsilon", "-1", "at least 0"],
    ["negative count", () => fromCounts([3, -2]), "id 1", "-2"],
    ["NaN count", () => fromCounts([Number.NaN]), "id 0", "NaN"],
    ["no counts", () => fromCounts([]), "fromCounts", "empty"],
    ["counts missing", () => fromCounts(anything(undefined)), "fromCounts", "undefined"],
    ["plain counts", () => freqWeights(anything([1, 2])), "fromCounts"],
    ["unseen negative", () => freqWeights(f, { unseen: -1 }), "unseen", "-1"],
    ["as misspelt", () => freqWeights(f, { as: anything("counts") }), "as", "counts", '"relative"'],
    ["relative of nothing", () => freqWeights(fromCounts([0, 0]), { as: "relative" }), "all counts are 0"],
    ["NaN weight", () => classWeights([1, Number.NaN]), "id 1", "NaN"],
    ["negative weight", () => classWeights([1, 1, -1]), "id 2", "-1"],
    ["counts of another length", () => classWeights([1, 2], { counts: [1] }), "1 counts for 2 weights"],
    ["smoothing above 1", () => labelSmoothing(1.5), "labelSmoothing(e)", "1.5", "from 0 to 1"],
    ["ramp below 0", () => ramp(-0.1), "ramp(a)", "-0.1"],
    ["clip upside down", () => clip(2, 1), "clip(lo, hi)", "lo 2 is above hi 1"],
    ["normalise misspelt", () => normalise(anything("tokenmean")), "normalise", "tokenmean"],
    ["override of a word", () => override(anything({ eot: 1 })), "override", "eot"],
    ["override negative", () => override({ 1: -1 }), "override({ 1 })", "-1"],
    ["ignoreIndex fraction", () => ignoreIndex(0.5), "ignoreIndex", "0.5"],
    ["scale NaN", () => scale(Number.NaN), "scale(factor)", "NaN"],
    ["linear without steps", () => linear(anything({ init: 0, end: 1 })), "linear({ steps })", "undefined"],
    ["cosine of no steps", () => cosine({ init: 1, steps: 0 }), "cosine({ steps })", "0"],
    ["addK negative", () => addK(-1), "addK(k)", "-1"],
    ["vocabSize missing", () => countTokens([1], anything({})), "vocabSize", "undefined"],
    ["id outside", () => countTokens([1, 7], { vocabSize: 4 }), "position 1", "7", "from 0 to 3"],
    ["id fraction", () => countTokens([0.5], { vocabSize: 4 }), "position 0", "0.5"],
    ["merging different vocabularies", () => mergeCounts(f, fromCounts([1])), "shard 1", "3 entries"],
    ["merging nothing", () => mergeCounts(), "mergeCounts"],
    ["not a loss", () => compile(anything({})), "compile", "crossEntropy"],
  ];
  for (const [name, run, ...parts] of cases) {
    test(name, () => {
      const message = messageOf(run);
      for (const part of parts) expect(message).toContain(part);
    });
  }
});

describe("ill-kinded compositions are refused at run time too", () => {
  const cases: readonly (readonly [string, () => unknown, string])[] = [
    ["a law without a field", () => apply(powerLaw(0.5), crossEntropy), "no weight field"],
    [
      "a law after a reduction",
      () => apply(powerLaw(0.5), pipe(crossEntropy, freqWeights(f), mean)),
      "already reduced",
    ],
    ["a reduction of a reduction", () => apply(mean, mean(crossEntropy)), "already reduced, by mean"],
    ["perToken of a reduction", () => apply(perToken, mean(crossEntropy)), "already reduced"],
    ["smoothing after a reduction", () => apply(labelSmoothing(0.1), mean(crossEntropy)), "before the reduction"],
    ["a field after a reduction", () => apply(freqWeights(f), mean(crossEntropy)), "before the reduction"],
    ["perToken beside a sum", () => pipe(crossEntropy, add(pipe(crossEntropy, sum)), perToken), "one number a token"],
    ["counts that are not there", () => pipe(crossEntropy, classWeights([1, 2]), normalise("tokenMean")), "raw counts"],
    ["override outside", () => pipe(crossEntropy, freqWeights(f), override({ 3: 1 })), "id 3 is outside"],
  ];
  for (const [name, run, part] of cases) {
    test(name, () => {
      expect(messageOf(run as () => unknown)).toContain(part);
    });
  }

  test("a sum of a loss per token and a reduced loss has no value", () => {
    const mixed = apply(add(pipe(crossEntropy, sum)), pipe(crossEntropy, perToken)) as typeof crossEntropy;
    const batch = { logits: [[0, 0]], labels: [0] };
    expect(messageOf(() => evaluate(mixed, batch))).toContain("one number a token");
    expect(messageOf(() => compile(mixed))).toContain("one number a token");
  });
});

interface BadBatch {
  readonly name: string;
  readonly loss: AnyLoss;
  readonly batch: PlainBatch;
  readonly parts: readonly string[];
}

const good: PlainBatch = {
  logits: [
    [1, 2, 3],
    [4, 5, 6],
  ],
  labels: [0, 2],
};
const scheduled = pipe(crossEntropy, freqWeights(f), powerLaw(linear({ init: 0, end: 1, steps: 10 })));

const badBatches: readonly BadBatch[] = [
  {
    name: "a vocabulary that does not match the field",
    loss: pipe(crossEntropy, freqWeights(fromCounts([1, 2])), powerLaw(0.5)),
    batch: good,
    parts: ["powerLaw(0.5) ∘ freqWeights", "2 entries", "3 classes", "vocabSize 3"],
  },
  {
    name: "labels of another rank",
    loss: crossEntropy,
    batch: { ...good, labels: [[0], [2]] },
    parts: ["labels", "[2, 1]", "[2, 3]", "[2]"],
  },
  {
    name: "too few labels",
    loss: crossEntropy,
    batch: { ...good, labels: [0] },
    parts: ["labels", "[1]", "shape [2]"],
  },
  {
    name: "a label above the vocabulary",
    loss: crossEntropy,
    batch: { ...good, labels: [0, 3] },
    parts: ["row 1", "3", "from 0 to 2"],
  },
  {
    name: "a negative label that is not ignored",
    loss: crossEntropy,
    batch: { ...good, labels: [-100, 0] },
    parts: ["row 0", "-100", "ignoreIndex(-100)"],
  },
  {
    name: "float labels",
    loss: crossEntropy,
    batch: { ...good, labels: [0.5, 1] },
    parts: ["labels", "0.5", "integer"],
  },
  { name: "ragged labels", loss: crossEntropy, batch: { ...good, labels: [[0], 2] }, parts: ["labels", "ragged"] },
  { name: "a mask of another shape", loss: crossEntropy, batch: { ...good, mask: [true] }, parts: ["mask", "[1]"] },
  {
    name: "a mask of numbers",
    loss: crossEntropy,
    batch: { ...good, mask: anything([1, 0]) },
    parts: ["mask", "booleans"],
  },
  {
    name: "negative sample weights",
    loss: crossEntropy,
    batch: { ...good, sampleWeight: [1, -1] },
    parts: ["sampleWeight", "row 1", "-1"],
  },
  {
    name: "NaN sample weights",
    loss: crossEntropy,
    batch: { ...good, sampleWeight: [Number.NaN, 1] },
    parts: ["sampleWeight", "row 0", "NaN"],
  },
  { name: "a scheduled loss without a step", loss: scheduled, batch: good, parts: ["step", "schedule"] },
  {
    name: "a step that is not a number",
    loss: scheduled,
    batch: { ...good, step: Number.NaN },
    parts: ["step", "NaN"],
  },
  {
    name: "a schedule that leaves its bounds",
    loss: pipe(crossEntropy, labelSmoothing(linear({ init: 0, end: 2, steps: 10 }))),
    batch: { ...good, step: 9 },
    parts: ["labelSmoothing(e)", "1.8", "from 0 to 1"],
  },
  {
    name: "a law that gives infinite weights",
    loss: pipe(crossEntropy, freqWeights(fromCounts([1, 0, 1]), { unseen: "epsilon" }), powerLaw(1, { epsilon: 0 })),
    batch: good,
    parts: ["id 1", "Infinity", "powerLaw(1) ∘ freqWeights"],
  },
];

describe("bad batches are refused by the reference", () => {
  for (const { name, loss, batch, parts } of badBatches) {
    test(name, () => {
      const message = messageOf(() => evaluate(loss as typeof crossEntropy, batch));
      for (const part of parts) expect(message).toContain(part);
    });
  }
});

for (const backend of backends) {
  describe(`bad batches are refused by compiled losses, ${backend}`, () => {
    beforeAll(startBackend(backend));

    for (const { name, loss, batch, parts } of badBatches) {
      test(name, () => {
        const before = tf.memory().numTensors;
        const logits = tf.tensor2d(batch.logits as number[][]);
        const compiled = compile(loss);
        const message = messageOf(() => compiled({ ...batch, logits } as Batch));
        for (const part of parts) expect(message).toContain(part);
        logits.dispose();
        compiled.dispose();
        expect(tf.memory().numTensors).toBe(before);
      });
    }

    const z = (): tf.Tensor =>
      tf.tensor2d([
        [1, 2, 3],
        [4, 5, 6],
      ]);
    const compiledCases: readonly (readonly [string, () => Batch, ...string[]])[] = [
      ["logits as arrays", () => ({ logits: anything([[1, 2]]), labels: [0] }), "logits", "tensor"],
      [
        "int32 logits",
        () => ({ logits: tf.tensor2d([[1, 2]], [1, 2], "int32"), labels: [0] }),
        "logits",
        "int32",
        "float32",
      ],
      ["scalar logits", () => ({ logits: tf.scalar(1), labels: 0 }), "logits", "[]"],
      ["logits without classes", () => ({ logits: tf.zeros([2, 0]), labels: [0, 0] }), "logits", "[2, 0]"],
      ["float label tensor", () => ({ logits: z(), labels: tf.tensor1d([0, 1]) }), "labels", "float32", "int32"],
      [
        "Float32Array labels",
        () => ({ logits: z(), labels: anything(new Float32Array([0, 1])) }),
        "labels",
        "Float32Array",
      ],
      ["no labels", () => ({ logits: z(), labels: anything(undefined) }), "labels", "undefined"],
      ["one label too many", () => ({ logits: z(), labels: new Int32Array(3) }), "labels", "3 values", "2 rows"],
      ["label tensor out of range", () => ({ logits: z(), labels: tf.tensor1d([0, 9], "int32") }), "row 1", "9"],
      ["a float mask", () => ({ logits: z(), labels: [0, 1], mask: tf.tensor1d([0, 1]) }), "mask", "float32", "bool"],
      [
        "a mask of bytes above 1",
        () => ({ logits: z(), labels: [0, 1], mask: new Uint8Array([1, 2]) }),
        "mask",
        "entry 1 is 2",
      ],
      [
        "int32 sample weights",
        () => ({ logits: z(), labels: [0, 1], sampleWeight: tf.tensor1d([0, 1], "int32") }),
        "sampleWeight",
        "int32",
      ],
      [
        "rank 3, the row by its index",
        () => ({
          logits: tf.zeros([2, 2, 3]),
          labels: [
            [0, 1],
            [7, 0],
          ],
        }),
        "row [1, 0]",
        "7",
      ],
    ];
    for (const [name, batch, ...parts] of compiledCases) {
      test(name, () => {
        const message = messageOf(() => tf.tidy(() => compile(crossEntropy)(batch())));
        for (const part of parts) expect(message).toContain(part);
      });
    }

    test("weights above float32's largest number", () => {
      const loss = compile(pipe(crossEntropy, classWeights([1e300, 1, 1])));
      expect(messageOf(() => tf.tidy(() => loss({ logits: z(), labels: [0, 1] })))).toContain("id 0");
    });

    test("a gradient of the gradient", () => {
      const loss = compile(crossEntropy);
      const value = (x: tf.Tensor): tf.Scalar => loss({ logits: x, labels: [0, 1] }) as tf.Scalar;
      const inner = tf.grad(value);
      const outer = tf.grad((x: tf.Tensor) => tf.sum(inner(x)));
      const x = z();
      expect(messageOf(() => outer(x))).toContain("gradient of the gradient");
      x.dispose();
    });
  });
}

describe("Either and promises", () => {
  test("compileEither gives the LossError as a left", () => {
    const mixed = apply(add(pipe(crossEntropy, sum)), pipe(crossEntropy, perToken)) as typeof crossEntropy;
    const either = compileEither(mixed);
    expect(either._tag).toBe("Left");
    expect(compileEither(weightedMean(crossEntropy))._tag).toBe("Right");
  });

  test("useBackend rejects an unknown name and what it cannot start", async () => {
    const reason = (name: unknown): Promise<unknown> =>
      useBackend(anything(name)).then(String, (error: unknown) => error);
    expect(await reason("gpu")).toBeInstanceOf(LossError);
    expect(String(await reason("gpu"))).toContain('"wasm"');
    if (gpuBackends.length === 0) expect(await reason("webgpu")).toBeInstanceOf(LossError);
  });
});
