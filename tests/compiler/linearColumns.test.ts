/**
 * The linear form by tiles of columns, against itself with whole rows: statistics of every kind, at a tolerance of the gradient's own
 * size; what exists at a time; and how tiles are chosen.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  add,
  type CompileLinearOptions,
  classWeights,
  compileLinear,
  confidencePenalty,
  crossEntropy,
  distillation,
  entmax,
  explain,
  focal,
  fromCounts,
  ignoreIndex,
  klDivergence,
  type LinearBatch,
  labelSmoothing,
  language,
  logitAdjustment,
  parameter,
  perToken,
  pipe,
  softcap,
  sum,
  temperature,
  unlikelihood,
  useBackend,
  zLoss,
} from "lossmith";
import { tileSizes } from "../../lib/compiler/linear/tileSizes.ts";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";
import { lossErrorOf } from "../support/lossErrorOf.ts";
import { multiplications } from "../support/multiplications.ts";
import { peakBytes } from "../support/peakBytes.ts";

const [rows, width, classes] = [6, 4, 23];
const { batchMean, divide, multiply, nll } = language;

const noise = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, i) => 2 * Math.sin(12.9 * i + 78.2 * seed + 1));
const matrix = (height: number, columns: number, seed: number): tf.Tensor2D =>
  tf.tensor2d(noise(height * columns, seed), [height, columns]);

const counts = Array.from({ length: classes }, (_, c) => 1 + ((c * 7) % 11));
const weights = counts.map((n) => 3 / (2 + n));
const ids = Int32Array.from([3, 22, 0, 11, 7, 22]);
const soft = Array.from({ length: rows }, (_, row) => counts.map((n, c) => (c % (row + 2) === 0 ? n / 100 : 0)));
const teacherLogits = Array.from({ length: rows }, (_, row) => noise(classes, 5 + row));
/** A teacher of which only the highest logits were kept. */
const sparseTeacher = teacherLogits.map((row) => row.map((z) => (z > 1 ? z : Number.NEGATIVE_INFINITY)));

type AnyLinear = Parameters<typeof compileLinear>[0];
interface Case {
  readonly loss: AnyLinear;
  readonly batch?: Partial<LinearBatch>;
}

const summed = (loss: unknown): AnyLinear => sum(loss as typeof crossEntropy);
const temperatureOf = (name: string): typeof crossEntropy => pipe(crossEntropy, temperature(parameter(name, 1.5)));

const cases: Readonly<Record<string, Case>> = {
  "two views, one with a bias": {
    loss: summed(
      pipe(crossEntropy, softcap(3), logitAdjustment(fromCounts(counts)), add(pipe(crossEntropy, zLoss(0.1)))),
    ),
  },
  "weighted smoothing": { loss: pipe(crossEntropy, labelSmoothing(0.1), classWeights(weights)) },
  "an entropy and a learnt temperature": { loss: summed(pipe(temperatureOf("t"), confidencePenalty(0.7))) },
  "soft labels": { loss: pipe(crossEntropy, classWeights(weights)), batch: { labels: soft } },
  "a divergence from soft labels": { loss: klDivergence, batch: { labels: soft } },
  "a sum that is not linear in nll": {
    loss: pipe(crossEntropy, softcap(4), focal({ gamma: 2 }), labelSmoothing(0.2)),
  },
  "focal soft labels and a learnt temperature": {
    loss: pipe(temperatureOf("u"), focal({ gamma: 1.5 })),
    batch: { labels: soft },
  },
  "a teacher": { loss: pipe(crossEntropy, add(distillation({ temperature: 2 }))), batch: { teacher: teacherLogits } },
  "a teacher of few classes": { loss: distillation(), batch: { teacher: sparseTeacher } },
  candidates: { loss: summed(pipe(temperatureOf("v"), unlikelihood({ weight: 0.5 }))) },
  "a mean over the batch": { loss: language.lossOf(multiply(nll, batchMean(nll))) },
  "rows that are left out": {
    loss: pipe(crossEntropy, ignoreIndex(22)),
    batch: { labels: soft.map((_, row) => ids[row]), sampleWeight: [1, 1, 0, 2, 0.5, 1] },
  },
  "soft labels of rows that are left out": {
    loss: crossEntropy,
    batch: { labels: soft, mask: [true, false, false, false, false, true] },
  },
  "one number a row": { loss: perToken(pipe(crossEntropy, confidencePenalty(0.1))) },
};

