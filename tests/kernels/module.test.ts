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
import { compare, newReport, type Outcome, type Report } from "../browser/checkKernel.ts";
import { confidentCases, gaps, gradientFault } from "../browser/confidentRows.ts";
import {
  type DotCase,
  everyKindOfRow,
  filled,
  labelsOfView,
  manyShortRows,
  namesOf,
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
} from "../browser/rowCases.ts";

// ----------------------------------------------------------------------------------------------- the kernels' outcome

const guard = 0x5aa55aa5 | 0;

/** Lays out arrays one after the other in a memory, with guard words between them. */
class Arena {
  readonly memory: WebAssembly.Memory;
  private at = 64;
  private readonly guards: number[] = [];
  private readonly places = new Map<object, number>();

  /** One memory for all: each new one is pages that the system has to find. */
  private static shared = new WebAssembly.Memory({ initial: 1 });

  constructor(bytes: number) {
    const missing = bytes + 65536 - Arena.shared.buffer.byteLength;
    if (missing > 0) Arena.shared.grow(Math.ceil(missing / 65536));
    this.memory = Arena.shared;
    new Uint8Array(this.memory.buffer, 0, bytes).fill(0);
    this.guardHere();
  }

  allocate(bytes: number, alignment = 4): number {
    this.at = Math.ceil(this.at / alignment) * alignment;
    const address = this.at;
    this.at += Math.ceil(bytes / 4) * 4;
    this.guardHere();
    return address;
  }

