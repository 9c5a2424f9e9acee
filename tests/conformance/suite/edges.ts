/** The kernel of the current backend at its edges: every size and kind of row, many rows and none, against float64. */
import * as tf from "@tensorflow/tfjs";
import { compile, crossEntropy, explain, perToken, pipe } from "lossmith";
import { chooseKernel } from "../../../lib/kernels/choose.ts";
import type { RowStatisticsKernel, ViewInput, WideInput } from "../../../lib/kernels/rowStatistics.ts";
import { awaitKernel, compare, newReport } from "../../browser/checkKernel.ts";
import {
  everyKindOfRow,
  filled,
  manyShortRows,
  normal,
  plainView,
  type RowCase,
  type RowValues,
  randomCase,
  randomCotangents,
  randomNumbers,
  statistics,
  type ViewCase,
  vocabularyRows,
} from "../../browser/rowCases.ts";
import { type PartResult, Tally } from "./tally.ts";

export interface EdgeSizes {
  /** The lengths of the rows. */
  readonly classes: readonly number[];
  /** How many random batches there are. */
  readonly random: number;
  /** Lengths as those of real vocabularies. */
  readonly vocabularies: readonly number[];
  /** The lengths of the rows among which some have NaN or ∞. */
  readonly spoilt: readonly number[];
}

/**
 * Statistics are measured by max(1, their size), a gradient by the largest of what is added up for an entry of the row:
 * some sixteen roundings of float32.
 */
const tolerance = 2e-6;

const absent = { valid: null, targets: null, teacher: null };

export async function edges(sizes: EdgeSizes, seed: number, progress: (share: number) => void): Promise<PartResult> {
  const tally = new Tally();
  const backend = tf.getBackend();
  tally.check(
    explain(crossEntropy).includes(`fused for ${backend}`),
    () => `the fused kernel of ${backend} is not used`,
  );
  const runs = [
    ...sizes.classes.map((classes) => () => everyKind(tally, classes)),
    ...sizes.vocabularies.map((classes) => () => vocabulary(tally, classes)),
    ...Array.from({ length: sizes.random }, (_, i) => () => randomBatch(tally, seed + i)),
    ...[0, 70_000].map((rows) => () => manyRows(tally, rows)),
    ...sizes.spoilt.map((classes) => () => spoiltTeacher(tally, classes)),
    ...sizes.spoilt.map((classes) => () => spoiltRows(tally, classes)),
    () => ranks(tally),
  ];
  for (const [i, run] of runs.entries()) {
    await tally.attempt("a kernel", run);
    progress((i + 1) / runs.length);
  }
  return tally.result("kernel edges");
}

/** The kernel that a loss with such views gets, which has to be the backend's own. */
const chosen: RowStatisticsKernel = {
  name: "the chosen one",
  refusal: () => null,
  reads: () => 1,
  forward: (input) => kernelFor(input).forward(input),
  backward: (input, statistics, cotangents) => kernelFor(input).backward(input, statistics, cotangents),
  entriesAt: (logits, ids) => chooseKernel([], logits.shape[1]).kernel.entriesAt(logits, ids),
  addAt: (gradient, ids, values) => chooseKernel([], gradient.shape[1]).kernel.addAt(gradient, ids, values),
};

function kernelFor({ views, logits, teacher }: WideInput): RowStatisticsKernel {
  const { kernel, because } = chooseKernel(views, (logits ?? teacher)?.shape[1]);
  if (because !== null) throw new Error(`ordinary ops take the place of the fused kernel: ${because}`);
  return kernel;
}

/** With plain views of the teacher's logits, where the fused kernel reads no others. */
function readable(given: RowCase): RowCase {
  const views = given.views.map(({ of, scale, cap, bias }): ViewInput => {
    return { of, scale, cap, bias: typeof bias === "number" ? bias : 1, wanted: new Set(), dots: [] };
  });
  if (chooseKernel(views, given.classes).because === null) return given;
  const plain = (view: ViewCase): ViewCase => (view.of === "teacher" ? { ...view, cap: null, bias: 0 } : view);
  return { ...given, views: given.views.map(plain) };
}

async function check(tally: Tally, what: string, given: RowCase, cotangents: RowValues): Promise<void> {
  const report = newReport();
  compare(await awaitKernel(chosen, given, cotangents), given, cotangents, report, tolerance);
  const { failures, worst } = report;
  const measured = Object.entries(worst).filter(([name]) => !name.endsWith("relative"));
  tally.within(
    measured.map(([, error]) => error),
    tolerance,
    () => what,
  );
  tally.check(failures.length === 0, () => `${what}: ${failures.slice(0, 3).join("; ")}`);
  // n keeps the digits of confident rows.
  const relative = Object.entries(worst).filter(([name]) => name.endsWith("n, relative"));
  tally.check(
    relative.every(([, error]) => error < 1e-5),
    () => `${what}: n of a confident row has a relative error of ${relative}`,
  );
}

async function everyKind(tally: Tally, classes: number): Promise<void> {
  const random = randomNumbers(classes);
  for (const given of everyKindOfRow(classes, 2, random)) {
    const what = `every kind of row of ${classes} classes, ${given.views[0].wanted.join(" ")}`;
    await check(tally, what, given, randomCotangents(given, random));
  }
}

