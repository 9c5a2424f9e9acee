/** Batches for kernels of row statistics, and what must come of them, in float64. */
import type { StatisticName } from "../../lib/kernels/rowStatistics.ts";

// ------------------------------------------------------------------------------------------------------------ cases

export type DotCase =
  | { readonly weights: "ones"; readonly table: Float32Array | null; readonly times: "logits" }
  /** By the soft targets, or the softmax of the view of this index. */
  | {
      readonly weights: "targets" | number;
      readonly table: Float32Array | null;
      readonly times: "nll" | "nothing";
    };

export interface ViewCase {
  readonly of: "logits" | "teacher";
  readonly scale: number;
  /** Whether the kernel is given the scale as a tensor. */
  readonly scaleOnDevice: boolean;
  readonly cap: number | null;
  readonly bias: number | Float32Array;
  readonly wanted: readonly StatisticName[];
  readonly dots: readonly DotCase[];
  /** The view's own labels, in place of the batch's. */
  readonly labels?: Int32Array;
}

export interface RowCase {
  readonly rows: number;
  readonly classes: number;
  readonly logits: Float32Array;
  readonly teacher: Float32Array | null;
  readonly labels: Int32Array | null;
  readonly targets: Float32Array | null;
  readonly valid: Uint8Array | null;
  readonly views: readonly ViewCase[];
}

/** Numbers [N] for each view by the name of the statistic, dots by "dot 0" and so on. */
export type RowValues = readonly Readonly<Record<string, Float32Array>>[];

export const statistics: readonly StatisticName[] = ["m", "s", "n", "t", "r", "e"];

export const plainView: ViewCase = {
  ...{ of: "logits", scale: 1, scaleOnDevice: false, cap: null, bias: 0 },
  ...{ wanted: ["m", "s", "n", "t", "r"], dots: [] },
};

export function namesOf(view: ViewCase): string[] {
  return [...view.wanted, ...view.dots.map((_, i) => `dot ${i}`)];
}

/** The labels that a view leaves out; null where it leaves out the highest entry. */
export function labelsOfView({ labels }: RowCase, view: ViewCase): Int32Array | null {
  return view.wanted.some((name) => "ntr".includes(name)) ? (view.labels ?? labels) : null;
}

export function hasGradient(view: ViewCase, name: string): boolean {
  if (view.of === "teacher" || name === "m") return false;
  return !name.startsWith("dot") || view.dots[Number(name.slice(4))].times !== "nothing";
}

/** Random numbers that a seed fixes (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export function filled(length: number, value: (i: number) => number): Float32Array {
  return Float32Array.from({ length }, (_, i) => value(i));
}

/** Rows of logits of many kinds, by what one entry is. */
export const kinds: Readonly<Record<string, (random: () => number) => (j: number) => number>> = {
  normal: (random) => () => 3 * normal(random),
  wide: (random) => () => 2e4 * random() - 1e4,
  high: (random) => () => 9990 + 5 * normal(random),
  equal: (random) => {
    const value = 100 * normal(random);
    return () => value;
  },
  confident: (random) => {
    const [top, position, gap] = [
      10 * normal(random),
      Math.floor(4 * random()),
      [20, 60, 300][Math.floor(3 * random())],
    ];
    return (j) => (j === position ? top : top - gap - 0.1 - random());
  },
  "with −∞": (random) => () => (random() < 0.4 ? Number.NEGATIVE_INFINITY : 3 * normal(random)),
  "with NaN": (random) => () => (random() < 0.1 ? Number.NaN : normal(random)),
  "with ∞": (random) => () => (random() < 0.1 ? Number.POSITIVE_INFINITY : normal(random)),
  "all −∞": () => () => Number.NEGATIVE_INFINITY,
  rising: () => (j) => 0.37 * j - 1000,
};

export function randomLogits(
  rows: number,
  classes: number,
  random: () => number,
  names: readonly string[] = Object.keys(kinds),
): Float32Array {
  const logits = new Float32Array(rows * classes);
  for (let row = 0; row < rows; row++) {
    const entry = kinds[names[Math.floor(names.length * random())]](random);
    for (let j = 0; j < classes; j++) logits[row * classes + j] = entry(j);
  }
  return logits;
}

function softmaxRows(rows: number, classes: number, random: () => number): Float32Array {
  const q = filled(rows * classes, () => 2 * normal(random));
  for (let row = 0; row < rows; row++) {
    const part = q.subarray(row * classes, (row + 1) * classes);
    const total = part.reduce((sum, z) => sum + Math.exp(z), 0);
    part.forEach((z, j) => {
      part[j] = random() < 0.2 ? 0 : Math.exp(z) / total;
    });
  }
  return q;
}

