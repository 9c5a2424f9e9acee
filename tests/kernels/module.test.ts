/** The WebAssembly row kernels against the same formulas in float64. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  encodeBlock,
  type RowKernelCall,
  type RowKernelView,
  scratchBytes,
  type Weighting,
} from "../../lib/kernels/module/block.ts";
import { bytesSource, compileModules, readBytesSource } from "../../lib/kernels/module/build.ts";
import { hasRowKernels, instantiateRowKernels, type RowKernelVariant } from "../../lib/kernels/module/instantiate.ts";

// ------------------------------------------------------------------------------------------------------------ cases

const statistics = ["m", "s", "n", "t", "r", "e"] as const;
type Statistic = (typeof statistics)[number];

interface Dot {
  readonly weighting: Weighting;
  readonly table: Float32Array | null;
}

interface View {
  readonly scale: number;
  readonly cap: number;
  readonly bias: Float32Array | null;
  readonly wanted: readonly Statistic[];
  readonly dots: readonly Dot[];
}

interface Case {
  readonly rows: number;
  readonly classes: number;
  readonly logits: Float32Array;
  readonly labels: Int32Array | null;
  readonly valid: Uint8Array | null;
  /** Soft targets; "logits" takes the memory of the logits for them. */
  readonly targets: Float32Array | "logits" | null;
  readonly teacher: { readonly logits: Float32Array | "logits"; readonly scale: number } | null;
  readonly views: readonly View[];
}

/** Results, or cotangents, for each view by the name of the statistic, dots by "dot 0" and so on. */
type Values = readonly Readonly<Record<string, Float32Array>>[];

interface Outcome {
  readonly values: Values;
  readonly teacher: { readonly e: Float32Array; readonly s: Float32Array } | null;
  readonly gradient: Float32Array;
}

const plain: View = { scale: 1, cap: 0, bias: null, wanted: ["m", "s", "n", "t", "r"], dots: [] };

function namesOf(view: View): string[] {
  return [...view.wanted, ...view.dots.map((_, i) => `dot ${i}`)];
}

function hasGradient(view: View, name: string): boolean {
  return name !== "m" && !(name.startsWith("dot") && view.dots[Number(name.slice(4))].weighting.startsWith("total"));
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

// ----------------------------------------------------------------------------------------------- the kernels' outcome

const guard = 0x5aa55aa5 | 0;

/** Lays out arrays one after the other in a memory, with guard words between them. */
class Arena {
  readonly memory: WebAssembly.Memory;
  private at = 64;
  private readonly guards: number[] = [];

  constructor(bytes: number) {
    this.memory = new WebAssembly.Memory({ initial: Math.ceil((bytes + 65536) / 65536) });
    this.guardHere();
  }

  allocate(bytes: number, alignment = 4): number {
    this.at = Math.ceil(this.at / alignment) * alignment;
    const address = this.at;
    this.at += Math.ceil(bytes / 4) * 4;
    this.guardHere();
    return address;
  }

  put(data: Float32Array | Int32Array | Uint8Array | null): number {
    if (data === null) return 0;
    const address = this.allocate(data.byteLength);
    new Uint8Array(this.memory.buffer).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), address);
    return address;
  }

  floats(address: number, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, address, length);
  }

  expectGuards(): void {
    const words = new Int32Array(this.memory.buffer);
    for (const address of this.guards) expect(words[address / 4]).toBe(guard);
  }

  private guardHere(): void {
    new Int32Array(this.memory.buffer)[this.at / 4] = guard;
    this.guards.push(this.at);
    this.at += 4;
  }
}

/** Garbage that an output must not keep. */
const unwritten = 12345;

