/** What tests run in the page on tensorflow.js's webgl backend. */
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import type { WideInput } from "../../lib/kernels/rowStatistics.ts";
import { webglRows } from "../../lib/kernels/webgl/rowProgram.ts";
import { webglRowStatistics } from "../../lib/kernels/webgl/rowStatistics.ts";
import {
  type AnyLoss,
  classWeights,
  compile,
  confidencePenalty,
  crossEntropy,
  disposeBackend,
  evaluate,
  evaluateGradient,
  explain,
  focal,
  LossError,
  labelSmoothing,
  mean,
  type PlainBatch,
  pipe,
  useBackend,
  zLoss,
} from "../../mod.ts";
import { cases } from "../support/arbitraries.ts";
import { candidateCases } from "../support/candidateCases.ts";
import { runCompiled } from "../support/compiled.ts";
import { gradientSize, valueSize } from "../support/gradientSize.ts";
import { checkKernel, newReport, type Report, runKernel } from "./checkKernel.ts";
import { confidentCases, gradientFault } from "./confidentRows.ts";
import {
  type DotCase,
  everyKindOfRow,
  filled,
  manyShortRows,
  normal,
  plainView,
  type RowCase,
  randomCase,
  randomCotangents,
  randomNumbers,
  statistics,
  type ViewCase,
  vocabularyRows,
} from "./rowCases.ts";

const sizes = [1, 2, 3, 4, 5, 7, 16, 33, 257, 600, 1000];

export async function randomCases({
  from,
  count,
  tolerance,
}: {
  from: number;
  count: number;
  tolerance: number;
}): Promise<Report> {
  await tf.setBackend("webgl");
  const report = newReport();
  for (let seed = from; seed < from + count; seed++) {
    const random = randomNumbers(seed);
    const rows = 1 + Math.floor(5 * random());
    const classes = random() < 0.6 ? 1 + Math.floor(40 * random()) : sizes[Math.floor(sizes.length * random())];
    const given = randomCase(rows, classes, seed);
    checkKernel(webglRowStatistics, given, randomCotangents(given, random), report, tolerance);
  }
  return report;
}

export async function everyKind({ tolerance }: { tolerance: number }): Promise<Report> {
  await tf.setBackend("webgl");
  const report = newReport();
  for (const classes of sizes) {
    const random = randomNumbers(classes);
    for (const given of everyKindOfRow(classes, 3, random)) {
      checkKernel(webglRowStatistics, given, randomCotangents(given, random), report, tolerance);
    }
  }
  return report;
}

/** What is wrong with the gradients of confident rows. Of the cases some will do: a browser is slow to compile their programs. */
export async function confidentGradients({ tolerance }: { tolerance: number }): Promise<readonly string[]> {
  await tf.setBackend("webgl");
  const faults: string[] = [];
  for (const classes of [3, 600]) {
    for (const gap of classes === 3 ? [8, 20] : [5, 30]) {
      for (const [i, confident] of confidentCases(classes, gap).entries()) {
        // Of short rows one of three, where the label is left out and the teacher's highest entry is.
        if (classes === 3 && i % 3 !== 1) continue;
        const outcome = runKernel(webglRowStatistics, confident.given, confident.cotangents);
        const fault = gradientFault(confident, outcome, tolerance);
        if (fault !== null) faults.push(fault);
      }
    }
  }
  return faults;
}