async function vocabulary(tally: Tally, classes: number): Promise<void> {
  const random = randomNumbers(classes);
  const given = { ...vocabularyRows(classes, random), views: [{ ...plainView, wanted: statistics }] };
  await check(tally, `a vocabulary of ${classes}`, given, randomCotangents(given, random));
}

async function randomBatch(tally: Tally, seed: number): Promise<void> {
  const random = randomNumbers(seed);
  const classes = random() < 0.6 ? 1 + Math.floor(40 * random()) : 500 + Math.floor(1500 * random());
  const given = readable(randomCase(1 + Math.floor(5 * random()), classes, seed));
  await check(tally, `random batch ${seed}`, given, randomCotangents(given, random));
}

async function manyRows(tally: Tally, rows: number): Promise<void> {
  const random = randomNumbers(rows);
  const given = manyShortRows(rows, random);
  await check(tally, `${rows} rows`, given, randomCotangents(given, random));
}

/** Rows of a teacher that have no softmax make the gradient of what they weigh NaN, and of no other row. */
async function spoiltTeacher(tally: Tally, classes: number): Promise<void> {
  const random = randomNumbers(classes);
  const matrix = (): Float32Array => filled(5 * classes, () => 3 * normal(random));
  const teacher = matrix();
  teacher[classes] = Number.NaN;
  teacher[3 * classes - 1] = Number.POSITIVE_INFINITY;
  teacher.fill(Number.NEGATIVE_INFINITY, 3 * classes, 4 * classes);
  const given: RowCase = {
    ...{ ...absent, rows: 5, classes, logits: matrix(), teacher, labels: new Int32Array(5) },
    views: [
      { ...plainView, wanted: ["n"], dots: [{ weights: 1, table: null, times: "nll" }] },
      { ...plainView, of: "teacher", wanted: ["m", "s"] },
    ],
  };
  // Every row has a gradient through both.
  const cotangents = [{ n: new Float32Array(5).fill(0.5), "dot 0": new Float32Array(5).fill(0.7) }, {}];
  await check(tally, `a teacher's rows with NaN, ∞ and nothing but −∞, ${classes} classes`, given, cotangents);
}

/** Logits of rank 1 to 4 are rows in order. */
async function ranks(tally: Tally): Promise<void> {
  const random = randomNumbers(3);
  const classes = 3;
  const z = filled(6 * classes, () => 5 * normal(random));
  const labels = Int32Array.from({ length: 6 }, (_, i) => i % classes);
  const loss = compile(pipe(crossEntropy, perToken));
  const valuesOf = async (shape: readonly number[]): Promise<readonly number[]> => {
    const rows = shape.reduce((product, n) => product * n, 1);
    const logits = tf.tensor(z.subarray(0, rows * classes), [...shape, classes]);
    const given = tf.tensor(labels.subarray(0, rows), [...shape], "int32");
    const value = loss({ logits, labels: given });
    tally.check(value.shape.join() === shape.join(), () => `the shape ${value.shape} in place of ${shape}`);
    const values = [...(await value.data())];
    tf.dispose([logits, given, value]);
    return values;
  };
  const all = await valuesOf([6]);
  for (const shape of [[], [2], [0], [2, 3], [0, 3], [2, 1, 3]]) {
    const values = await valuesOf(shape);
    const same = values.every((x, i) => x === all[i]);
    tally.check(same, () => `rows of shape [${shape}] are ${values}, as a list ${all.slice(0, values.length)}`);
  }
  loss.dispose();
}

/** A NaN or ∞ spoils the value and the gradient of its own row, and of no other. */
async function spoiltRows(tally: Tally, classes: number): Promise<void> {
  const random = randomNumbers(5);
  const clean = filled(4 * classes, () => 4 * normal(random));
  const spoilt = clean.slice();
  spoilt[2 * classes - 1] = Number.POSITIVE_INFINITY;
  spoilt[3 * classes] = Number.NaN;
  const loss = compile(pipe(crossEntropy, perToken));
  const labels = new Int32Array(4).fill(classes - 1);
  const run = async (data: Float32Array): Promise<{ value: Float32Array; gradient: Float32Array }> => {
    const logits = tf.tensor2d(data, [4, classes]);
    const value = loss({ logits, labels });
    const gradient = tf.grad((x: tf.Tensor) => tf.sum(loss({ logits: x, labels })))(logits);
    const result = {
      value: (await value.data()) as Float32Array,
      gradient: (await gradient.data()) as Float32Array,
    };
    tf.dispose([logits, value, gradient]);
    return result;
  };
  const [actual, expected] = [await run(spoilt), await run(clean)];
  for (let row = 0; row < 4; row++) {
    const rowOf = (values: Float32Array, width: number): Float32Array =>
      values.subarray(row * width, (row + 1) * width);
    for (const [what, width] of [
      ["value", 1],
      ["gradient", classes],
    ] as const) {
      const [is, was] = [rowOf(actual[what], width), rowOf(expected[what], width)];
      const right = row % 2 === 1 ? is.every(Number.isNaN) : is.every((x, i) => x === was[i]);
      tally.check(right, () => `${what} of row ${row} of ${classes} classes, rows 1 and 3 spoilt: ${is.slice(0, 4)}`);
    }
  }
  loss.dispose();
}
