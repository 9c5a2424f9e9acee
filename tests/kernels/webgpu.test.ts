/** The WebGPU row kernels against the same formulas in float64, where there is a GPU or a software driver for one. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import type {
  RowCotangents,
  RowStatistics,
  RowStatisticsKernel,
  StatisticName,
  ViewInput,
  WideInput,
} from "../../lib/kernels/rowStatistics.ts";
import { packedColumns } from "../../lib/kernels/webgpu/columns.ts";
import { partsOfForward, spanOf } from "../../lib/kernels/webgpu/parts.ts";
import {
  webgpuRowStatistics as kernel,
  packedStatistics,
  webgpuKernel,
} from "../../lib/kernels/webgpu/rowStatistics.ts";
import { expectNoDeviceErrors, hasWebGPU, startWebGPU } from "../support/webgpu.ts";

// ------------------------------------------------------------------------------------------------------------ cases

const statistics = ["m", "s", "n", "t", "r", "e"] as const satisfies readonly StatisticName[];

interface Dot {
  readonly weights: "ones" | "targets" | number;
  readonly table: Float32Array | null;
  readonly times: "logits" | "nothing";
}

interface View {
  readonly of: "logits" | "teacher";
  readonly scale: number;
  /** Whether the scale is given as a tensor. */
  readonly isTrained: boolean;
  readonly cap: number | null;
  readonly bias: Float32Array | number;
  readonly wanted: readonly StatisticName[];
  readonly dots: readonly Dot[];
}

interface Case {
  readonly rows: number;
  readonly classes: number;
  readonly logits: Float32Array;
  readonly teacher: Float32Array | null;
  readonly labels: Int32Array | null;
  readonly targets: Float32Array | null;
  readonly valid: Uint8Array | null;
  readonly views: readonly View[];
}

/** Cotangents for each view by the name of the statistic, dots by "dot 0" and so on. */
type Values = readonly Readonly<Record<string, Float32Array>>[];

const plain: View = {
  ...{ of: "logits", scale: 1, isTrained: false, cap: null, bias: 0 },
  ...{ wanted: ["m", "s", "n", "t", "r"], dots: [] },
};

const nllView: ViewInput = { of: "logits", scale: 1, cap: null, bias: 0, wanted: new Set(["n"]), dots: [] };

function namesOf(view: View): string[] {
  return [...view.wanted, ...view.dots.map((_, k) => `dot ${k}`)];
}

function hasGradient(view: View, name: string): boolean {
  if (view.of === "teacher" || name === "m") return false;
  return !name.startsWith("dot") || view.dots[Number(name.slice(4))].times === "logits";
}