/** Weights of entries without probability, however small: a cross entropy is ∞ or −∞ by their sign; 0 adds nothing. */
export async function impossibleEntries({ tolerance }: { tolerance: number }): Promise<Report> {
  await tf.setBackend("webgl");
  const report = newReport();
  const weights = [0.4, 1e-6, 1e-20, 1e-37, 0, -1e-20];
  const [rows, classes] = [weights.length, 7];
  const logits = filled(rows * classes, (i) => (i % classes === 3 ? Number.NEGATIVE_INFINITY : Math.sin(i)));
  const targets = filled(rows * classes, (i) => (i % classes === 3 ? weights[Math.floor(i / classes)] : 0.1));
  const table = filled(classes, (j) => j - 2);
  const dots: readonly DotCase[] = [
    { weights: "targets", table: null, times: "nll" },
    { weights: "targets", table, times: "nll" },
    { weights: "targets", table, times: "nothing" },
    { weights: "ones", table, times: "logits" },
    { weights: "ones", table: table.map((u) => -u), times: "logits" },
  ];
  for (const labels of [null, Int32Array.from({ length: rows }, (_, row) => row)]) {
    const wanted = labels === null ? (["s"] as const) : (["n"] as const);
    const views = [{ ...plainView, wanted, dots }];
    const given = { rows, classes, logits, labels, targets, valid: null, teacher: null, views };
    checkKernel(webglRowStatistics, given, randomCotangents(given, randomNumbers(4)), report, tolerance);
  }
  return report;
}

export async function largeVocabularies({ tolerance }: { tolerance: number }): Promise<Report> {
  await tf.setBackend("webgl");
  const report = newReport();
  for (const classes of [50257, 262144]) {
    const random = randomNumbers(classes);
    const rows = vocabularyRows(classes, random);
    const check = (view: ViewCase, labels: Int32Array | null): void => {
      const given = { ...rows, labels, views: [view] };
      checkKernel(webglRowStatistics, given, randomCotangents(given, random), report, tolerance);
    };
    check(plainView, rows.labels);
    check({ ...plainView, wanted: ["m", "s", "e"] }, null);
    const dots: readonly DotCase[] = [{ weights: "ones", table: null, times: "logits" }];
    const bias = filled(classes, () => normal(random) - 8);
    check({ ...plainView, wanted: statistics, cap: 30, bias, dots }, rows.labels);
  }
  return report;
}

/** No row; more rows than a texture is high; as many tables as two views may have; NaN among the cotangents. */
export async function shapes({ tolerance }: { tolerance: number }): Promise<Report> {
  await tf.setBackend("webgl");
  const report = newReport();
  const shared = { valid: null, targets: null, teacher: null };
  for (const rows of [0, 70_000]) {
    const random = randomNumbers(rows);
    const given = manyShortRows(rows, random);
    checkKernel(webglRowStatistics, given, randomCotangents(given, random), report, tolerance);
  }
  const random = randomNumbers(9);
  const [rows, classes] = [3, 21];
  const matrix = (): Float32Array => filled(rows * classes, () => normal(random));
  const view = (i: number): ViewCase => ({
    ...{ of: "logits", scale: 0.5 + i, scaleOnDevice: true, cap: null, bias: filled(classes, () => normal(random)) },
    wanted: statistics,
    dots: Array.from({ length: 6 }, (_, k): DotCase => {
      const table = filled(classes, () => normal(random));
      if (k % 3 === 0) return { weights: "ones", table, times: "logits" };
      return { weights: k % 3 === 1 ? "targets" : 3, table, times: "nll" };
    }),
  });
  const given: RowCase = {
    ...{ rows, classes, logits: matrix(), teacher: matrix(), targets: matrix() },
    ...{ labels: Int32Array.of(0, 20, 7), valid: null },
    views: [
      view(0),
      view(1),
      view(2),
      { ...plainView, of: "teacher", scaleOnDevice: true, cap: 20, bias: filled(classes, random) },
    ],
  };
  checkKernel(webglRowStatistics, given, randomCotangents(given, random), report, tolerance);
  const logits = filled(4 * 9, (i) => Math.sin(i));
  logits[2 * 9 + 3] = Number.NaN;
  const labels = Int32Array.of(0, 1, 2, 8);
  const capped = { ...plainView, cap: 20 };
  const withNaN: RowCase = { ...shared, rows: 4, classes: 9, logits, labels, views: [plainView, capped] };
  const weightless = Float32Array.of(1, 0, 0, Number.NaN);
  const ofCapped = Float32Array.of(0, 0, 0, 1);
  checkKernel(webglRowStatistics, withNaN, [{ n: weightless }, { s: ofCapped }], report, tolerance);
  checkKernel(webglRowStatistics, withNaN, [{ t: weightless }, {}], report, tolerance);
  return report;
}