function agree(targets: Float32Array, logits: Float32Array, row: number, classes: number, random: () => number): void {
  const own = targets.subarray(row * classes, (row + 1) * classes);
  const z = logits.subarray(row * classes, (row + 1) * classes);
  const rest = [0, 1e-12, 1e-7, 1e-3][Math.floor(4 * random())];
  const top = z.indexOf(z.reduce((a, b) => Math.max(a, b)));
  own.forEach((q, j) => {
    own[j] = j === top ? 1 - rest : rest * q;
  });
}

function randomTable(classes: number, random: () => number): Float32Array | null {
  const signed = random() < 0.3;
  if (random() < 0.25) return null;
  return filled(classes, () => (random() < 0.3 ? 0 : signed ? normal(random) : random()));
}

export function randomCase(rows: number, classes: number, seed: number): RowCase {
  const random = randomNumbers(seed);
  const chance = (probability: number): boolean => random() < probability;
  const one = <T>(choices: readonly T[]): T => choices[Math.floor(choices.length * random())];
  const labels = chance(0.75) ? Int32Array.from({ length: rows }, () => Math.floor(classes * random())) : null;
  const logits = randomLogits(rows, classes, random);
  const targets = chance(0.4) ? softmaxRows(rows, classes, random) : null;
  // Rows of targets that agree with the highest entry, all but entirely or entirely.
  if (targets !== null) {
    for (let row = 0; row < rows; row++) if (chance(0.3)) agree(targets, logits, row, classes, random);
  }
  const hasTeacher = chance(0.4);
  const count = 1 + Math.floor(2.4 * random());
  const weights = ["ones", ...(targets === null ? [] : ["targets"]), ...(hasTeacher ? [count] : [])] as (
    | "ones"
    | "targets"
    | number
  )[];
  const view = (of: "logits" | "teacher"): ViewCase => ({
    of,
    scale: Math.fround(chance(0.5) ? 1 : 0.1 + 2 * random()),
    scaleOnDevice: chance(0.5),
    cap: chance(0.35) ? Math.fround(5 + 40 * random()) : null,
    bias: chance(0.35)
      ? filled(classes, () => (chance(0.05) ? Number.NEGATIVE_INFINITY : 5 * normal(random)))
      : chance(0.2)
        ? Math.fround(normal(random))
        : 0,
    wanted: statistics.filter((name) => (labels !== null || "mse".includes(name)) && chance(0.6)),
    dots:
      of === "teacher" || chance(0.5)
        ? []
        : Array.from({ length: Math.floor(5 * random()) }, (): DotCase => {
            const weighting = one(weights);
            const table = randomTable(classes, random);
            if (weighting === "ones") return { weights: weighting, table, times: "logits" };
            return { weights: weighting, table, times: chance(0.3) ? "nothing" : "nll" };
          }),
  });
  const own = Array.from({ length: count }, () => withOwnLabels(view("logits"), rows, classes, seed));
  return {
    rows,
    classes,
    logits,
    teacher: hasTeacher ? filled(rows * classes, () => 3 * normal(random)) : null,
    labels,
    targets,
    valid: chance(0.3) ? Uint8Array.from({ length: rows }, () => (chance(0.6) ? 1 : 0)) : null,
    views: hasTeacher ? [...own, view("teacher")] : own,
  };
}

/** Some views with labels of their own, which have no dots. */
function withOwnLabels(view: ViewCase, rows: number, classes: number, seed: number): ViewCase {
  const random = randomNumbers(-1 - seed);
  if (view.dots.length > 0 || !view.wanted.includes("r") || random() < 0.5) return view;
  return { ...view, labels: Int32Array.from({ length: rows }, () => Math.floor(classes * random())) };
}

export function randomCotangents(given: RowCase, random: () => number): RowValues {
  return given.views.map((view) =>
    Object.fromEntries(
      namesOf(view)
        .filter((name) => hasGradient(view, name) && random() < 0.7)
        .map((name) => [name, filled(given.rows, () => (random() < 0.2 ? 0 : 2 * random() - 1))]),
    ),
  );
}

// ------------------------------------------------------------------------------------------------------- in float64

interface Entries {
  /** z'_j. */
  readonly z: Float64Array;
  readonly m: number;
  /** Where m is. */
  readonly h: number;
  readonly p: Float64Array;
  /** 1 − p_h. */
  readonly others: number;
  readonly s: number;
  readonly e: number;
  readonly isBad: boolean;
}