/** Random numbers that a seed fixes (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function filled(length: number, value: (i: number) => number): Float32Array {
  return Float32Array.from({ length }, (_, i) => value(i));
}

// ----------------------------------------------------------------------------------------------- the kernels' outcome

interface Outcome {
  readonly values: Values;
  readonly gradient: Float32Array;
}

async function run(given: Case, cotangents: Values, kernelOf: RowStatisticsKernel): Promise<Outcome> {
  const { rows, classes } = given;
  const tensors = tf.tidy(() => {
    const input = inputOf(given);
    const known = kernelOf.forward(input);
    const g = given.views.map((view, v): RowCotangents | null => {
      const of = (name: string): tf.Tensor1D | null => {
        const values = cotangents[v][name];
        return values === undefined ? null : tf.tensor1d(values);
      };
      const named = Object.fromEntries(statistics.map((name) => [name, of(name)])) as Omit<RowCotangents, "dots">;
      const dots = view.dots.map((_, k) => of(`dot ${k}`));
      return Object.keys(cotangents[v]).length === 0 ? null : { ...named, dots };
    });
    const gradient = kernelOf.backward(input, known, g);
    return { known: known.map((view, v) => byName(given.views[v], view)), gradient };
  });
  const values = await Promise.all(
    tensors.known.map(async (view) => {
      const entries = Object.entries(view).map(async ([name, x]) => [name, (await x.data()) as Float32Array] as const);
      return Object.fromEntries(await Promise.all(entries));
    }),
  );
  const gradient = (await tensors.gradient.data()) as Float32Array;
  tf.dispose(tensors);
  expectNoDeviceErrors();
  expect(gradient.length).toBe(rows * classes);
  return { values, gradient };
}

function byName(view: View, { dots, ...named }: RowStatistics): Record<string, tf.Tensor> {
  const wanted = view.wanted.map((name) => [name, named[name] as tf.Tensor] as const);
  return Object.fromEntries([...wanted, ...dots.map((dot, k) => [`dot ${k}`, dot] as const)]);
}

function inputOf(given: Case): WideInput {
  const { rows, classes, labels, valid } = given;
  const wide = (data: Float32Array | null): tf.Tensor2D | null => data && tf.tensor2d(data, [rows, classes]);
  const tables = new Map<Float32Array, tf.Tensor1D>();
  const table = (data: Float32Array): tf.Tensor1D => {
    const tensor = tables.get(data) ?? tf.tensor1d(data);
    tables.set(data, tensor);
    return tensor;
  };
  const logits = wide(given.logits);
  return {
    logits,
    // A loss may distil from the very logits that it is given.
    teacher: given.teacher === given.logits ? logits : wide(given.teacher),
    labels: labels && tf.tensor1d(labels, "int32"),
    targets: wide(given.targets),
    valid: valid && { tensor: tf.tensor1d([...valid], "bool"), invalid: null },
    views: given.views.map(({ of, scale, isTrained, cap, bias, wanted, dots }): ViewInput => {
      return {
        ...{ of, cap, wanted: new Set(wanted) },
        scale: isTrained ? tf.scalar(scale) : scale,
        bias: typeof bias === "number" ? bias : table(bias),
        dots: dots.map((dot) => ({ ...dot, table: dot.table && { tensor: table(dot.table), support: null } })),
      };
    }),
  };
}

// ------------------------------------------------------------------------------------------------------ in float64

interface Softmax {
  readonly m: number;
  readonly s: number;
  readonly p: Float64Array;
  readonly e: number;
}

function softmax(z: Float64Array): Softmax {
  const m = z.reduce((highest, x) => Math.max(highest, x), -Infinity);
  const exponentials = z.map((x) => Math.exp(x - m));
  const total = exponentials.reduce((sum, x) => sum + x, 0);
  const p = exponentials.map((x) => x / total);
  const e = p.reduce((sum, x, j) => (x === 0 ? sum : sum + x * (z[j] - m)), 0);
  return { m, s: Math.log(total), p, e };
}

/** log Σ_{j≠y} exp(z_j), with its digits wherever the entries lie. */
function logOthers(z: Float64Array, y: number): number {
  const highest = z.reduce((top, x, j) => (j === y ? top : Math.max(top, x)), -Infinity);
  if (highest === -Infinity) return z.some((x, j) => j !== y && Number.isNaN(x)) ? NaN : -Infinity;
  return highest + Math.log(z.reduce((sum, x, j) => (j === y ? sum : sum + Math.exp(x - highest)), 0));
}

/** Probabilities below it are 0 in float32, so that even −∞ adds nothing there. */
const lowestNormal = 1.2e-38;

interface RowExpectation {
  readonly values: Readonly<Record<string, number>>;
  /** The size of what a dot sums: a sum that cancels cannot keep more digits than its parts have. */
  readonly sizes: Readonly<Record<string, number>>;
  /** z'_j − m. */
  readonly entries: Float64Array;
  /** The gradient, and the sizes of what it sums. */
  readonly gradient: (cotangent: (name: string) => number) => {
    readonly sum: Float64Array;
    readonly size: Float64Array;
  };
}

function entriesOf(given: Case, row: number, { of, scale, cap, bias }: View): Float64Array {
  const z = rowOf(given[of] as Float32Array, row, given.classes);
  const shift = (j: number): number => (typeof bias === "number" ? Math.fround(bias) : bias[j]);
  return z.map((x, j) => shift(j) + (cap === null ? scale * x : cap * Math.tanh((scale * x) / cap)));
}