/** Numbers at which shaders' own functions lose digits, or do as they please. */
const numbers = [
  ...[0, 1e-30, 1e-10, 1e-6, 1e-3, 0.02, 0.1, 0.29, 0.31, 0.5, 0.7, 0.99, 1, 1.01, 1.5, 2, 3, 7.5, 20, 60, 86, 88, 100],
  ...[1e4, 1e10, 1e30, Number.POSITIVE_INFINITY],
];

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const ofRow: readonly (readonly [string, (x: number) => number])[] = [
  ["rowExp(x0)", Math.exp],
  ["rowLog(x0)", Math.log],
  ["rowLog1p(x0)", Math.log1p],
  ["rowSoftplus(x0)", softplus],
  ["rowSigmoid(x0)", (x) => 1 / (1 + Math.exp(-x))],
  ["rowPow(x0, u0)", (x) => x ** Math.fround(0.3)],
  ["rowPow(x0, u1)", (x) => x ** 3],
  ["rowMin(x0, u0)", (x) => Math.min(x, Math.fround(0.3))],
  ["rowMax(x0, u0)", (x) => Math.max(x, Math.fround(0.3))],
  ["rowWeigh(x0, u1)", (x) => 3 * x],
];

/** The functions of narrow programs, over an odd number of rows: the largest relative error, and what should not be finite. */
export async function rowFunctions(_: null): Promise<{ readonly worst: number; readonly wrong: readonly string[] }> {
  await tf.setBackend("webgl");
  const all = [...numbers, ...numbers.map((x) => -x), Number.NaN].map(Math.fround);
  const program = {
    given: [tf.tensor1d(all)],
    numbers: [0.3, 3],
    statements: [],
    outputs: ofRow.map(([text]) => text),
  };
  const [values, totals] = [webglRows.rows(program, all.length), webglRows.totals(program, all.length)];
  const computed = values.dataSync();
  const found = { worst: 0, wrong: [] as string[] };
  for (const [k, [text, f]] of ofRow.entries()) {
    for (const [i, x] of all.entries()) {
      const [is, exact] = [computed[k * all.length + i], f(x)];
      // Below the normal numbers a device may have no others.
      const difference = Math.abs(is - exact);
      const error = is === exact || Number.isNaN(is + exact) || difference < 1.2e-38 ? 0 : difference / Math.abs(exact);
      if (Number.isNaN(is) !== Number.isNaN(exact)) found.wrong.push(`${text} at ${x} is ${is}, ${exact}`);
      if (error <= 1e-5) found.worst = Math.max(found.worst, error);
      else if (Math.abs(exact) <= 3.4e38 || is !== Math.fround(exact))
        found.wrong.push(`${text} at ${x} is ${is}, ${exact}`);
    }
  }
  const sums = [...totals.dataSync()];
  if (!sums.every(Number.isNaN)) found.wrong.push(`sums with a NaN are ${sums}`);
  tf.dispose([values, totals, program.given]);
  return found;
}

const composed = pipe(
  crossEntropy,
  classWeights([1, 2, 3]),
  labelSmoothing(0.1),
  focal({ gamma: 2 }),
  zLoss(0.1),
  confidencePenalty(0.1),
);
const composedBatch = { labels: [0, 2], mask: [true, true], sampleWeight: [1, 2] };
const composedLogits = [
  [1, 2, 3],
  [4, 5, 6.5],
];

/** The part of the backend that runs programs. */
interface Runs {
  runWebGLProgram: (program: { userCode: string }, ...given: unknown[]) => unknown;
}

