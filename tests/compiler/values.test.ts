/** Compiled losses over values: shapes, masks, weights, accumulation, gradients of targets and parameters, both loops. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  add,
  binaryCrossEntropy,
  compile,
  cosineSimilarity,
  evaluate,
  evaluateGradient,
  explain,
  huber,
  type Loss,
  language,
  linear,
  mean,
  meanAbsoluteError,
  meanSquaredError,
  parameter,
  perToken,
  pipe,
  scale,
  sum,
} from "lossmith";
import { columnLoop } from "../../lib/compiler/columnLoop.ts";
import { plan } from "../../lib/compiler/plan.ts";
import { atom, substitute } from "../../lib/loss/expression.ts";
import type { ClassExpression, ColumnAtom, ColumnExpression } from "../../lib/loss/loss.ts";
import { backends, behindGlass, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { gradientSize, valueSize } from "../support/gradientSize.ts";
import { distance, expectClose, flat } from "../support/numbers.ts";
import {
  fitting,
  ownSubjects,
  type Subject,
  subjects,
  type ValuesCase,
  valuesCases,
} from "../support/valuesArbitraries.ts";

const all = [...subjects, ...ownSubjects];
/** One loss of each subject. */
const losses = all.map(({ loss, ...subject }) => ({
  ...subject,
  loss: fc.sample(loss, { numRuns: 1, seed: 7 })[0],
}));

const predictions = [
  [0.2, 0.7, 0.1],
  [0.5, 0.9, 0.4],
  [0.3, 0.3, 0.4],
];
const targets = [
  [0, 1, 0],
  [1, 1, 0],
  [0, 0, 1],
];

/** The rows with the number of columns that a loss reads, in its domain. */
function fit(
  rows: readonly (readonly number[])[],
  { domain, columns }: Pick<Subject, "domain" | "columns">,
): number[][] {
  const inDomain = (x: number): number => (domain === "logProbabilities" ? Math.fround(x - 1.1) : x);
  return rows.map((row) => row.slice(0, fitting(columns, row.length)).map(inDomain));
}

/** What a loss on single responses reads of each. */
const inputs = { desirable: [1, 0, 1] };

/** Runs tests on each backend whose memory the host reads, and by ordinary ops. */
function everywhere(name: string, tests: (each: (name: string, body: () => Promise<void>) => void) => void): void {
  for (const backend of backends) {
    describe(`${name}, ${backend}`, () => {
      beforeAll(startBackend(backend));
      tests((title, body) => test(title, body));
    });
  }
  describe(`${name}, by ordinary ops`, () => {
    tests((title, body) => test(title, () => behindGlass(body)));
  });
}