function expectedRow(given: Case, row: number, view: View): RowExpectation {
  const { scale, cap } = view;
  const entries = entriesOf(given, row, view);
  const slopes = rowOf(given[view.of] as Float32Array, row, given.classes).map((x) => {
    if (cap === null) return scale;
    const h = Math.exp((-2 * scale * Math.abs(x)) / cap);
    return (scale * 4 * h) / (1 + h) ** 2;
  });
  const isBad = entries.some((x) => Number.isNaN(x) || x === Infinity) || entries.every((x) => x === -Infinity);
  const { m, s, e } = softmax(entries);
  const y = given.labels === null ? entries.indexOf(m) : given.labels[row];
  const t = entries[y] - m;
  const rest = logOthers(entries, y);
  const u = rest - entries[y];
  const n = Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));
  // Without the highest entry among the others, log(1 + others) keeps the digits of a small s.
  const precise = t === 0 ? Math.log1p(Math.exp(rest - m)) : s;
  const values: Record<string, number> = { m, s: precise, n, t, r: rest - m, e };
  const sizes: Record<string, number> = {};
  const weights = view.dots.map(({ weights, table }) => {
    const w =
      typeof weights === "number"
        ? softmax(entriesOf(given, row, given.views[weights])).p.map((p) => (p < lowestNormal ? 0 : p))
        : weights === "targets"
          ? rowOf(given.targets as Float32Array, row, given.classes)
          : null;
    return entries.map((_, j) => (w === null ? 1 : w[j]) * (table === null ? 1 : table[j]));
  });
  view.dots.forEach(({ times }, k) => {
    const terms = weights[k].map((w, j) => (times === "nothing" ? w : w === 0 ? 0 : w * (entries[j] - m)));
    values[`dot ${k}`] = terms.reduce((sum, term) => sum + term, 0);
    sizes[`dot ${k}`] = terms.reduce((sum, term) => sum + Math.abs(term), 0);
  });
  if (isBad) for (const name of Object.keys(values)) values[name] = NaN;

  const gradient: RowExpectation["gradient"] = (cotangent) => {
    const names = namesOf(view).filter((name) => hasGradient(view, name));
    const g = (name: string): number => (names.includes(name) ? cotangent(name) : 0);
    const sum = new Float64Array(given.classes);
    const size = new Float64Array(given.classes);
    if (names.every((name) => cotangent(name) === 0)) return { sum, size };
    if (isBad || names.some((name) => Number.isNaN(cotangent(name)))) return { sum: sum.fill(NaN), size };
    const [forS, forN, forT, forR, forE] = (["s", "n", "t", "r", "e"] as const).map(g);
    const forDots = weights.map((_, k) => g(`dot ${k}`));
    const others = 1 / (1 + Math.exp(-u));
    entries.forEach((entry, j) => {
      // p_j / (1 − p_y)
      const among = j === y || rest === -Infinity ? 0 : Math.exp(entry - rest);
      const probability = j === y ? 1 / (1 + Math.exp(u)) : others * among;
      const parts = [
        forS * probability,
        forN * (j === y ? -others : probability),
        j === y ? forT : 0,
        forR * among,
        probability > 0 ? forE * probability * (1 + (entry - m) - e) : 0,
        ...forDots.map((forDot, k) => (forDot === 0 ? 0 : forDot * weights[k][j])),
      ];
      sum[j] = slopes[j] * parts.reduce((total, part) => total + part, 0);
      size[j] = slopes[j] * parts.reduce((total, part) => total + Math.abs(part), 0);
    });
    return { sum, size };
  };
  return { values, sizes, entries: entries.map((entry) => entry - m), gradient };
}

function rowOf(matrix: Float32Array, row: number, classes: number): Float64Array {
  return Float64Array.from(matrix.subarray(row * classes, (row + 1) * classes));
}

// -------------------------------------------------------------------------------------------------------- comparison

const tolerance = 2e-6;

function expectNear(actual: number, expected: number, error: number, what: () => string): void {
  if (Object.is(actual, expected) || actual === expected) return;
  if (Math.abs(actual - expected) <= error) return;
  if (Number.isNaN(actual) && Number.isNaN(expected)) return;
  throw new Error(`${what()}: ${actual} where ${expected} was expected`);
}

function randomCotangents(given: Case, random: () => number): Values {
  return given.views.map((view) =>
    Object.fromEntries(
      namesOf(view)
        .filter((name) => hasGradient(view, name) && random() < 0.7)
        .map((name) => [name, filled(given.rows, () => (random() < 0.2 ? 0 : 2 * random() - 1))]),
    ),
  );
}