  /** Where the data is; the same for the same array. */
  put(data: Float32Array | Int32Array | Uint8Array | null): number {
    if (data === null) return 0;
    const known = this.places.get(data);
    if (known !== undefined) return known;
    const address = this.allocate(data.byteLength);
    this.places.set(data, address);
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

const weightings: Readonly<Record<DotCase["times"], (weights: DotCase["weights"]) => Weighting>> = {
  logits: () => "table",
  nll: (weights) => (weights === "targets" ? "targets" : "teacher"),
  nothing: (weights) => (weights === "targets" ? "total of targets" : "total of teacher"),
};

/** Runs both passes over the views of the model's own logits; a teacher's view is plain but for its scale. */
function run(variant: RowKernelVariant, given: RowCase, cotangents: RowValues): Outcome {
  const { rows, classes } = given;
  const views = given.views.filter(({ of }) => of === "logits");
  const outputs = views.reduce((count, view) => count + namesOf(view).length + 4, 0);
  const arena = new Arena(
    8 * rows * classes * 4 + 64 * classes * (1 + outputs) + 8 * (rows + 4) * (2 * outputs + 16) + 4096,
  );
  const address = (length: number): number => {
    const at = arena.allocate(4 * length);
    arena.floats(at, length).fill(unwritten);
    return at;
  };
  const logits = arena.put(given.logits);
  const teacherScale = given.views.find(({ of }) => of === "teacher")?.scale ?? 1;
  const teacher =
    given.teacher === null ? null : { logits: arena.put(given.teacher), scale: teacherScale, state: address(2 * rows) };
  const places = views.map((view) => Object.fromEntries(namesOf(view).map((name) => [name, address(rows)])));
  const cotangentPlaces = cotangents.map((values) =>
    Object.fromEntries(Object.entries(values).map(([name, data]) => [name, arena.put(data)])),
  );
  const fixed = views.map((view) => ({
    scale: view.scale,
    cap: view.cap ?? 0,
    bias: arena.put(biasOf(view, classes)),
    labels: arena.put(labelsOfView(given, view)),
    state: address(4 * rows),
    dots: view.dots.map(({ weights, times, table }) => ({
      weighting: weightings[times](weights),
      table: arena.put(table),
      others: times === "nll" ? address(rows) : 0,
    })),
  }));
  const viewsWith = (pointers: readonly Readonly<Record<string, number>>[]): RowKernelView[] =>
    fixed.map((view, v) => {
      const at = (name: string): number => pointers[v][name] ?? 0;
      return {
        ...view,
        ...{ m: at("m"), s: at("s"), n: at("n"), t: at("t"), r: at("r"), e: at("e") },
        dots: view.dots.map((dot, i) => ({ ...dot, values: at(`dot ${i}`) })),
      };
    });
  const call: RowKernelCall = {
    ...{ rows, classes, logits, teacher },
    valid: arena.put(given.valid),
    targets: arena.put(given.targets),
    scratch: arena.allocate(scratchBytes(classes), 16),
    gradient: address(rows * classes),
    views: viewsWith(places),
  };
  const kernels = instantiateRowKernels(arena.memory, variant);
  const forwardBlock = arena.put(encodeBlock(call));
  const backwardBlock = arena.put(encodeBlock({ ...call, views: viewsWith(cotangentPlaces) }));
  const inputs = [given.logits, given.targets, given.teacher].flatMap((matrix) => (matrix === null ? [] : [matrix]));
  const isUntouched = (): boolean =>
    inputs.every((matrix) => sameBits(arena.floats(arena.put(matrix), rows * classes), matrix));

  kernels.forward(forwardBlock);
  expect(isUntouched()).toBe(true);
  expect(arena.floats(call.gradient, rows * classes).every((value) => value === unwritten)).toBe(true);
  kernels.backward(backwardBlock);
  expect(isUntouched()).toBe(true);
  arena.expectGuards();
  let own = 0;
  return {
    values: given.views.map(({ of }) => {
      const names = of === "logits" ? places[own++] : {};
      return Object.fromEntries(Object.entries(names).map(([name, at]) => [name, arena.floats(at, rows)]));
    }),
    gradient: arena.floats(call.gradient, rows * classes),
  };
}

function biasOf({ bias }: ViewCase, classes: number): Float32Array | null {
  if (typeof bias !== "number") return bias;
  return bias === 0 ? null : filled(classes, () => bias);
}

function sameBits(actual: Float32Array, expected: Float32Array): boolean {
  const a = new Int32Array(actual.buffer, actual.byteOffset, actual.length);
  const b = new Int32Array(expected.buffer, expected.byteOffset, expected.length);
  return a.length === b.length && a.every((word, i) => word === b[i]);
}

// -------------------------------------------------------------------------------------------------------- comparison

const tolerance = 2e-6;

/** Some cases for one variant of the kernels. */
class Checks {
  readonly report: Report = newReport();

  constructor(readonly variant: RowKernelVariant) {}

  check(given: RowCase, cotangents: RowValues): void {
    compare(run(this.variant, given, cotangents), given, cotangents, this.report, tolerance);
  }

  withRandomCotangents(given: RowCase, seed = 1): void {
    this.check(given, randomCotangents(given, randomNumbers(seed)));
  }

  expectNone(): void {
    expect(this.report.cases).toBeGreaterThan(0);
    expect(this.report.failures).toEqual([]);
    // Of its own scale, also for confident rows.
    for (const name of ["n, relative", "capped n, relative", "biased n, relative"])
      expect(this.report.worst[name] ?? 0).toBeLessThanOrEqual(tolerance);
  }
}

/** The module knows a teacher by its logits and a scale, and reads it once, as the last view. */
function withPlainTeacher(given: RowCase): RowCase {
  const views = given.views.map((view): ViewCase => {
    return view.of === "logits" ? view : { ...plainView, of: "teacher", scale: view.scale, wanted: [] };
  });
  return { ...given, views };
}

// ------------------------------------------------------------------------------------------------------------- tests

const sizes = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 100, 257, 1000, 4097];
const absent = { valid: null, targets: null, teacher: null };

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
          const checks = new Checks(variant);
          checks.withRandomCotangents(withPlainTeacher(randomCase(rows, classes, seed)), seed);
          checks.expectNone();
        }),
        { numRuns: 100, seed: 7 },
      );
    });

    test("every size and kind of row", () => {
      const checks = new Checks(variant);
      for (const classes of sizes) {
        const random = randomNumbers(classes);
        for (const given of everyKindOfRow(classes, classes > 1000 ? 2 : 9, random)) {
          checks.withRandomCotangents(given, classes);
        }
      }
      checks.expectNone();
    });

    test("the gradients of entropy and cross entropy keep their digits for confident rows", () => {
      for (const classes of [3, 13, 600]) {
        for (const confident of gaps.flatMap((gap) => confidentCases(classes, gap))) {
          const given = withPlainTeacher(confident.given);
          // Nearer to the teacher than it was, the gradient would be a small difference of its parts.
          if (confident.given.views.some(({ cap }) => cap !== null)) continue;
          const outcome = run(variant, given, confident.cotangents);
          expect(gradientFault({ ...confident, given }, outcome, tolerance)).toBeNull();
        }
      }
    });

    test("large vocabularies", () => {
      const checks = new Checks(variant);
      for (const classes of [50257, 262144]) {
        const random = randomNumbers(classes);
        const given = vocabularyRows(classes, random);
        checks.withRandomCotangents(given);
        const dots: DotCase[] = [{ weights: "ones", table: null, times: "logits" }];
        const bias = filled(classes, () => normal(random) - 8);
        checks.withRandomCotangents({ ...given, views: [{ ...plainView, wanted: statistics, cap: 30, bias, dots }] });
      }
      checks.expectNone();
    });

    test("rows whose highest entries come late, and stretches of −∞", () => {
      const checks = new Checks(variant);
      const shapes: Readonly<Record<string, (j: number, classes: number) => number>> = {
        rising: (j) => j / 100,
        "rising steeply": (j) => 3 * j,
        falling: (j) => -j / 100,
        "−∞, then rising": (j, classes) => (j < classes / 2 ? Number.NEGATIVE_INFINITY : j / 50),
        "rising, then −∞": (j, classes) => (j > classes / 2 ? Number.NEGATIVE_INFINITY : j / 50),
        "one at the end": (j, classes) => (j === classes - 1 ? 9000 : -9000),
        "high and level": () => 9999.5,
      };
      const plainDot: DotCase = { weights: "ones", table: null, times: "logits" };
      for (const [size, classes] of [1023, 1024, 1025, 3000, 5121].entries()) {
        const random = randomNumbers(classes);
        const entries = Object.values(shapes);
        const rows = entries.length;
        const logits = filled(rows * classes, (i) => {
          const height = entries[Math.floor(i / classes)](i % classes, classes);
          return height + (Math.abs(height) > 1000 ? 0 : normal(random));
        });
        const tables = [null, filled(classes, random), filled(classes, (j) => (j % 3 === 0 ? 0 : random()))];
        for (const [place, label] of [0, 15, 16, 1008, 1022, classes - 1].entries()) {
          const labels = new Int32Array(rows).fill(label);
          const shared = { ...absent, rows, classes, logits, labels };
          // Each label meets each table at some size.
          const dots: DotCase[] = [{ ...plainDot, table: tables[(size + place) % tables.length] }, plainDot];
          checks.withRandomCotangents({ ...shared, views: [{ ...plainView, dots }] }, label);
          const wanted = ["n", "e"] as const;
          checks.withRandomCotangents({ ...shared, views: [{ ...plainView, scale: 0.7, wanted, dots }] }, label);
        }
      }
      checks.expectNone();
    });

    test("many rows", () => {
      const checks = new Checks(variant);
      checks.withRandomCotangents(manyShortRows(1000, randomNumbers(3)));
      checks.expectNone();
    });

    test("soft targets and a teacher in the memory of the logits", () => {
      const checks = new Checks(variant);
      for (const classes of [1, 3, 17, 600]) {
        const random = randomNumbers(classes);
        const rows = 4;
        const logits = filled(rows * classes, random);
        const dots = (["targets", 2] as const).flatMap((weights): DotCase[] => [
          { weights, table: filled(classes, random), times: "nll" },
          { weights, table: null, times: "nll" },
          { weights, table: filled(classes, random), times: "nothing" },
        ]);
        checks.withRandomCotangents({
          ...{ rows, classes, logits, targets: logits, teacher: logits, valid: null },
          labels: new Int32Array(rows).fill(classes - 1),
          views: [
            { ...plainView, dots },
            { ...plainView, scale: 2, wanted: ["e"], dots },
            { ...plainView, of: "teacher", scale: 0.5, wanted: [] },
          ],
        });
      }
      checks.expectNone();
    });

    test("NaN cotangents and rows without weight", () => {
      const checks = new Checks(variant);
      const [rows, classes] = [4, 9];
      const logits = filled(rows * classes, (i) => Math.sin(i));
      logits[2 * classes + 3] = NaN;
      const given: RowCase = {
        ...{ ...absent, rows, classes, logits, labels: Int32Array.of(0, 1, 2, 8) },
        views: [plainView, { ...plainView, cap: 20 }],
      };
      const weightless = Float32Array.of(1, 0, 0, NaN);
      checks.check(given, [{ n: weightless }, { s: Float32Array.of(0, 0, 0, 1) }]);
      checks.check(given, [{ t: weightless }, {}]);
      checks.expectNone();
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
    expect(functions.map(({ name }) => name)).toEqual(["forward", "backward", "product", "productScratch"]);
    expect(sectionsOf(new Uint8Array(bytes))).not.toContain(dataSection);
  }
}, 60_000);

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