function rowOf(matrix: Float32Array, row: number, classes: number): Float64Array {
  return Float64Array.from(matrix.subarray(row * classes, (row + 1) * classes));
}

function entriesOf(given: RowCase, row: number, { of, scale, cap, bias }: ViewCase): Entries {
  const source = rowOf((of === "logits" ? given.logits : given.teacher) as Float32Array, row, given.classes);
  const z = source.map((x, j) => {
    const scaled = cap === null ? scale * x : cap * Math.tanh((scale * x) / cap);
    return (typeof bias === "number" ? bias : bias[j]) + scaled;
  });
  const m = z.reduce((highest, x) => Math.max(highest, x), Number.NEGATIVE_INFINITY);
  const h = z.indexOf(m);
  // Without the highest entry among the others, log(1 + others) keeps the digits of a small s.
  const rest = logOthers(z, h);
  const s = Math.log1p(Math.exp(rest - m));
  const p = z.map((x) => Math.exp(x - m - s));
  const e = p.reduce((sum, x, j) => (x === 0 ? sum : sum + x * (s - (z[j] - m))), 0);
  const isBad = z.some((x) => Number.isNaN(x) || x === Number.POSITIVE_INFINITY) || m === Number.NEGATIVE_INFINITY;
  return { z, m, h, p, others: 1 / (1 + Math.exp(m - rest)), s, e, isBad };
}

/** log Σ_{j≠y} exp(z_j), with its digits wherever the entries lie. */
function logOthers(z: Float64Array, y: number): number {
  const highest = z.reduce((top, x, j) => (j === y ? top : Math.max(top, x)), Number.NEGATIVE_INFINITY);
  if (highest === Number.NEGATIVE_INFINITY) return highest;
  return highest + Math.log(z.reduce((sum, x, j) => (j === y ? sum : sum + Math.exp(x - highest)), 0));
}

/** Probabilities below it are 0 in float32, so that even −∞ adds nothing there. */
const lowestNormal = 1.2e-38;

export interface RowGradient {
  readonly entries: Float64Array;
  /** The size of what is added up for each entry: cotangents of opposite signs cancel. */
  readonly sizes: Float64Array;
}

export interface RowExpectation {
  readonly values: Readonly<Record<string, number>>;
  /** The size of what a dot sums: a sum that cancels cannot keep more digits than its parts have. */
  readonly sizes: Readonly<Record<string, number>>;
  /** z'_j − m. */
  readonly entries: Float64Array;
  readonly gradient: (cotangent: (name: string) => number) => RowGradient;
}