async function check(given: Case, cotangents: Values, kernelOf = kernel): Promise<void> {
  const { rows, classes } = given;
  const outcome = await run(given, cotangents, kernelOf);
  for (let row = 0; row < rows; row++) {
    const isValid = given.valid === null || given.valid[row] === 1;
    const gradient = new Float64Array(classes);
    const errors = new Float64Array(classes);
    given.views.forEach((view, v) => {
      const where = (name: string): string => `${name} of view ${v}, row ${row}, V ${classes}`;
      const expected = expectedRow(given, row, view);
      for (const name of namesOf(view)) {
        const value = isValid ? expected.values[name] : 0;
        const size = Math.max(Math.abs(value), expected.sizes[name] ?? 0);
        // Below float32's normal numbers there are no digits to compare.
        const error = name === "n" ? Math.max(tolerance * value, 1e-37) : tolerance * Math.max(1, size);
        expectNear(outcome.values[v][name][row], value, error, () => where(name));
      }
      if (!isValid || view.of === "teacher") return;
      const { sum: parts, size } = expected.gradient((name) => cotangents[v][name]?.[row] ?? 0);
      const largest = size.reduce((most, x) => Math.max(most, x), 0);
      for (let j = 0; j < classes; j++) {
        gradient[j] += parts[j];
        errors[j] += tolerance * largest;
        // Where a cap has no slope left at the likely entries, the largest are some of the unlikely: exp(−40), say, has
        // the digits that 40 has in float32.
        if (view.cap !== null && parts[j] !== 0) errors[j] += 1e-6 * Math.abs(parts[j] * expected.entries[j]);
      }
    });
    for (let j = 0; j < classes; j++) {
      const what = (): string => `gradient ${j} of row ${row}, V ${classes}, label ${given.labels?.[row]}`;
      expectNear(outcome.gradient[row * classes + j], gradient[j], Math.max(errors[j], 1e-37), what);
    }
  }
}

/** The kernel that reads each row in so many parts. */
function inParts(parts: number): RowStatisticsKernel {
  return webgpuKernel({ partsOf: () => parts, subgroups: false });
}

async function checkWithRandomCotangents(given: Case, seed = 1, kernelOf = kernel): Promise<void> {
  await check(given, randomCotangents(given, randomNumbers(seed)), kernelOf);
}

/** Rows of logits of many kinds, by what one entry is. */
const kinds: Readonly<Record<string, (random: () => number) => (j: number) => number>> = {
  normal: (random) => () => 3 * normal(random),
  wide: (random) => () => 2e4 * random() - 1e4,
  high: (random) => () => 9990 + 5 * normal(random),
  equal: (random) => {
    const value = 100 * normal(random);
    return () => value;
  },
  confident: (random) => {
    const top = 10 * normal(random);
    const position = Math.floor(4 * random());
    const gap = [20, 60, 300][Math.floor(3 * random())];
    return (j) => (j === position ? top : top - gap - 0.1 - random());
  },
  "with −∞": (random) => () => (random() < 0.4 ? -Infinity : 3 * normal(random)),
  "with NaN": (random) => () => (random() < 0.1 ? NaN : normal(random)),
  "with ∞": (random) => () => (random() < 0.1 ? Infinity : normal(random)),
  "all −∞": () => () => -Infinity,
  rising: () => (j) => 0.37 * j - 1000,
};

function randomLogits(rows: number, classes: number, random: () => number, names = Object.keys(kinds)): Float32Array {
  const logits = new Float32Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const entry = kinds[names[Math.floor(names.length * random())]](random);
    for (let j = 0; j < classes; j++) logits[row * classes + j] = entry(j);
  }
  return logits;
}

function randomTable(classes: number, random: () => number): Float32Array | null {
  const isSigned = random() < 0.3;
  if (random() < 0.25) return null;
  return filled(classes, () => (random() < 0.3 ? 0 : isSigned ? normal(random) : random()));
}

function softmaxRows(rows: number, classes: number, random: () => number): Float32Array {
  const logits = filled(rows * classes, () => 2 * normal(random));
  for (let row = 0; row < rows; row++) {
    const part = logits.subarray(row * classes, (row + 1) * classes);
    const total = part.reduce((sum, z) => sum + Math.exp(z), 0);
    part.forEach((z, j) => {
      part[j] = random() < 0.2 ? 0 : Math.exp(z) / total;
    });
  }
  return logits;
}