interface Outcome {
  readonly value: readonly number[];
  readonly gradients: readonly (readonly number[])[];
}

/** Value and gradients of hidden states, kernel, bias and what the loss itself trains. */
async function outcomeOf({ loss, batch = {} }: Case, options: CompileLinearOptions, bias: number[]): Promise<Outcome> {
  const compiled = compileLinear(loss, options);
  const kernel = matrix(width, classes, 2);
  const inputs = [
    matrix(rows, width, 1),
    options.kernelShape === "[V, D]" ? tf.transpose(kernel) : kernel,
    tf.tensor1d(bias),
  ];
  const variables = inputs.map((x) => tf.variable(x));
  const [hidden, k, b] = variables;
  const run = (): tf.Tensor => compiled({ labels: ids, ...batch, hidden, kernel: k, bias: b });
  const value = run();
  const trained = [...variables, ...compiled.variables.values()];
  const { grads } = tf.variableGrads(() => run().sum() as tf.Scalar, trained);
  const gradients = await Promise.all(trained.map(async ({ name }) => [...(await grads[name].data())]));
  const outcome = { value: [...(await value.data())], gradients };
  tf.dispose([kernel, inputs, trained, value, grads]);
  compiled.dispose();
  return outcome;
}

/** The largest distance, of the largest number there is; numbers that are not finite have to be the same. */
function errorOf(actual: readonly number[], expected: readonly number[]): number {
  const finite = expected.filter(Number.isFinite);
  const largest = Math.max(1e-30, ...finite.map(Math.abs));
  return Math.max(
    ...expected.map((x, i) =>
      Object.is(x, actual[i]) ? 0 : Number.isFinite(x) ? Math.abs(x - actual[i]) / largest : 1,
    ),
  );
}

async function farFromWhole(
  tiles: readonly CompileLinearOptions[],
  bias: number[],
  among: (name: string) => boolean = () => true,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [name, one] of Object.entries(cases)) {
    if (!among(name)) continue;
    const expected = await outcomeOf(one, {}, bias);
    for (const options of tiles) {
      const actual = await outcomeOf(one, options, bias);
      const turned = options.kernelShape === "[V, D]" ? turn(actual.gradients[1]) : actual.gradients[1];
      const gradients = actual.gradients.map((x, i) => (i === 1 ? turned : x));
      const errors = [
        errorOf(actual.value, expected.value),
        ...expected.gradients.map((x, i) => errorOf(gradients[i], x)),
      ];
      if (!errors.every((error) => error <= 2e-5)) found.push(`${name}, ${JSON.stringify(options)}: ${errors}`);
    }
  }
  return found;
}

/** A gradient [V, D] as [D, V]. */
function turn(values: readonly number[]): readonly number[] {
  return Array.from({ length: width * classes }, (_, at) => values[(at % classes) * width + Math.floor(at / classes)]);
}

const plainBias = noise(classes, 3);
const without =
  (isNone: (c: number) => boolean) =>
  (b: number, c: number): number =>
    isNone(c) ? Number.NEGATIVE_INFINITY : b;
/** As of a vocabulary with classes that are none: some tiles have no other. */
const paddedBias = plainBias.map(without((c) => c > 11 && c < 21));
/** The same with the finite number that often stands for −∞. */
const maskedBias = paddedBias.map((b) => (b === Number.NEGATIVE_INFINITY ? -1e30 : b));
/** Some rows have such a label. */
const lostBias = plainBias.map(without((c) => c === 22 || (c > 11 && c < 21)));

/** Tiles of one column are among the random draws. */
const everyTile: readonly CompileLinearOptions[] = [
  { tileColumns: 5, tileRows: 4, kernelShape: "[V, D]" },
  { tileColumns: 22 },
];
/** Of as many columns as there are of −∞ in some of them. */
const tilesOfNone: readonly CompileLinearOptions[] = [{ tileColumns: 3, tileRows: 4 }];