everywhere("losses over values", (each) => {
  each("a value a row has the shape of the rows", async () => {
    const loss = compile(pipe(meanSquaredError, perToken));
    for (const [shape, expected] of [
      [
        [2, 3, 4],
        [2, 3],
      ],
      [[5, 1], [5]],
      [[5], [5]],
      [[0, 3], [0]],
      [[0], [0]],
    ]) {
      const x = tf.ones(shape);
      const value = loss({ predictions: x, targets: tf.zeros(shape) });
      expect(value.shape).toEqual(expected);
      expect([...(await value.data())]).toEqual(Array.from({ length: value.size }, () => 1));
    }
  });

  each("predictions [N] are rows of one column", async () => {
    const batch = { predictions: [1, 2, 4], targets: [1, 0, 1], sampleWeight: [1, 2, 3], mask: [true, true, false] };
    const { value, gradient } = await runCompiled(pipe(meanSquaredError, mean), batch, [3]);
    expect(value).toEqual([4]);
    expect(gradient).toEqual([0, 4, 0]);
  });

  for (const { name, loss, couples = false, ...subject } of losses) {
    const [p, t] = [fit(predictions, subject), fit(targets, subject)];
    const columns = p[0].length;

    each(`NaN and ∞ in a masked row, or one of weight 0, reach nothing: ${name}`, async () => {
      const compiled = compile(loss);
      const step = 0;
      const two = { desirable: inputs.desirable.slice(0, 2) };
      const clean = { predictions: p.slice(0, 2), targets: t.slice(0, 2), step, inputs: two };
      const spoilt = [...p.slice(0, 2), [Number.NaN, Number.POSITIVE_INFINITY, 0.5].slice(0, columns)];
      const alsoSpoilt = [...t.slice(0, 2), [Number.NaN, 1, Number.NEGATIVE_INFINITY].slice(0, columns)];
      const expected = evaluate(loss, clean);
      const gradient = [...flat(evaluateGradient(loss, clean)), ...Array.from({ length: columns }, () => 0)];
      // Where rows are coupled, a row of weight 0 is one of the batch.
      const without = couples
        ? [{ mask: [true, true, false] }]
        : [{ mask: [true, true, false] }, { sampleWeight: [1, 1, 0] }];
      for (const chosen of without) {
        const of = (x: tf.Tensor, y: tf.Tensor): tf.Tensor =>
          compiled({ predictions: x, targets: y, step, inputs, ...chosen });
        const given = [tf.tensor2d(spoilt), tf.tensor2d(alsoSpoilt)];
        const value = of(given[0], given[1]);
        const [ofPredictions, ofTargets] = tf.grads(of)(given);
        expectClose([...(await value.data())], [expected], 2e-6);
        expectClose([...(await ofPredictions.data())], gradient, 2e-5);
        const last = [...(await ofTargets.data())].slice(2 * columns);
        expect(last.map(Math.abs)).toEqual(Array.from({ length: columns }, () => 0));
      }
      compiled.dispose();
    });

    each(`NaN in a row spoils ${couples ? "all rows" : "that row alone"}: ${name}`, async () => {
      const spoilt = [p[0], [Number.NaN, 0.9, 0.4].slice(0, columns), p[2]];
      // The number that rows share is made of the second column.
      if (couples) spoilt[1].reverse();
      const { value, gradient } = await runCompiled(
        pipe(loss, perToken),
        { predictions: spoilt, targets: t, step: 0, inputs },
        [3, columns],
      );
      expect(value.map(Number.isNaN)).toEqual([couples, true, couples]);
      const others = [...gradient.slice(0, columns), ...gradient.slice(2 * columns)];
      expect(others.every(Number.isFinite)).toBe(!couples);
    });
  }

  each("no valid row, or none at all, gives 0 with a gradient of 0", async () => {
    const loss = compile(meanSquaredError);
    for (const rows of [2, 0]) {
      const x = tf.variable(tf.ones([rows, 3]));
      const batch = { targets: tf.zeros([rows, 3]), mask: Array.from({ length: rows }, () => false) };
      const value = loss({ ...batch, predictions: x });
      expect([...(await value.data())]).toEqual([0]);
      const { grads } = tf.variableGrads(() => loss({ ...batch, predictions: x }) as tf.Scalar, [x]);
      expect([...(await grads[x.name].data())].every((g) => Math.abs(g) === 0)).toBe(true);
      x.dispose();
    }
  });

  each("targets may be typed arrays, nested arrays and tensors of integers or booleans", async () => {
    const loss = compile(meanSquaredError);
    const p = tf.tensor2d(predictions);
    const given = [
      targets,
      new Float32Array(targets.flat()),
      new Uint8Array(targets.flat()),
      tf.tensor2d(targets),
      tf.tensor2d(targets, [3, 3], "int32"),
      tf.tensor2d(targets, [3, 3], "bool"),
    ];
    for (const t of given) {
      expectClose(
        [...(await loss({ predictions: p, targets: t }).data())],
        [evaluate(meanSquaredError, { predictions, targets })],
        1e-6,
      );
    }
  });

  each("the gradient of targets agrees with the reference's of the loss turned round", async () => {
    await fc.assert(fc.asyncProperty(valuesCases, expectTargetsGradient), { numRuns: 200 });
  });

  each("the gradient of sample weights agrees with finite differences, at a weight of 0 too", async () => {
    const weights = [0.5, 0, 2];
    for (const reduce of [mean, sum, perToken]) {
      const loss = reduce(pipe(huber(), add(pipe(meanAbsoluteError, scale(2))))) as Loss<"values", "already reduced">;
      const compiled = compile(loss);
      const w = tf.tensor1d(weights);
      const gradient = tf.grad((x: tf.Tensor) =>
        tf.sum(compiled({ predictions: tf.tensor2d(predictions), targets, sampleWeight: x })),
      )(w);
      const at = (row: number, h: number): number => {
        const sampleWeight = weights.map((x, i) => (i === row ? x + h : x));
        return flat(evaluate(loss, { predictions, targets, sampleWeight })).reduce((a, b) => a + b, 0);
      };
      const expected = weights.map((_, row) => (at(row, 1e-6) - at(row, 0)) / 1e-6);
      expectClose([...(await gradient.data())], expected, 1e-4);
    }
  });

  each("trainable parameters get their gradient, inside the columns too", async () => {
    const { lossOfValues, multiply, overColumns, prediction, subtract, target, unary } = language;
    const rate = parameter("rate", 0.7);
    const x = multiply(unary("exp", rate), subtract(prediction, target));
    const loss = pipe(
      lossOfValues(multiply(rate, overColumns("sum", multiply(x, x)))),
      scale(parameter("strength", 2)),
      mean,
    );
    const compiled = compile(loss);
    const p = tf.tensor2d(predictions);
    const { grads } = tf.variableGrads(
      () => compiled({ predictions: p, targets }) as tf.Scalar,
      [...compiled.variables.values()],
    );
    for (const [name, init] of Object.entries({ rate: 0.7, strength: 2 })) {
      const at = (h: number): number => evaluate(loss, { predictions, targets, parameters: { [name]: init + h } });
      const gradient = grads[compiled.variables.get(name)?.name ?? ""];
      expectClose([...(await gradient.data())], [(at(1e-5) - at(-1e-5)) / 2e-5], 1e-5);
    }
    compiled.dispose();
    tf.dispose([...compiled.variables.values()]);
  });

  each("micro-batches add up to the whole batch by denominators, and by parts", async () => {
    const loss = compile(
      pipe(huber(), add(pipe(meanSquaredError, scale(0.5), sum)), add(pipe(cosineSimilarity, mean))),
    );
    const sampleWeight = [0.5, 2, 1];
    const rows = (from: number, to: number) => ({
      targets: targets.slice(from, to),
      sampleWeight: sampleWeight.slice(from, to),
    });
    const on = (p: number[][]): tf.Tensor2D => tf.tensor2d(p, [p.length, 3]);
    const shards = [
      { ...rows(0, 1), predictions: on(predictions.slice(0, 1)) },
      { ...rows(1, 3), predictions: on(predictions.slice(1, 3)) },
    ];
    const whole = await loss({ ...rows(0, 3), predictions: on(predictions) }).data();
    const denominators = tf.addN(
      shards.map(({ targets: t, sampleWeight: w }) => loss.denominators({ targets: t, sampleWeight: w })),
    );
    const added = await tf.addN(shards.map((shard) => loss({ ...shard, denominators }))).data();
    expectClose([...added], [...whole], 1e-6);
    const parts = shards.map((shard) => loss.parts(shard));
    const combined = loss.combine({
      numerators: tf.addN(parts.map(({ numerators }) => numerators)),
      denominators: tf.addN(parts.map((part) => part.denominators)),
    });
    expectClose([...(await combined.data())], [...whole], 1e-6);
  });

  each("steps leave no tensor behind", async () => {
    for (const { loss, ...subject } of losses) {
      const given = [predictions, targets].map((rows) => tf.tensor2d(fit(rows, subject)));
      const compiled = compile(loss);
      const gradients = tf.grads((p: tf.Tensor, t: tf.Tensor) =>
        compiled({ predictions: p, targets: t, step: 0, inputs }),
      );
      tf.dispose(gradients(given));
      const before = tf.memory().numTensors;
      for (let i = 0; i < 5; i++) tf.dispose(gradients(given));
      expect(tf.memory().numTensors).toBe(before);
      compiled.dispose();
      tf.dispose(given);
    }
  });

  each("long rows agree with the reference", async () => {
    const [rows, columns] = [3, 1002];
    const numbers = (seed: number): number[][] =>
      Array.from({ length: rows }, (_, i) =>
        Array.from({ length: columns }, (__, j) => Math.fround(0.5 + 0.49 * Math.sin(seed * (i + 1) * (j + 1)))),
      );
    for (const { loss, ...subject } of losses) {
      const [p, t] = [1.3, 0.7].map((seed) => fit(numbers(seed), subject));
      const batch = { predictions: p, targets: t, step: 0, inputs };
      const { value, gradient } = await runCompiled(loss, batch, [rows, p[0].length]);
      // The difference of two distances has the digits of the distances.
      expect(distance(value, [evaluate(loss, batch)], valueSize(loss, batch))).toBeLessThanOrEqual(5e-6);
      expectClose(gradient, flat(evaluateGradient(loss, batch)), 2e-5);
    }
  });
});