function run(variant: RowKernelVariant, given: Case, cotangents: Values): Outcome {
  const { rows, classes } = given;
  const outputs = given.views.reduce((count, view) => count + namesOf(view).length + 4, 0);
  const arena = new Arena(
    8 * rows * classes * 4 + 64 * classes * (1 + outputs) + 8 * (rows + 4) * (outputs + 16) + 4096,
  );
  const address = (length: number): number => {
    const at = arena.allocate(4 * length);
    arena.floats(at, length).fill(unwritten);
    return at;
  };
  const logits = arena.put(given.logits);
  const matrix = (data: Float32Array | "logits" | null): number => (data === "logits" ? logits : arena.put(data));
  const teacher =
    given.teacher === null
      ? null
      : {
          logits: matrix(given.teacher.logits),
          scale: given.teacher.scale,
          state: address(2 * rows),
          e: address(rows),
          s: address(rows),
        };
  const places = given.views.map((view) => Object.fromEntries(namesOf(view).map((name) => [name, address(rows)])));
  const cotangentPlaces = cotangents.map((values) =>
    Object.fromEntries(Object.entries(values).map(([name, data]) => [name, arena.put(data)])),
  );
  const fixed = given.views.map((view) => ({
    scale: view.scale,
    cap: view.cap,
    bias: arena.put(view.bias),
    state: address(4 * rows),
    tables: view.dots.map((dot) => arena.put(dot.table)),
  }));
  const viewsWith = (pointers: readonly Readonly<Record<string, number>>[]): RowKernelView[] =>
    given.views.map((view, v) => {
      const at = (name: string): number => pointers[v][name] ?? 0;
      const { tables, ...rest } = fixed[v];
      return {
        ...rest,
        ...{ m: at("m"), s: at("s"), n: at("n"), t: at("t"), r: at("r"), e: at("e") },
        dots: view.dots.map((dot, i) => ({ weighting: dot.weighting, table: tables[i], values: at(`dot ${i}`) })),
      };
    });
  const scratch = arena.allocate(scratchBytes(classes), 16);
  const call: RowKernelCall = {
    rows,
    classes,
    logits,
    labels: arena.put(given.labels),
    valid: arena.put(given.valid),
    targets: matrix(given.targets),
    teacher,
    scratch,
    gradient: address(rows * classes),
    views: viewsWith(places),
  };
  const kernels = instantiateRowKernels(arena.memory, variant);
  const forwardBlock = arena.put(encodeBlock(call));
  const backwardBlock = arena.put(encodeBlock({ ...call, views: viewsWith(cotangentPlaces) }));
  const isUntouched = (): boolean =>
    sameBits(arena.floats(logits, rows * classes), given.logits) &&
    (!(given.targets instanceof Float32Array) || sameBits(arena.floats(call.targets, rows * classes), given.targets)) &&
    (!(given.teacher?.logits instanceof Float32Array) ||
      sameBits(arena.floats(teacher?.logits ?? 0, rows * classes), given.teacher.logits));

  kernels.forward(forwardBlock);
  expect(isUntouched()).toBe(true);
  expect(arena.floats(call.gradient, rows * classes).every((value) => value === unwritten)).toBe(true);
  kernels.backward(backwardBlock);
  expect(isUntouched()).toBe(true);
  arena.expectGuards();
  return {
    values: places.map((names) =>
      Object.fromEntries(Object.entries(names).map(([name, at]) => [name, arena.floats(at, rows)])),
    ),
    teacher: teacher && { e: arena.floats(teacher.e, rows), s: arena.floats(teacher.s, rows) },
    gradient: arena.floats(call.gradient, rows * classes),
  };
}