export interface Narrow {
  /** How many programs a composition runs, forward and with its gradient. */
  readonly forward: number;
  readonly both: number;
  /** How far it is from the reference. */
  readonly error: number;
}

/** A composition's narrow arithmetic, as it is or where a device computes programs of rows wrong. */
export async function narrow({ isBroken }: { isBroken: boolean }): Promise<Narrow> {
  await useBackend("webgl");
  await disposeBackend("webgl");
  await useBackend("webgl");
  const backend = tf.backend() as unknown as Runs;
  const { runWebGLProgram } = backend;
  let count = 0;
  backend.runWebGLProgram = (program, ...given) => {
    count++;
    const { userCode } = program;
    if (isBroken && userCode.includes("rowExp")) program.userCode = userCode.replace("vec2 e = ", "vec2 e = 1.01 * ");
    return runWebGLProgram.call(backend, program, ...given);
  };
  const loss = compile(composed);
  const logits = tf.tensor2d(composedLogits);
  const value = (x: tf.Tensor): tf.Scalar => loss({ ...composedBatch, logits: x as tf.Tensor2D });
  const countOf = (run: () => tf.Tensor): number => {
    run().dispose();
    count = 0;
    run().dispose();
    return count;
  };
  try {
    const [forward, both] = [countOf(() => value(logits)), countOf(() => tf.grad(value)(logits))];
    const is = value(logits);
    const error = Math.abs((await is.data())[0] - evaluate(composed, { ...composedBatch, logits: composedLogits }));
    is.dispose();
    return { forward, both, error };
  } finally {
    backend.runWebGLProgram = runWebGLProgram;
    loss.dispose();
    logits.dispose();
    await disposeBackend("webgl");
  }
}

/** What is left of a pass over logits that lie on the device, packed or not, and whether the gradient can be multiplied. */
export async function tensors(_: null): Promise<Readonly<Record<string, number>>> {
  await tf.setBackend("webgl");
  const [rows, classes] = [5, 37];
  const before = tf.memory();
  const result = tf.tidy(() => {
    const values = tf.tensor2d(
      filled(rows * classes, (i) => 3 * Math.sin(i * i)),
      [rows, classes],
    );
    const plain = tf.gather(values, tf.range(0, rows, 1, "int32"));
    const packed = tf.mul(values, 1) as tf.Tensor2D;
    const results = [plain, packed].map((logits) => {
      const live = tf.memory().numTensors;
      const input: WideInput = {
        ...{ logits, teacher: null, targets: null, valid: null, labels: tf.tensor1d(new Int32Array(rows), "int32") },
        views: [{ of: "logits", scale: 1, cap: null, bias: 0, wanted: new Set(statistics), dots: [] }],
      };
      const known = webglRowStatistics.forward(input);
      const g = { s: null, n: tf.ones<tf.Rank.R1>([rows]), t: null, r: null, e: null, dots: [] };
      const gradient = webglRowStatistics.backward(input, known, [g]);
      // The labels, g, six statistics, the state and the gradient.
      const left = tf.memory().numTensors - live - 10;
      // A product over an odd number of classes reads what lies beyond the last.
      const sums = tf.matMul(gradient, tf.ones([classes, 1]));
      const columns = tf.matMul(tf.ones([1, rows]), gradient);
      const direct = tf.sum(gradient, 0);
      return {
        left,
        sums: tf.max(tf.abs(sums)).dataSync()[0],
        columns: tf.max(tf.abs(tf.sub(columns, direct))).dataSync()[0],
      };
    });
    return {
      left: results[0].left + results[1].left,
      sums: Math.max(results[0].sums, results[1].sums),
      columns: Math.max(results[0].columns, results[1].columns),
    };
  });
  const after = tf.memory();
  return {
    ...result,
    tensors: after.numTensors - before.numTensors,
    buffers: after.numDataBuffers - before.numDataBuffers,
  };
}