async function expectTargetsGradient({ composition, batch: { plain, inputShape } }: ValuesCase): Promise<void> {
  const loss = composition.loss as Loss<"values", "without a weight field">;
  const compiled = compile(loss);
  const [p, t] = [plain.predictions, plain.targets].map((x) => tf.tensor(x as number[], [...inputShape], "float32"));
  const gradient = tf.grad((x: tf.Tensor) => tf.sum(compiled({ ...plain, predictions: p, targets: x })))(t);
  const turned = swapped(loss);
  const swappedBatch = { ...plain, predictions: plain.targets, targets: plain.predictions };
  const expected = flat(evaluateGradient(turned, swappedBatch));
  // float32 has fewer digits below 1e-38.
  const size = Math.max(1e-33, gradientSize(turned, swappedBatch));
  expect(distance([...(await gradient.data())], expected, size)).toBeLessThanOrEqual(2e-5);
  compiled.dispose();
  tf.dispose([p, t, gradient]);
}

/** The loss with predictions for targets and targets for predictions: its gradient is that of the targets. */
function swapped(loss: Loss<"values", "without a weight field">): typeof loss {
  const turn = (a: ColumnAtom): ColumnExpression => {
    if (a.kind === "prediction") return language.target;
    if (a.kind === "target") return language.prediction;
    return atom(a.kind === "overColumns" ? { ...a, body: substitute(a.body, turn) } : a);
  };
  const inClasses = (e: ClassExpression): ClassExpression =>
    substitute(e, (a): ClassExpression => {
      if (a.kind === "overColumns") return atom({ ...a, body: substitute(a.body, turn) });
      return atom(a.kind === "aggregate" ? { ...a, body: inClasses(a.body) } : a);
    });
  // A choice of rows by their loss is in the weights too.
  const turned = loss.terms.map((term) => ({ ...term, value: inClasses(term.value), weight: inClasses(term.weight) }));
  return { ...loss, terms: turned };
}