function sameBits(actual: Float32Array, expected: Float32Array): boolean {
  const a = new Int32Array(actual.buffer, actual.byteOffset, actual.length);
  const b = new Int32Array(expected.buffer, expected.byteOffset, expected.length);
  return a.length === b.length && a.every((word, i) => word === b[i]);
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

interface RowExpectation {
  readonly values: Readonly<Record<string, number>>;
  /** The size of what a dot sums: a sum that cancels cannot keep more digits than its parts have. */
  readonly sizes: Readonly<Record<string, number>>;
  /** z'_j − m. */
  readonly entries: Float64Array;
  readonly gradient: (cotangent: (name: string) => number) => Float64Array;
}

function expectedRow(given: Case, row: number, view: View, teacher: Softmax | null): RowExpectation {
  const { classes } = given;
  const z = rowOf(given.logits, row, classes);
  const { scale, cap, bias } = view;
  const entries = z.map((x, j) => (bias?.[j] ?? 0) + (cap > 0 ? cap * Math.tanh((scale * x) / cap) : scale * x));
  const slopes = z.map((x) => {
    const h = Math.exp((-2 * scale * Math.abs(x)) / cap);
    return cap > 0 ? (scale * 4 * h) / (1 + h) ** 2 : scale;
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
  const targets = given.targets === null ? null : given.targets === "logits" ? z : rowOf(given.targets, row, classes);
  const weights = view.dots.map(({ weighting, table }) => {
    const q = weighting.endsWith("targets") ? targets : weighting.endsWith("teacher") ? (teacher?.p ?? null) : null;
    return z.map((_, j) => (q === null ? 1 : q[j]) * (table === null ? 1 : table[j]));
  });
  view.dots.forEach(({ weighting }, i) => {
    const terms = weights[i].map((w, j) => (weighting.startsWith("total") ? w : w === 0 ? 0 : w * (entries[j] - m)));
    values[`dot ${i}`] = terms.reduce((sum, term) => sum + term, 0);
    sizes[`dot ${i}`] = terms.reduce((sum, term) => sum + Math.abs(term), 0);
  });
  if (isBad) for (const name of Object.keys(values)) values[name] = NaN;

  const gradient = (cotangent: (name: string) => number): Float64Array => {
    const names = namesOf(view).filter((name) => hasGradient(view, name));
    const g = (name: string): number => (names.includes(name) ? cotangent(name) : 0);
    if (names.every((name) => cotangent(name) === 0)) return new Float64Array(classes);
    if (isBad || names.some((name) => Number.isNaN(cotangent(name)))) return new Float64Array(classes).fill(NaN);
    const others = 1 / (1 + Math.exp(-u));
    return entries.map((entry, j) => {
      // p_j / (1 − p_y)
      const among = j === y || rest === -Infinity ? 0 : Math.exp(entry - rest);
      const probability = j === y ? 1 / (1 + Math.exp(u)) : others * among;
      let change = g("s") * probability;
      change += g("n") * (j === y ? -others : probability);
      change += g("t") * (j === y ? 1 : 0);
      change += g("r") * among;
      if (probability > 0) change += g("e") * probability * (1 + (entry - m) - e);
      weights.forEach((w, i) => {
        change += g(`dot ${i}`) * w[j];
      });
      return change * slopes[j];
    });
  };
  return { values, sizes, entries: entries.map((entry) => entry - m), gradient };
}

function rowOf(matrix: Float32Array, row: number, classes: number): Float64Array {
  return Float64Array.from(matrix.subarray(row * classes, (row + 1) * classes));
}

function teacherOf(given: Case, row: number): Softmax | null {
  if (given.teacher === null) return null;
  const { logits, scale } = given.teacher;
  return softmax(rowOf(logits === "logits" ? given.logits : logits, row, given.classes).map((x) => x * scale));
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

function check(variant: RowKernelVariant, given: Case, cotangents: Values): void {
  const { rows, classes } = given;
  const outcome = run(variant, given, cotangents);
  for (let row = 0; row < rows; row++) {
    const isValid = given.valid === null || given.valid[row] === 1;
    const teacher = teacherOf(given, row);
    if (outcome.teacher !== null && teacher !== null) {
      for (const name of ["e", "s"] as const) {
        const expected = isValid ? teacher[name] : 0;
        const error = tolerance * Math.max(1, Math.abs(expected));
        expectNear(outcome.teacher[name][row], expected, error, () => `teacher's ${name} of row ${row}`);
      }
    }
    const gradient = new Float64Array(classes);
    const errors = new Float64Array(classes);
    given.views.forEach((view, v) => {
      const expected = expectedRow(given, row, view, teacher);
      for (const name of namesOf(view)) {
        const value = isValid ? expected.values[name] : 0;
        const size = Math.max(Math.abs(value), expected.sizes[name] ?? 0);
        // Below float32's normal numbers there are no digits to compare.
        const error = name === "n" ? Math.max(tolerance * value, 1e-37) : tolerance * Math.max(1, size);
        expectNear(outcome.values[v][name][row], value, error, () => `${name} of view ${v}, row ${row}, V ${classes}`);
      }
      if (!isValid) return;
      const parts = expected.gradient((name) => cotangents[v][name]?.[row] ?? 0);
      const largest = parts.reduce((size, x) => Math.max(size, Math.abs(x)), 0);
      for (let j = 0; j < classes; j++) {
        gradient[j] += parts[j];
        errors[j] += tolerance * largest;
        // Where a cap has no slope left at the likely entries, the largest are some of the unlikely: exp(−40), say, has
        // the digits that 40 has in float32.
        if (view.cap > 0 && parts[j] !== 0) errors[j] += 1e-6 * Math.abs(parts[j] * expected.entries[j]);
      }
    });
    for (let j = 0; j < classes; j++) {
      const what = (): string => `gradient ${j} of row ${row}, V ${classes}, label ${given.labels?.[row]}`;
      expectNear(outcome.gradient[row * classes + j], gradient[j], Math.max(errors[j], 1e-37), what);
    }
  }
}

function checkWithRandomCotangents(variant: RowKernelVariant, given: Case, seed = 1): void {
  check(variant, given, randomCotangents(given, randomNumbers(seed)));
}

// ------------------------------------------------------------------------------------------------------------- tests

const sizes = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 100, 257, 1000, 4097];

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
    const [top, position, gap] = [
      10 * normal(random),
      Math.floor(4 * random()),
      [20, 60, 300][Math.floor(3 * random())],
    ];
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
  const signed = random() < 0.3;
  if (random() < 0.25) return null;
  return filled(classes, () => (random() < 0.3 ? 0 : signed ? normal(random) : random()));
}

function randomCase(rows: number, classes: number, seed: number): Case {
  const random = randomNumbers(seed);
  const chance = (probability: number): boolean => random() < probability;
  const labels = chance(0.75) ? Int32Array.from({ length: rows }, () => Math.floor(classes * random())) : null;
  const targets = chance(0.4) ? softmaxRows(rows, classes, random) : null;
  const teacher = chance(0.4)
    ? {
        logits: chance(0.2) ? ("logits" as const) : filled(rows * classes, () => 3 * normal(random)),
        scale: Math.fround(chance(0.5) ? 1 : 0.2 + random()),
      }
    : null;
  const weightings: Weighting[] = [
    "table",
    ...(targets === null ? [] : (["targets", "total of targets"] as const)),
    ...(teacher === null ? [] : (["teacher", "total of teacher"] as const)),
  ];
  const dot = (): Dot => ({
    weighting: weightings[Math.floor(weightings.length * random())],
    table: randomTable(classes, random),
  });
  const view = (): View => ({
    scale: Math.fround(chance(0.5) ? 1 : 0.1 + 2 * random()),
    cap: Math.fround(chance(0.35) ? 5 + 40 * random() : 0),
    bias: chance(0.35) ? filled(classes, () => (chance(0.05) ? -Infinity : 5 * normal(random))) : null,
    wanted: statistics.filter((name) => (labels !== null || "mse".includes(name)) && chance(0.6)),
    dots: Array.from({ length: chance(0.5) ? 0 : Math.floor(4 * random()) }, dot),
  });
  return {
    rows,
    classes,
    logits: randomLogits(rows, classes, random),
    labels,
    valid: chance(0.3) ? Uint8Array.from({ length: rows }, () => (chance(0.6) ? 1 : 0)) : null,
    targets,
    teacher,
    views: Array.from({ length: 1 + Math.floor(2.4 * random()) }, view),
  };
}

const variants: readonly RowKernelVariant[] = ["simd", "relaxed-simd"];

for (const variant of variants.filter(hasRowKernels)) {
  describe(`row kernels, ${variant}`, () => {
    test("any case at all is as in float64", () => {
      const cases = fc.record({
        rows: fc.integer({ min: 0, max: 5 }),
        classes: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(...sizes)),
        seed: fc.integer(),
      });
      fc.assert(
        fc.property(cases, ({ rows, classes, seed }) => {
          checkWithRandomCotangents(variant, randomCase(rows, classes, seed), seed);
        }),
        { numRuns: 400, seed: 7 },
      );
    });

    test("cross entropy of every size and kind of row", () => {
      for (const classes of sizes) {
        for (const [i, kind] of Object.keys(kinds).entries()) {
          const random = randomNumbers(classes + i);
          const rows = classes > 1000 ? 2 : 9;
          const labels = Int32Array.from({ length: rows }, (_, row) =>
            row < 4 ? row % classes : (random() * classes) | 0,
          );
          const logits = randomLogits(rows, classes, random, [kind]);
          const shared = { rows, classes, logits, valid: null, targets: null, teacher: null };
          checkWithRandomCotangents(variant, { ...shared, labels, views: [{ ...plain, wanted: ["n"] }] }, 1);
          checkWithRandomCotangents(variant, { ...shared, labels, views: [plain] }, 2);
          checkWithRandomCotangents(
            variant,
            { ...shared, labels: null, views: [{ ...plain, wanted: ["m", "s", "e"] }] },
            3,
          );
        }
      }
    });

    test("large vocabularies", () => {
      for (const classes of [50257, 262144]) {
        const random = randomNumbers(classes);
        const rows = 3;
        const logits = randomLogits(rows, classes, random, ["normal"]);
        for (let j = 0; j < classes; j++) logits[classes + j] = -7;
        for (let j = 0; j < classes; j++) logits[2 * classes + j] += j / 1000;
        const labels = Int32Array.of(classes - 1, 5, 17);
        const shared = { rows, classes, logits, labels, valid: null, targets: null, teacher: null };
        checkWithRandomCotangents(variant, { ...shared, views: [plain] });
        const dots: Dot[] = [{ weighting: "table", table: null }];
        const bias = filled(classes, () => normal(random) - 8);
        checkWithRandomCotangents(variant, {
          ...shared,
          views: [{ ...plain, wanted: [...statistics], cap: 30, bias, dots }],
        });
      }
    });

    test("rows whose highest entries come late, and stretches of −∞", () => {
      const shapes: Readonly<Record<string, (j: number, classes: number) => number>> = {
        rising: (j) => j / 100,
        "rising steeply": (j) => 3 * j,
        falling: (j) => -j / 100,
        "−∞, then rising": (j, classes) => (j < classes / 2 ? Number.NEGATIVE_INFINITY : j / 50),
        "rising, then −∞": (j, classes) => (j > classes / 2 ? Number.NEGATIVE_INFINITY : j / 50),
        "one at the end": (j, classes) => (j === classes - 1 ? 9000 : -9000),
        "high and level": () => 9999.5,
      };
      const table: Dot = { weighting: "table", table: null };
      for (const classes of [1023, 1024, 1025, 3000, 5121]) {
        const random = randomNumbers(classes);
        const entries = Object.values(shapes);
        const rows = entries.length;
        const logits = filled(rows * classes, (i) => {
          const height = entries[Math.floor(i / classes)](i % classes, classes);
          return height + (Math.abs(height) > 1000 ? 0 : normal(random));
        });
        const tables = [null, filled(classes, random), filled(classes, (j) => (j % 3 === 0 ? 0 : random()))];
        for (const label of [0, 15, 16, 1008, 1022, classes - 1]) {
          const labels = new Int32Array(rows).fill(label);
          const shared = { rows, classes, logits, labels, valid: null, targets: null, teacher: null };
          for (const u of tables) {
            const dots: Dot[] = [{ ...table, table: u }, table];
            checkWithRandomCotangents(variant, { ...shared, views: [{ ...plain, dots }] }, label);
            const wanted: Statistic[] = ["n", "e"];
            checkWithRandomCotangents(variant, { ...shared, views: [{ ...plain, scale: 0.7, wanted, dots }] }, label);
          }
        }
      }
    });

    test("many rows", () => {
      const [rows, classes] = [1000, 10];
      const random = randomNumbers(3);
      checkWithRandomCotangents(variant, {
        ...{ rows, classes, logits: randomLogits(rows, classes, random), targets: null, teacher: null },
        labels: Int32Array.from({ length: rows }, () => Math.floor(classes * random())),
        valid: Uint8Array.from({ length: rows }, () => (random() < 0.8 ? 1 : 0)),
        views: [plain],
      });
    });

    test("soft targets and a teacher in the memory of the logits", () => {
      for (const classes of [1, 3, 17, 600]) {
        const random = randomNumbers(classes);
        const rows = 4;
        const dots = (["targets", "total of targets", "teacher", "total of teacher"] as const).map((weighting) => ({
          weighting,
          table: randomTable(classes, random),
        }));
        checkWithRandomCotangents(variant, {
          ...{ rows, classes, logits: filled(rows * classes, random), valid: null },
          ...{
            labels: new Int32Array(rows).fill(classes - 1),
            targets: "logits",
            teacher: { logits: "logits", scale: 0.5 },
          },
          views: [
            { ...plain, dots },
            { ...plain, scale: 2, wanted: ["e"], dots },
          ],
        });
      }
    });

    test("NaN cotangents and rows without weight", () => {
      const [rows, classes] = [4, 9];
      const logits = filled(rows * classes, (i) => Math.sin(i));
      logits[2 * classes + 3] = NaN;
      const given: Case = {
        ...{ rows, classes, logits, labels: Int32Array.of(0, 1, 2, 8), valid: null, targets: null, teacher: null },
        views: [plain, { ...plain, cap: 20 }],
      };
      const weightless = Float32Array.of(1, 0, 0, NaN);
      check(variant, given, [{ n: weightless }, { s: Float32Array.of(0, 0, 0, 1) }]);
      check(variant, given, [{ t: weightless }, {}]);
    });
  });
}

test("bytes.ts is what the sources compile to", async () => {
  const modules = await compileModules();
  expect(bytesSource(modules) === readBytesSource()).toBe(true);
  for (const variant of variants) {
    const bytes = variant === "simd" ? modules.simd : modules.relaxedSimd;
    if (!hasRowKernels(variant)) continue;
    const module = new WebAssembly.Module(new Uint8Array(bytes));
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: "env", name: "memory", kind: "memory" }]);
    const functions = WebAssembly.Module.exports(module).filter(({ kind }) => kind === "function");
    expect(functions.map(({ name }) => name)).toEqual(["forward", "backward"]);
    expect(sectionsOf(new Uint8Array(bytes))).not.toContain(dataSection);
  }
}, 20_000);

const dataSection = 11;

/** The ids of a module's sections. */
function sectionsOf(bytes: Uint8Array): number[] {
  const ids: number[] = [];
  let at = 8;
  while (at < bytes.length) {
    ids.push(bytes[at++]);
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      size |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    at += size;
  }
  return ids;
}