export function expectedRow(given: RowCase, row: number, view: ViewCase): RowExpectation {
  const { classes } = given;
  const { z, m, h, p, others: othersOfHighest, s, e, isBad } = entriesOf(given, row, view);
  const source = rowOf((view.of === "logits" ? given.logits : given.teacher) as Float32Array, row, classes);
  const slopes = source.map((x) => {
    if (view.cap === null) return view.scale;
    const h = Math.exp((-2 * view.scale * Math.abs(x)) / view.cap);
    return (view.scale * 4 * h) / (1 + h) ** 2;
  });
  const y = labelsOfView(given, view)?.[row] ?? h;
  const t = z[y] - m;
  const rest = logOthers(z, y);
  const u = rest - z[y];
  const n = Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));
  const values: Record<string, number> = { m, s, n, t, r: rest - m, e };
  const sizes: Record<string, number> = {};
  const targets = given.targets === null ? null : rowOf(given.targets, row, classes);
  const weights = view.dots.map(({ weights: weighting, table }) => {
    const q =
      weighting === "ones"
        ? null
        : weighting === "targets"
          ? (targets as Float64Array)
          : entriesOf(given, row, given.views[weighting]).p.map((p) => (p < lowestNormal ? 0 : p));
    return z.map((_, j) => (q === null ? 1 : q[j]) * (table === null ? 1 : table[j]));
  });
  view.dots.forEach(({ times }, i) => {
    const factors = { nothing: () => 1, logits: (j: number) => z[j] - m, nll: (j: number) => s - (z[j] - m) };
    const terms = weights[i].map((w, j) => (w === 0 ? 0 : w * factors[times](j)));
    values[`dot ${i}`] = terms.reduce((sum, term) => sum + term, 0);
    sizes[`dot ${i}`] = terms.reduce((sum, term) => sum + Math.abs(term), 0);
  });
  if (isBad) for (const name of Object.keys(values)) values[name] = Number.NaN;

  const weightOfOthers = weights.map((w) => w.reduce((total, x, k) => (k === h ? total : total + x), 0));
  const throughDot = (i: number, j: number): readonly number[] => {
    const w = weights[i];
    if (view.dots[i].times === "logits") return [w[j]];
    const sum = weightOfOthers[i] + w[h];
    // Only where h has most of p are the terms of the other form larger than what comes of them.
    return j === h && p[h] > 0.5 ? [weightOfOthers[i], -sum * othersOfHighest] : [sum * p[j], -w[j]];
  };
  const sizeAtHighest = (g: (name: string) => number): number =>
    view.dots.reduce(
      (total, { times }, i) => (times === "nll" ? total + Math.abs(g(`dot ${i}`) * weights[i][h]) : total),
      Math.abs(g("e")),
    );

  const gradient = (cotangent: (name: string) => number): RowGradient => {
    const names = namesOf(view).filter((name) => hasGradient(view, name));
    const g = (name: string): number => (names.includes(name) ? cotangent(name) : 0);
    const zero = { entries: new Float64Array(classes), sizes: new Float64Array(classes) };
    if (names.every((name) => cotangent(name) === 0)) return zero;
    if (isBad || names.some((name) => Number.isNaN(cotangent(name)))) {
      return { ...zero, entries: zero.entries.fill(Number.NaN) };
    }
    const others = 1 / (1 + Math.exp(-u));
    const sizes = new Float64Array(classes);
    const changes = z.map((entry, j) => {
      // p_j / (1 − p_y)
      const among = j === y || rest === Number.NEGATIVE_INFINITY ? 0 : Math.exp(entry - rest);
      const probability = j === y ? 1 / (1 + Math.exp(u)) : others * among;
      const parts = [
        g("s") * probability,
        g("n") * (j === y ? -others : probability),
        g("t") * (j === y ? 1 : 0),
        g("r") * among,
        probability > 0 ? g("e") * probability * (s - (entry - m)) : 0,
        -g("e") * probability * e,
        ...weights.flatMap((_, i) => (g(`dot ${i}`) === 0 ? [] : throughDot(i, j).map((part) => g(`dot ${i}`) * part))),
      ];
      sizes[j] = slopes[j] * parts.reduce((sum, part) => sum + Math.abs(part), 0);
      // Where a label is left out that is not the highest entry, the digits of 1 − p are lost there.
      if (y !== h && j === h) sizes[j] = Math.max(sizes[j], slopes[j] * p[j] * sizeAtHighest(g));
      return slopes[j] * parts.reduce((sum, part) => sum + part, 0);
    });
    return { entries: changes, sizes };
  };
  return { values, sizes, entries: z.map((entry) => entry - m), gradient };
}

const absent = { valid: null, targets: null, teacher: null };

/** `each` rows of every kind, the first of each with label 0: what is wanted one by one, and without labels. */
export function everyKindOfRow(classes: number, each: number, random: () => number): readonly RowCase[] {
  const names = Object.keys(kinds);
  const rows = each * names.length;
  const logits = new Float32Array(rows * classes);
  names.forEach((kind, i) => {
    logits.set(randomLogits(each, classes, random, [kind]), each * i * classes);
  });
  const labels = Int32Array.from({ length: rows }, (_, row) => (row % each === 0 ? 0 : Math.floor(classes * random())));
  const shared = { ...absent, rows, classes, logits };
  return [
    { ...shared, labels, views: [{ ...plainView, wanted: ["n"] }] },
    { ...shared, labels, views: [{ ...plainView, wanted: statistics }] },
    { ...shared, labels: null, views: [{ ...plainView, wanted: ["m", "s", "e"] }] },
  ];
}

/** Three rows of a whole vocabulary: one as they come, one of equal logits, one that rises. */
export function vocabularyRows(classes: number, random: () => number): RowCase {
  const logits = filled(3 * classes, () => 3 * normal(random));
  for (let j = 0; j < classes; j++) logits[classes + j] = -7.3;
  for (let j = 0; j < classes; j++) logits[2 * classes + j] += j / 1000;
  const labels = Int32Array.of(classes - 1, 5, 17);
  return { ...absent, rows: 3, classes, logits, labels, views: [plainView] };
}

/** Many short rows, or none, some of them not valid. */
export function manyShortRows(rows: number, random: () => number): RowCase {
  const classes = 5;
  return {
    ...{ ...absent, rows, classes },
    logits: randomLogits(rows, classes, random, ["normal", "wide", "with −∞", "with NaN"]),
    labels: Int32Array.from({ length: rows }, () => Math.floor(classes * random())),
    valid: Uint8Array.from({ length: rows }, () => (random() < 0.8 ? 1 : 0)),
    views: [{ ...plainView, wanted: statistics }],
  };
}