describe("the loop over the columns", () => {
  beforeAll(startBackend("cpu"));

  for (const { name, loss } of losses) {
    test(`is the same interpreted and generated: ${name}`, () => {
      const { forward, through, predictions: ofPredictions, targets: ofTargets } = plan(loss).columns;
      const each = [ofPredictions, ofTargets].map((body) => ({ aggregate: "each" as const, body }));
      const outputs = [...forward, through, each].filter((list) => list.length > 0);
      const found: number[] = [];
      for (const list of outputs) {
        const [generated, interpreted] = (["generated", "interpreted"] as const).map((form) => {
          const loop = columnLoop(list, form);
          const inputs = loop.atoms.map((a, i) => {
            if (a.kind === "scalar") return 3;
            const size = a.kind === "prediction" || a.kind === "target" ? 12 : 4;
            return Float32Array.from({ length: size }, (_, j) => 0.5 + 0.4 * Math.sin(7 * i + j));
          });
          return loop.run(inputs, 4, 3, Uint8Array.of(1, 0, 1, 1)).map((values) => [...values]);
        });
        found.push(...generated.flat());
        expect(distance(generated.flat(), interpreted.flat(), 1e-30)).toBeLessThanOrEqual(1e-6);
      }
      expect(found.some((x) => x !== 0)).toBe(true);
    });
  }

  test("counts the columns that have a maximum, whose float64 value was rounded", () => {
    const { lossOfValues, multiply, overColumns, prediction } = language;
    const [, counts] = plan(lossOfValues(overColumns("max", multiply(prediction, prediction)))).columns.forward;
    for (const form of ["generated", "interpreted"] as const) {
      const loop = columnLoop(counts, form);
      const x = Float32Array.of(0.1, 0.7, 0.7, 0.2, 0.1, 0.3);
      const inputs = loop.atoms.map((a) => (a.kind === "prediction" ? x : Float32Array.of(x[1] * x[1], x[5] * x[5])));
      expect([...loop.run(inputs, 2, 3, null)[0]]).toEqual([2, 1]);
    }
  });
});