/** Cross entropy as it is compiled, against the reference: the loss, its gradient and a step of an optimizer. */
export async function crossEntropyStep(_: null): Promise<Readonly<Record<string, number>>> {
  await useBackend("webgl");
  const [rows, classes] = [6, 11];
  const random = randomNumbers(5);
  const logits = Array.from({ length: rows }, () =>
    Array.from({ length: classes }, () => Math.fround(3 * normal(random))),
  );
  const labels = logits.map(() => Math.floor(classes * random()));
  const loss = pipe(crossEntropy, mean);
  const compiled = compile(loss);
  const expected = evaluate(loss, { logits, labels }) as number;
  const expectedGradient = (evaluateGradient(loss, { logits, labels }) as number[][]).flat();
  const { value, grad } = tf.valueAndGrad((z: tf.Tensor) => compiled({ logits: z as tf.Tensor2D, labels }))(
    tf.tensor2d(logits),
  );
  const values = await value.data();
  const gradient = await grad.data();
  const variable = tf.variable(tf.tensor2d(logits));
  const cost = tf.train.sgd(1).minimize(() => compiled({ logits: variable as tf.Tensor2D, labels }), true, [variable]);
  await cost?.data();
  const stepped = await variable.data();
  const largest = (of: (i: number) => number): number =>
    expectedGradient.reduce((size, _, i) => Math.max(size, Math.abs(of(i))), 0);
  return {
    value: Math.abs(values[0] - expected),
    gradient: largest((i) => gradient[i] - expectedGradient[i]),
    step: largest((i) => stepped[i] - (logits.flat()[i] - expectedGradient[i])),
  };
}

/** Random compositions as they are compiled, against the reference: the largest distances, and the worst composition. */
export async function compositions({
  count,
  seed,
  of = "any",
}: {
  count: number;
  seed: number;
  of?: "any" | "candidates";
}): Promise<{
  readonly value: number;
  readonly gradient: number;
  readonly cases: number;
  readonly portable: readonly string[];
}> {
  await useBackend("webgl");
  const worst = { value: 0, gradient: 0, cases: 0, portable: [] as string[] };
  for (const { composition, batch } of fc.sample(of === "any" ? cases : candidateCases, { numRuns: count, seed })) {
    const expected = referenceOf(composition.loss, batch.plain);
    if (expected === null) continue;
    const { value, gradient } = await runCompiled(composition.loss, batch.plain, [...batch.shape, batch.classes]);
    worst.cases++;
    worst.value = Math.max(worst.value, apart(value, expected.value, valueSize(composition.loss, batch.plain)));
    const size = gradientSize(composition.loss, batch.plain);
    worst.gradient = Math.max(worst.gradient, apart(gradient, expected.gradient, size));
    if (!explain(composition.loss).includes("fused for webgl")) worst.portable.push(composition.steps.join(" "));
  }
  return worst;
}

function referenceOf(
  loss: AnyLoss,
  plain: PlainBatch,
): { readonly value: number[]; readonly gradient: number[] } | null {
  try {
    const value = evaluate(loss as typeof crossEntropy, plain);
    return { value: flat(value), gradient: flat(evaluateGradient(loss, plain)) };
  } catch (error) {
    if (error instanceof LossError) return null;
    throw error;
  }
}

function flat(nested: unknown): number[] {
  return Array.isArray(nested) ? nested.flatMap(flat) : [nested as number];
}

/** The largest difference, relative to the largest number or to `atLeast`. */
function apart(actual: readonly number[], expected: readonly number[], atLeast: number): number {
  const finite = expected.filter(Number.isFinite).map(Math.abs);
  const size = finite.reduce((a, b) => Math.max(a, b), Math.max(atLeast, 1e-33));
  return expected.reduce((max, x, i) => {
    if (Object.is(actual[i], x) || actual[i] === x) return max;
    const error = Math.abs(actual[i] - x) / size;
    return Number.isFinite(error) ? Math.max(max, error) : Number.POSITIVE_INFINITY;
  }, 0);
}