function randomCase(rows: number, classes: number, seed: number): Case {
  const random = randomNumbers(seed);
  const chance = (probability: number): boolean => random() < probability;
  const labels = chance(0.75) ? Int32Array.from({ length: rows }, () => Math.floor(classes * random())) : null;
  const targets = chance(0.4) ? softmaxRows(rows, classes, random) : null;
  const logits = randomLogits(rows, classes, random);
  const distils = chance(0.4);
  const teacher = !distils ? null : chance(0.2) ? logits : randomLogits(rows, classes, random, ["normal", "confident"]);
  const own = 1 + Math.floor(2.4 * random());
  const view = (of: View["of"]): View => ({
    of,
    scale: Math.fround(chance(0.5) ? 1 : 0.1 + 2 * random()),
    isTrained: chance(0.3),
    cap: chance(0.35) ? Math.fround(5 + 40 * random()) : null,
    bias: chance(0.35) ? filled(classes, () => (chance(0.05) ? -Infinity : 5 * normal(random))) : chance(0.2) ? 3.5 : 0,
    wanted: statistics.filter((name) => (labels !== null || "mse".includes(name)) && chance(0.6)),
    dots: Array.from({ length: chance(0.5) ? 0 : Math.floor(4 * random()) }, dot),
  });
  const weightings: Dot["weights"][] = ["ones", ...(targets ? ["targets" as const] : []), ...(distils ? [own] : [])];
  const dot = (): Dot => {
    const weights = weightings[Math.floor(weightings.length * random())];
    const times = weights !== "ones" && chance(0.3) ? "nothing" : "logits";
    return { weights, table: randomTable(classes, random), times };
  };
  return {
    ...{ rows, classes, logits, teacher, labels, targets },
    valid: chance(0.3) ? Uint8Array.from({ length: rows }, () => (chance(0.6) ? 1 : 0)) : null,
    views: [...Array.from({ length: own }, () => view("logits")), ...(distils ? [view("teacher")] : [])],
  };
}

// ------------------------------------------------------------------------------------------------------------- tests

const sizes = [1, 2, 3, 4, 5, 8, 15, 16, 17, 33, 64, 65, 100, 257, 1000, 4097];

const isAvailable = await hasWebGPU();
const isRequired = "Deno" in globalThis && Boolean(process.env["CI"]);
if (!isAvailable && !isRequired) console.log("There is no WebGPU here: its row kernels are not tested.");