describe("training", () => {
  beforeAll(startBackend("cpu"));

  test("fits a line", () => {
    const loss = compile(meanSquaredError);
    const [slope, offset] = [tf.variable(tf.scalar(0)), tf.variable(tf.scalar(0))];
    const x = tf.linspace(-1, 1, 20);
    const optimizer = tf.train.sgd(0.3);
    const y = x.mul(2).add(1);
    for (let i = 0; i < 200; i++) {
      optimizer.minimize(() => loss({ predictions: slope.mul(x).add(offset), targets: y }) as tf.Scalar);
    }
    expect(slope.dataSync()[0]).toBeCloseTo(2, 4);
    expect(offset.dataSync()[0]).toBeCloseTo(1, 4);
    optimizer.dispose();
    tf.dispose([slope, offset, x, y]);
  });

  test("a schedule takes part", () => {
    const loss = pipe(huber({ delta: linear({ init: 1, end: 2, steps: 10 }) }), sum);
    const compiled = compile(loss);
    const value = compiled({ predictions: tf.tensor1d([9]), targets: [0], step: 5 });
    expect(value.dataSync()[0]).toBeCloseTo(1.5 * (9 - 0.75), 5);
    expect(() => compiled({ predictions: tf.tensor1d([9]), targets: [0] })).toThrow("step");
  });

  test("a gradient of the gradient is refused", () => {
    const loss = compile(meanSquaredError);
    const inner = tf.grad((x: tf.Tensor) => loss({ predictions: x, targets }));
    expect(() => tf.grad((x: tf.Tensor) => tf.sum(inner(x)))(tf.tensor2d(predictions))).toThrow(
      "gradient of the gradient",
    );
  });
});

describe("explain", () => {
  test("says what is read, and by what", async () => {
    await startBackend("cpu")();
    const text = explain(pipe(huber(), add(cosineSimilarity)));
    expect(text).toContain(
      "mean_j((1 < abs(prediction − target) ? abs(prediction − target) − 0.5 : 0.5 · (prediction − target)^2))",
    );
    expect(text).toContain("numbers over the columns of a row: mean, max, max, sum, sum, sum");
    expect(text).toContain("by one loop of float64 arithmetic a pass: 2 forward, 1 backward");
    expect(text).toContain("28 bytes a row, beside predictions and targets");
    expect(text).not.toContain("logits");
    await behindGlass(async () => {
      expect(explain(binaryCrossEntropy({ from: "logits" }))).toContain("by ordinary ops over [N, D]");
    });
  });
});