for (const backend of backends) {
  describe(`tiles of columns, ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("give what whole rows give", async () => {
      expect(await farFromWhole(everyTile, plainBias)).toEqual([]);
    });

    test("give it where tiles of some rows are −∞", async () => {
      expect(await farFromWhole(tilesOfNone, paddedBias)).toEqual([]);
      const readsNone = ["two views, one with a bias", "an entropy and a learnt temperature", "candidates"];
      expect(await farFromWhole(tilesOfNone, maskedBias, (name) => readsNone.includes(name))).toEqual([]);
      // What an infinite mean does to the gradients of other rows is no number.
      expect(await farFromWhole(tilesOfNone, lostBias, (name) => name !== "a mean over the batch")).toEqual([]);
    });

    test("show NaN where whole rows do", async () => {
      const loss = compileLinear(pipe(crossEntropy, perToken), { tileColumns: 5 });
      for (const spoilt of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const bias = tf.tensor1d(plainBias.map((b, c) => (c === 9 ? spoilt : b)));
        const batch = { hidden: matrix(rows, width, 1), kernel: matrix(width, classes, 2), bias, labels: ids };
        expect([...(await loss(batch).data())].every(Number.isNaN)).toBe(true);
      }
      const none = tf.fill<tf.Rank.R1>([classes], Number.NEGATIVE_INFINITY);
      const batch = { hidden: matrix(rows, width, 1), kernel: matrix(width, classes, 2), bias: none, labels: ids };
      expect([...(await loss(batch).data())].every(Number.isNaN)).toBe(true);
      loss.dispose();
    });

    test("no row, and no row that is read, give 0 and no gradient", () => {
      for (const loss of [
        pipe(crossEntropy, ignoreIndex(1)),
        pipe(language.lossOf(divide(nll, batchMean(nll))), ignoreIndex(1)),
      ]) {
        const compiled = compileLinear(loss, { tileColumns: 7 });
        for (const count of [0, 3]) {
          const labels = new Int32Array(count).fill(1);
          const of = (hidden: tf.Tensor, kernel: tf.Tensor): tf.Tensor => compiled({ hidden, kernel, labels });
          const { value, grads } = tf.valueAndGrads(of)([tf.ones([count, width]), matrix(width, classes, 2)]);
          expect(value.dataSync()[0]).toBe(0);
          expect(grads.map(({ shape }) => shape)).toEqual([
            [count, width],
            [width, classes],
          ]);
          for (const gradient of grads) expect([...gradient.dataSync()].every((g) => g === 0)).toBe(true);
        }
        compiled.dispose();
      }
    });

    test("four products a tile in one sweep, five in two, and one more for sums that are not linear in nll", () => {
      const tiles = 2 * Math.ceil(classes / 5);
      const work = (loss: AnyLinear): number => {
        const compiled = compileLinear(loss, { tileColumns: 5, tileRows: 3 });
        const of = (hidden: tf.Tensor, kernel: tf.Tensor): tf.Tensor => compiled({ hidden, kernel, labels: ids }).sum();
        const made = multiplications(() =>
          tf.dispose(tf.grads(of)([matrix(rows, width, 1), matrix(width, classes, 2)])),
        );
        compiled.dispose();
        return made.length / tiles;
      };
      expect(work(pipe(crossEntropy, zLoss(0.1)))).toBe(4);
      expect(work(perToken(crossEntropy))).toBe(5);
      expect(work(pipe(crossEntropy, focal({ gamma: 2 }), labelSmoothing(0.2)))).toBe(5);
      expect(work(perToken(pipe(crossEntropy, focal({ gamma: 2 }), labelSmoothing(0.2))))).toBe(7);
    });

    test("peak bytes beside inputs and gradients do not grow with the classes, but for one more kernel", () => {
      const [count, tileRows, tileColumns] = [16, 16, 500];
      const compiled = compileLinear(pipe(crossEntropy, labelSmoothing(0.1)), { tileRows, tileColumns });
      const peakOf = (many: number, frozen: LinearBatch["frozen"]): number => {
        const inputs = [matrix(count, width, 1), matrix(width, many, 2)];
        const labels = Int32Array.from({ length: count }, (_, row) => (row * 31) % many);
        const of = (hidden: tf.Tensor, kernel: tf.Tensor): tf.Tensor =>
          compiled({ hidden, kernel, labels, ...(frozen === undefined ? {} : { frozen }) });
        const step = (): void =>
          frozen === undefined
            ? tf.dispose(tf.grads(of)(inputs))
            : tf.dispose(tf.grad((hidden: tf.Tensor) => of(hidden, inputs[1]))(inputs[0]));
        // The first call makes what is made once.
        step();
        const peak = peakBytes(step);
        tf.dispose(inputs);
        return peak;
      };
      const tile = 4 * tileRows * tileColumns;
      const part = 4 * width * tileColumns;
      const kernel = 4 * width * 8000;
      const numbersOfTiles = 30 * 4 * tileRows * (8000 / tileColumns);
      expect(peakOf(8000, ["kernel"])).toBeLessThan(2.2 * tile + 2 * part + numbersOfTiles);
      expect(peakOf(8000, ["kernel"]) - peakOf(2000, ["kernel"])).toBeLessThan(numbersOfTiles);
      expect(peakOf(8000, undefined)).toBeLessThan(2 * kernel + 2.2 * tile + 2 * part + numbersOfTiles);
      compiled.dispose();
    });

    test("what needs whole rows is told so", () => {
      const batch = { hidden: matrix(rows, width, 1), kernel: matrix(width, classes, 2), labels: ids };
      const compiled = compileLinear(entmax(), { tileColumns: 5 });
      expect(lossErrorOf(() => compiled(batch))).toContain("entmax, which needs whole rows of 23 logits");
      expect(lossErrorOf(() => compiled(batch))).toContain("Leave tileColumns out");
      const whole = compileLinear(entmax(), { tileColumns: 23 });
      expect(Number.isFinite(whole(batch).dataSync()[0])).toBe(true);
      compiled.dispose();
      whole.dispose();
    });

    test("explain says the tiles, and the bytes", () => {
      const sizes = { rows: 1024, width: 256, classes: 50257, tileRows: 512, tileColumns: 10_000 };
      const text = explain(crossEntropy, { linear: sizes });
      expect(text).toContain(
        "2 blocks of at most 512 rows, in 6 tiles of at most 10000 columns, [512, 10000] logits each",
      );
      expect(text).toContain("four products a block, whose tiles are made again for their gradient");
      expect(text).toContain("peak, beside inputs and their gradients: 51.5 MB");
      expect(explain(perToken(crossEntropy), { linear: sizes })).toContain("five products");
      const smoothed = pipe(crossEntropy, focal({ gamma: 2 }), labelSmoothing(0.2));
      expect(explain(smoothed, { linear: sizes })).toContain("five products");
      expect(explain(perToken(smoothed), { linear: sizes })).toContain("seven products");
      expect(lossErrorOf(() => explain(entmax(), { linear: sizes }))).toContain("whole rows");
    });
  });
}

test("tiles of columns by ordinary ops give what whole rows give", async () => {
  await behindGlass(async () => {
    expect(await farFromWhole(tilesOfNone, paddedBias)).toEqual([]);
  });
});

/** Runs `body` on a device that binds so many bytes at once: webgpu where it is there, or cpu in its place. */
async function withLimit(bytes: number, body: () => Promise<void>): Promise<void> {
  if (gpuBackends.length > 0) {
    await useBackend("webgpu");
    const { device } = tf.backend() as unknown as { device: { limits: object } };
    const own = device.limits;
    const limits = new Proxy(own, {
      get: (of, name) =>
        name === "maxStorageBufferBindingSize" || name === "maxBufferSize" ? bytes : Reflect.get(of, name, of),
    });
    Object.defineProperty(device, "limits", { value: limits, configurable: true });
    await body().finally(() => Object.defineProperty(device, "limits", { value: own, configurable: true }));
    return;
  }
  await useBackend("cpu");
  const limits = { maxStorageBufferBindingSize: bytes, maxBufferSize: bytes };
  const limited: tf.KernelBackend = Object.create(tf.backend(), { device: { value: { limits } } });
  tf.registerBackend("webgpu", () => limited);
  tf.copyRegisteredKernels("cpu", "webgpu");
  await tf.setBackend("webgpu");
  await body().finally(async () => {
    await useBackend("cpu");
    tf.removeBackend("webgpu");
    for (const { kernelName } of tf.getKernelsForBackend("webgpu")) tf.unregisterKernel(kernelName, "webgpu");
  });
}

test("a device that does not bind a block of rows gets tiles of columns", async () => {
  const one = cases["weighted smoothing"];
  await useBackend("cpu");
  const expected = await outcomeOf(one, {}, plainBias);
  // The kernel has 92 numbers, and the logits 138.
  await withLimit(4 * 100, async () => {
    const batch = { hidden: matrix(rows, width, 1), kernel: matrix(width, classes, 2), labels: ids };
    const compiled = compileLinear(one.loss, { tileRows: 512 });
    const made = multiplications(() => compiled(batch).dispose());
    expect(made.map(({ shape }) => shape)).toEqual([
      [rows, 12],
      [rows, 11],
    ]);
    expect(explain(crossEntropy, { linear: { rows, width, classes, tileRows: 512 } })).toContain("in 2 tiles");
    // What takes webgpu's place is no backend to compute on.
    if (gpuBackends.length > 0) {
      const actual = await outcomeOf(one, { tileRows: 512 }, plainBias);
      expect(errorOf(actual.value, expected.value)).toBeLessThan(2e-5);
      actual.gradients.forEach((gradient, i) => {
        expect(errorOf(gradient, expected.gradients[i])).toBeLessThan(2e-5);
      });
    }
    const whole = compileLinear(entmax(), { tileRows: 512 });
    expect(lossErrorOf(() => whole(batch))).toContain("Give tileRows of at most 4");
    for (const loss of [compiled, whole]) loss.dispose();
    tf.dispose([batch.hidden, batch.kernel]);
  });
});

if (gpuBackends.length > 0) {
  test("tiles of columns give on webgpu what whole rows give", async () => {
    await useBackend("webgpu");
    const some = [
      "two views, one with a bias",
      "a sum that is not linear in nll",
      "a teacher of few classes",
      "candidates",
    ];
    expect(await farFromWhole(tilesOfNone, paddedBias, (name) => some.includes(name))).toEqual([]);
  });
}

describe("the sizes of tiles", () => {
  const mebibytes = (n: number): number => n * 2 ** 20;
  const batch = { rows: 4096, classes: 128_256 };

  test("are those of 8 MiB of logits, and of what the device binds", () => {
    expect(tileSizes(batch, {}, null, null)).toEqual({ rows: 16, columns: 128_256 });
    expect(tileSizes(batch, {}, mebibytes(128), null)).toEqual({ rows: 16, columns: 128_256 });
    expect(tileSizes(batch, { tileRows: 512 }, null, null)).toEqual({ rows: 512, columns: 128_256 });
    // Two tiles of 125.25 MiB.
    expect(tileSizes(batch, { tileRows: 512 }, mebibytes(128), null)).toEqual({ rows: 512, columns: 64_128 });
    expect(tileSizes({ ...batch, rows: 100 }, { tileRows: 512 }, mebibytes(128), null)).toEqual({
      rows: 100,
      columns: 128_256,
    });
    expect(tileSizes(batch, { tileColumns: 8192 }, null, null)).toEqual({ rows: 256, columns: 8192 });
    expect(tileSizes(batch, { tileColumns: 200_000 }, null, null)).toEqual({ rows: 16, columns: 128_256 });
    const large = { rows: 64, classes: 20_000_000 };
    const tiles = tileSizes(large, {}, mebibytes(128), null);
    expect(tiles).toEqual({ rows: 4, columns: 6_666_668 });
    expect(tileSizes(large, {}, mebibytes(128), "entmax")).toEqual({ rows: 1, columns: 20_000_000 });
    expect(tileSizes(large, { tileColumns: 16_777_216 }, mebibytes(128), null)).toEqual({
      rows: 2,
      columns: 16_777_216,
    });
  });

  test("that cannot be are told the largest that can", () => {
    const told = (options: CompileLinearOptions, needsWhole: string | null): string =>
      lossErrorOf(() => tileSizes(batch, options, mebibytes(128), needsWhole));
    expect(told({ tileRows: 512 }, "entmax")).toContain("Give tileRows of at most 261");
    expect(told({ tileRows: 262 }, "entmax")).toContain("Give tileRows of at most 261");
    expect(told({ tileRows: 261 }, "entmax")).toBe("no error");
    expect(told({ tileColumns: 5 }, "entmax")).toContain("a smaller tileRows of at most 261");
    expect(told({ tileRows: 512, tileColumns: 100_000 }, null)).toContain("Give tileColumns of at most 65536");
    expect(lossErrorOf(() => tileSizes(batch, {}, 1000, "entmax"))).toContain("a device that binds 513024 bytes");
  });
});