(isAvailable || isRequired ? describe : describe.skip)("WebGPU row kernels", () => {
  beforeAll(startWebGPU);

  test("any case at all is as in float64", async () => {
    const random = randomNumbers(7);
    for (let seed = 0; seed < 50; seed++) {
      const classes = random() < 0.5 ? 1 + Math.floor(40 * random()) : sizes[Math.floor(sizes.length * random())];
      const given = randomCase(Math.floor(6 * random()), classes, seed);
      await checkWithRandomCotangents(given, seed).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${error}`);
      });
    }
  });

  test("cross entropy of every size and kind of row", async () => {
    for (const classes of sizes) {
      const random = randomNumbers(classes);
      const each = classes > 1000 ? 1 : 3;
      const names = Object.keys(kinds).flatMap((name) => Array.from({ length: each }, () => name));
      const logits = names.map((name) => randomLogits(1, classes, random, [name]));
      const shared = {
        ...{
          rows: names.length,
          classes,
          logits: filled(names.length * classes, (i) => logits[Math.floor(i / classes)][i % classes]),
        },
        ...{ valid: null, targets: null, teacher: null },
      };
      const labels = Int32Array.from(names, (_, row) => (row < 4 ? row % classes : (random() * classes) | 0));
      await checkWithRandomCotangents({ ...shared, labels, views: [{ ...plain, wanted: ["n"] }] }, 1);
      await checkWithRandomCotangents({ ...shared, labels, views: [plain] }, 2);
      await checkWithRandomCotangents({ ...shared, labels: null, views: [{ ...plain, wanted: ["m", "s", "e"] }] }, 3);
    }
  });

  test("large vocabularies", async () => {
    for (const classes of [50257, 262143]) {
      const random = randomNumbers(classes);
      const rows = 3;
      const logits = randomLogits(rows, classes, random, ["normal"]);
      for (let j = 0; j < classes; j++) logits[classes + j] = -7;
      for (let j = 0; j < classes; j++) logits[2 * classes + j] += j / 1000;
      const labels = Int32Array.of(classes - 1, 5, 17);
      const shared = { rows, classes, logits, labels, valid: null, targets: null, teacher: null };
      await checkWithRandomCotangents({ ...shared, views: [plain] });
      const dots: Dot[] = [{ weights: "ones", table: null, times: "logits" }];
      const bias = filled(classes, () => normal(random) - 8);
      await checkWithRandomCotangents({
        ...shared,
        views: [{ ...plain, wanted: statistics, cap: 30, bias, dots }],
      });
    }
  });

  test("rows in parts: any case at all is as in float64", async () => {
    const random = randomNumbers(11);
    for (let seed = 100; seed < 140; seed++) {
      const classes = random() < 0.5 ? 17 + Math.floor(120 * random()) : 17 + Math.floor(3000 * random() ** 2);
      const parts = 2 + Math.floor(12 * random() ** 2);
      const given = randomCase(1 + Math.floor(5 * random()), classes, seed);
      await checkWithRandomCotangents(given, seed, inParts(parts)).catch((error: unknown) => {
        throw new Error(`seed ${seed}, ${parts} parts: ${error}`);
      });
    }
  });

  test("rows in parts: cross entropy of every kind of row, and labels in every part", async () => {
    for (const [classes, parts] of [
      [17, 2],
      [50, 4],
      [1000, 7],
      [4097, 64],
      [9001, 300],
    ]) {
      const random = randomNumbers(classes);
      const names = [...Object.keys(kinds), ...Object.keys(kinds)];
      const rows = names.length;
      const each = names.map((name) => randomLogits(1, classes, random, [name]));
      const logits = filled(rows * classes, (i) => each[Math.floor(i / classes)][i % classes]);
      const shared = { rows, classes, logits, valid: null, targets: null, teacher: null };
      const labels = Int32Array.from(names, (_, row) => (row < 4 ? row : (random() * classes) | 0));
      const kernelOf = inParts(parts);
      await checkWithRandomCotangents({ ...shared, labels, views: [{ ...plain, wanted: ["n"] }] }, 1, kernelOf);
      await checkWithRandomCotangents({ ...shared, labels, views: [{ ...plain, wanted: statistics }] }, 2, kernelOf);
      const unlabelled: View = { ...plain, wanted: ["m", "s", "e"] };
      await checkWithRandomCotangents({ ...shared, labels: null, views: [unlabelled] }, 3, kernelOf);
    }
  });

  test("rows in parts: a teacher whose likely classes are in another part than the entries of −∞", async () => {
    const [rows, classes] = [2, 64];
    // Of the first row the entries of −∞ have a probability that float32 has not; of the second they have one.
    const teacher = filled(rows * classes, (i) => (i % classes < 48 ? 0 : i < classes ? -200 : -20));
    const logits = filled(rows * classes, (i) => (i % classes < 48 ? Math.sin(i) : -Infinity));
    for (const labels of [null, Int32Array.of(3, 47)]) {
      const dots: Dot[] = [{ weights: 1, table: null, times: "logits" }];
      const views: View[] = [
        { ...plain, wanted: ["s"], dots },
        { ...plain, of: "teacher", wanted: ["s"] },
      ];
      const given: Case = { rows, classes, logits, teacher, labels, targets: null, valid: null, views };
      await check(given, [{ "dot 0": Float32Array.of(1, 0) }, {}], inParts(4));
      const outcome = await run(given, [{}, {}], inParts(4));
      expect([...outcome.values[0]["dot 0"]].map(Number.isFinite)).toEqual([true, false]);
    }
  });

  test("rows are read in parts where they are long, and where they are few", () => {
    // Short rows are not, however few or many.
    expect([1, 100, 4096, 8191].map((classes) => partsOfForward(1, classes))).toEqual([1, 1, 1, 1]);
    expect([512, 4096, 100_000].map((rows) => partsOfForward(rows, 8192))).toEqual([1, 1, 1]);
    // A part has 8192 entries at most.
    expect([8193, 50_257, 131_072].map((classes) => partsOfForward(4096, classes))).toEqual([2, 7, 16]);
    // Few rows give 512 workgroups, where parts of 4096 entries do.
    expect([1, 2, 64, 128].map((rows) => partsOfForward(rows, 8192))).toEqual([2, 2, 2, 2]);
    expect([1, 16, 32].map((rows) => partsOfForward(rows, 131_072))).toEqual([32, 32, 16]);
    // So no lane comes near to the 65 534 rounds of its loops after which lavapipe stops it.
    for (const classes of [8192, 50_257, 262_144, 2 ** 23 + 1]) {
      for (const rows of [1, 300, 100_000]) {
        expect(spanOf(classes, partsOfForward(rows, classes))).toBeLessThanOrEqual(8192);
      }
    }
    for (const [classes, parts] of [
      [50_257, 4],
      [262_144, 64],
      [8192, 2],
      [17, 2],
    ]) {
      const span = spanOf(classes, parts);
      expect(span % 16).toBe(0);
      expect(span * parts).toBeGreaterThanOrEqual(classes);
      expect(Math.ceil(classes / span)).toBeLessThanOrEqual(parts);
    }
  });

  test("many short rows", async () => {
    for (const [rows, classes] of [
      [70_000, 3],
      [1001, 10],
      [1, 1],
      [0, 5],
    ]) {
      const random = randomNumbers(classes);
      await checkWithRandomCotangents({
        ...{ rows, classes, logits: randomLogits(rows, classes, random), targets: null, teacher: null },
        labels: Int32Array.from({ length: rows }, () => Math.floor(classes * random())),
        valid: Uint8Array.from({ length: rows }, () => (random() < 0.8 ? 1 : 0)),
        views: [plain],
      });
    }
  });

  test("more workgroups than one dimension of a dispatch has", async () => {
    const backend = tf.backend() as unknown as { device: GPUDevice };
    const { device } = backend;
    const random = randomNumbers(5);
    const [rows, classes] = [33, 600];
    const given: Case = {
      ...{ rows, classes, logits: randomLogits(rows, classes, random), valid: null, targets: null, teacher: null },
      ...{ labels: Int32Array.from({ length: rows }, () => Math.floor(classes * random())), views: [plain] },
    };
    try {
      for (const maxComputeWorkgroupsPerDimension of [10, 5]) {
        // Only the backend believes it: the real limit takes more memory to reach than a test should use.
        backend.device = new Proxy(device, {
          get: (_, key) => {
            if (key === "limits") return { maxComputeWorkgroupsPerDimension };
            const value: unknown = Reflect.get(device, key, device);
            return typeof value === "function" ? value.bind(device) : value;
          },
        });
        await checkWithRandomCotangents(given);
      }
    } finally {
      backend.device = device;
    }
  });

  test("more tables than a program may bind", async () => {
    for (const classes of [3, 17, 600]) {
      const random = randomNumbers(classes);
      const rows = 4;
      const logits = filled(rows * classes, random);
      const dots = (["ones", "targets", 2] as const).flatMap((weights): Dot[] => [
        { weights, table: filled(classes, random), times: "logits" },
        { weights, table: filled(classes, random), times: weights === "ones" ? "logits" : "nothing" },
      ]);
      const view: View = { ...plain, isTrained: true, bias: filled(classes, random), wanted: statistics, dots };
      await checkWithRandomCotangents({
        ...{ rows, classes, logits, valid: Uint8Array.of(1, 1, 0, 1), targets: logits, teacher: logits },
        labels: new Int32Array(rows).fill(classes - 1),
        views: [
          { ...view, scale: 0.5 },
          { ...view, cap: 20, bias: filled(classes, random) },
          { ...view, of: "teacher", scale: 0.25, dots: [] },
        ],
      });
    }
  });

  test("NaN cotangents and rows without weight", async () => {
    const [rows, classes] = [4, 9];
    const logits = filled(rows * classes, (i) => Math.sin(i));
    logits[2 * classes + 3] = NaN;
    const given: Case = {
      ...{ rows, classes, logits, labels: Int32Array.of(0, 1, 2, 8), valid: null, targets: null, teacher: null },
      views: [plain, { ...plain, cap: 20 }],
    };
    const weightless = Float32Array.of(1, 0, 0, NaN);
    await check(given, [{ n: weightless }, { s: Float32Array.of(0, 0, 0, 1) }]);
    await check(given, [{ t: weightless }, {}]);
    await check(given, [{}, {}]);
  });

  test("rows at the bounds of a cap, with and without a bias that cancels it", async () => {
    const classes = 4;
    const rows: readonly (readonly number[])[] = [
      [-Infinity, -2.458, -Infinity, -Infinity],
      [Infinity, 0.5, -0.5, 1],
      [Infinity, -Infinity, 300, -300],
      [9990, 22, -1, -9990],
      [-60, -59, 12, -61],
    ];
    const logits = Float32Array.from(rows.flat());
    const labels = Int32Array.of(1, 1, 2, 0, 2);
    const shared = { rows: rows.length, classes, logits, labels, valid: null, targets: null, teacher: null };
    const dots: Dot[] = [{ weights: "ones", table: Float32Array.of(0, 1, 2, 0), times: "logits" }];
    for (const bias of [0, Float32Array.of(-24, 0.25, -12.5, 11.75)]) {
      const view: View = { ...plain, scale: 1.5, cap: 12.4, bias, wanted: statistics, dots };
      await checkWithRandomCotangents({ ...shared, views: [view] }, 2);
    }
  });

  test("a teacher's row without statistics, and dots by it whose cotangent is 0", async () => {
    const [rows, classes] = [3, 5];
    const teacher = filled(rows * classes, (i) => (i === 1 ? NaN : i >= 10 ? -Infinity : i / 3));
    const dots: Dot[] = [{ weights: 1, table: null, times: "logits" }];
    const given: Case = {
      ...{ rows, classes, logits: filled(rows * classes, Math.sin), teacher, labels: Int32Array.of(0, 1, 2) },
      ...{
        targets: null,
        valid: null,
        views: [
          { ...plain, dots },
          { ...plain, of: "teacher" },
        ],
      },
    };
    await check(given, [{ n: Float32Array.of(1, 1, 1), "dot 0": Float32Array.of(0, 1, 0) }, {}]);
    const outcome = await run(given, [{ n: Float32Array.of(1, 1, 1), "dot 0": Float32Array.of(1, 1, 0) }, {}], kernel);
    expect(outcome.gradient.findIndex((x) => !Number.isNaN(x))).toBe(classes);
    expect(outcome.gradient.subarray(classes).some(Number.isNaN)).toBe(false);
  });

  test("the packed tensor holds each statistic in its column", async () => {
    const given = randomCase(5, 33, 3);
    const input = tf.tidy(() => inputOf(given) as unknown as tf.TensorContainer) as unknown as WideInput;
    const { views, count } = packedColumns(input.views, input.labels !== null);
    const tensors = tf.tidy(
      () => ({ packed: packedStatistics(input), known: kernel.forward(input) }) as unknown as tf.TensorContainer,
    ) as unknown as {
      packed: tf.Tensor2D;
      known: readonly RowStatistics[];
    };
    const packed = await tensors.packed.data();
    for (const [v, view] of given.views.entries()) {
      for (const [name, tensor] of Object.entries(byName(view, tensors.known[v]))) {
        const column = name.startsWith("dot") ? views[v].dots[Number(name.slice(4))] : views[v][name as StatisticName];
        const values = Float32Array.from({ length: given.rows }, (_, row) => packed[row * count + (column as number)]);
        expect(await tensor.data()).toEqual(values);
      }
    }
    tf.dispose([tensors, input] as unknown as tf.TensorContainer);
  });

  test("gradient descent with it ends at the targets, and keeps no memory", async () => {
    const [rows, classes] = [7, 50];
    const labels = tf.tensor1d(
      Int32Array.from({ length: rows }, (_, row) => 3 * row),
      "int32",
    );
    let logits = tf.zeros<tf.Rank.R2>([rows, classes]);
    const losses: number[] = [];
    const before = tf.memory();
    for (let step = 0; step < 20; step++) {
      const [loss, next] = tf.tidy(() => {
        const shared = { logits, teacher: null, labels, targets: null, valid: null };
        const input: WideInput = { ...shared, views: [nllView] };
        const known = kernel.forward(input);
        const n = tf.fill<tf.Rank.R1>([rows], 1 / rows);
        const gradient = kernel.backward(input, known, [{ s: null, n, t: null, r: null, e: null, dots: [] }]);
        return [tf.mean(known[0].n as tf.Tensor), tf.sub(logits, tf.mul(gradient, 10)) as tf.Tensor2D] as const;
      }) as unknown as [tf.Scalar, tf.Tensor2D];
      losses.push((await loss.data())[0]);
      tf.dispose([loss, logits]);
      logits = next;
    }
    const { numTensors, numBytes } = tf.memory();
    expect({ numTensors, numBytes }).toEqual({ numTensors: before.numTensors, numBytes: before.numBytes });
    expectNoDeviceErrors();
    expect(losses[0]).toBeCloseTo(Math.log(classes), 5);
    expect(losses.every((loss, i) => i === 0 || loss < losses[i - 1])).toBe(true);
    expect(losses[19]).toBeLessThan(0.1);
    tf.dispose([labels, logits]);
  });
});
