/** The WebGPU row kernels against the same formulas in float64, where there is a GPU or a software driver for one. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import type { RowStatistics, RowStatisticsKernel, ViewInput, WideInput } from "../../lib/kernels/rowStatistics.ts";
import { packedColumns } from "../../lib/kernels/webgpu/columns.ts";
import { partsOfForward, spanOf } from "../../lib/kernels/webgpu/parts.ts";
import {
  webgpuRowStatistics as kernel,
  packedStatistics,
  webgpuKernel,
} from "../../lib/kernels/webgpu/rowStatistics.ts";
import { awaitKernel, compare, inputOf, newReport, type Outcome } from "../browser/checkKernel.ts";
import { confidentCases, confidentRows, gaps, gradientFault } from "../browser/confidentRows.ts";
import {
  type DotCase,
  everyKindOfRow,
  filled,
  normal,
  plainView,
  type RowCase,
  type RowValues,
  randomCase,
  randomCotangents,
  randomLogits,
  randomNumbers,
  statistics,
  type ViewCase,
  vocabularyRows,
} from "../browser/rowCases.ts";
import { expectNoDeviceErrors, hasWebGPU, startWebGPU } from "../support/webgpu.ts";

const nllView: ViewInput = { of: "logits", scale: 1, cap: null, bias: 0, wanted: new Set(["n"]), dots: [] };

const tolerance = 2e-6;

async function run(given: RowCase, cotangents: RowValues, kernelOf = kernel): Promise<Outcome> {
  const outcome = await awaitKernel(kernelOf, given, cotangents);
  expectNoDeviceErrors();
  expect(outcome.gradient.length).toBe(given.rows * given.classes);
  return outcome;
}

async function check(given: RowCase, cotangents: RowValues, kernelOf = kernel): Promise<void> {
  const report = newReport();
  compare(await run(given, cotangents, kernelOf), given, cotangents, report, tolerance, "exact");
  expect(report.failures).toEqual([]);
  for (const [name, error] of Object.entries(report.worst))
    expect(`${name}: ${error <= tolerance}`).toBe(`${name}: true`);
}

async function checkWithRandomCotangents(given: RowCase, seed = 1, kernelOf = kernel): Promise<void> {
  await check(given, randomCotangents(given, randomNumbers(seed)), kernelOf);
}

/** The kernel that reads each row in so many parts. */
function inParts(parts: number): RowStatisticsKernel {
  return webgpuKernel({ partsOf: () => parts, subgroups: false });
}

/** With a teacher that is as confident as the logits are, agrees with them in some rows, or is the logits themselves. */
function withConfidentTeacher(given: RowCase, seed: number): RowCase {
  if (given.teacher === null) return given;
  const random = randomNumbers(seed);
  if (random() < 0.2) return { ...given, teacher: given.logits };
  const { rows, classes } = given;
  const teacher = randomLogits(rows, classes, random, ["normal", "confident"]);
  for (let row = 0; row < rows; row++) {
    if (random() < 0.4) teacher.set(given.logits.subarray(row * classes, (row + 1) * classes), row * classes);
  }
  return { ...given, teacher };
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
    for (let seed = 0; seed < 30; seed++) {
      const classes = random() < 0.5 ? 1 + Math.floor(40 * random()) : sizes[Math.floor(sizes.length * random())];
      const given = withConfidentTeacher(randomCase(Math.floor(6 * random()), classes, seed), seed);
      await checkWithRandomCotangents(given, seed).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${error}`);
      });
    }
  });

  test("cross entropy of every size and kind of row", async () => {
    for (const classes of sizes) {
      const random = randomNumbers(classes);
      for (const [i, given] of everyKindOfRow(classes, classes > 1000 ? 1 : 3, random).entries()) {
        await checkWithRandomCotangents(given, i + 1);
      }
    }
  });

  test("large vocabularies", async () => {
    for (const classes of [50257, 262143]) {
      const random = randomNumbers(classes);
      const given = vocabularyRows(classes, random);
      await checkWithRandomCotangents(given);
      const dots: DotCase[] = [{ weights: "ones", table: null, times: "logits" }];
      const bias = filled(classes, () => normal(random) - 8);
      await checkWithRandomCotangents({
        ...given,
        views: [{ ...plainView, wanted: statistics, cap: 30, bias, dots }],
      });
    }
  });

  test("a large vocabulary with soft targets and a teacher that are spread over it", async () => {
    const classes = 20_000;
    const random = randomNumbers(classes);
    const given = vocabularyRows(classes, random);
    const targets = filled(3 * classes, () => (2 * random()) / classes);
    const teacher = filled(3 * classes, () => normal(random));
    const dots = (["targets", 1] as const).map((weights): DotCase => ({ weights, table: null, times: "nll" }));
    for (const wanted of ["n", "s"] as const) {
      for (const kernelOf of [kernel, inParts(1)]) {
        const views: ViewCase[] = [
          { ...plainView, wanted: [wanted], dots },
          { ...plainView, of: "teacher", wanted: ["s"] },
        ];
        for (const name of ["dot 0", "dot 1"]) {
          await check({ ...given, targets, teacher, views }, [{ [name]: Float32Array.of(1, -1, 0.5) }, {}], kernelOf);
        }
      }
    }
  });

  test("rows in parts: any case at all is as in float64", async () => {
    const random = randomNumbers(11);
    for (let seed = 100; seed < 124; seed++) {
      const classes = random() < 0.5 ? 17 + Math.floor(120 * random()) : 17 + Math.floor(3000 * random() ** 2);
      const parts = 2 + Math.floor(12 * random() ** 2);
      const given = withConfidentTeacher(randomCase(1 + Math.floor(5 * random()), classes, seed), seed);
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
      for (const [i, given] of everyKindOfRow(classes, 2, random).entries()) {
        await checkWithRandomCotangents(given, i + 1, inParts(parts));
        // Labels at the beginning and near it.
        const labels = given.labels?.map((label, row) => (row < 4 ? row : label));
        if (labels) await checkWithRandomCotangents({ ...given, labels }, i + 4, inParts(parts));
      }
    }
  });

  test("rows in parts: a teacher whose likely classes are in another part than the entries of −∞", async () => {
    const [rows, classes] = [2, 64];
    // Of the first row the entries of −∞ have a probability that float32 has not; of the second they have one.
    const teacher = filled(rows * classes, (i) => (i % classes < 48 ? 0 : i < classes ? -200 : -20));
    const logits = filled(rows * classes, (i) => (i % classes < 48 ? Math.sin(i) : -Infinity));
    for (const labels of [null, Int32Array.of(3, 47)]) {
      const dots: DotCase[] = [{ weights: 1, table: null, times: "nll" }];
      const wanted = labels === null ? (["s"] as const) : (["n"] as const);
      const views: ViewCase[] = [
        { ...plainView, wanted, dots },
        { ...plainView, of: "teacher", wanted },
      ];
      const given: RowCase = { rows, classes, logits, teacher, labels, targets: null, valid: null, views };
      await check(given, [{ "dot 0": Float32Array.of(1, 0) }, {}], inParts(4));
      const outcome = await run(given, [{}, {}], inParts(4));
      expect([...outcome.values[0]["dot 0"]].map(Number.isFinite)).toEqual([true, false]);
    }
  });

  test("rows in parts: a part of nothing but −∞, where targets and a teacher have weights", async () => {
    const [rows, classes] = [3, 64];
    const random = randomNumbers(3);
    const dots = (["targets", 1] as const).map((weights): DotCase => ({ weights, table: null, times: "nll" }));
    for (const wanted of ["n", "s"] as const) {
      const given: RowCase = {
        ...{ rows, classes, valid: null, labels: Int32Array.of(0, 20, 63) },
        logits: filled(rows * classes, (i) => (i % classes < 16 ? -Infinity : normal(random))),
        teacher: filled(rows * classes, () => normal(random)),
        targets: filled(rows * classes, () => (2 * random()) / classes),
        views: [
          { ...plainView, wanted: [wanted, "e"], dots },
          { ...plainView, of: "teacher", wanted: ["s"] },
        ],
      };
      for (const name of ["dot 0", "dot 1"]) {
        const cotangents = [{ [name]: filled(rows, () => 1) }, {}];
        await check(given, cotangents, inParts(4));
        const outcome = await run(given, cotangents, inParts(4));
        expect([...outcome.values[0][name]]).toEqual([Infinity, Infinity, Infinity]);
      }
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
        views: [plainView],
      });
    }
  });

  for (const [path, classes, kernelOf] of [
    ["whole rows", 600, kernel],
    ["rows in parts", 600, inParts(5)],
    ["short rows", 13, kernel],
    ["rows of one invocation", 3, kernel],
  ] as const) {
    test(`the gradients of entropy and cross entropy keep their digits for confident rows: ${path}`, async () => {
      for (const gap of path === "whole rows" ? gaps : [5, 12, 30]) {
        for (const confident of confidentCases(classes, gap)) {
          const { given, cotangents } = confident;
          expect(gradientFault(confident, await run(given, cotangents, kernelOf), tolerance)).toBeNull();
        }
      }
    });
  }

  test("a label that one view leaves out and another does not", async () => {
    for (const [classes, kernelOf] of [
      [5, kernel],
      [70, kernel],
      [1100, kernel],
      [70, inParts(3)],
      [1100, inParts(9)],
    ] as const) {
      const random = randomNumbers(classes);
      const rows = 12;
      const { targets } = confidentRows(rows, classes, 5, random);
      const given: RowCase = withConfidentTeacher(
        {
          ...{ rows, classes, valid: null, targets },
          logits: randomLogits(rows, classes, random, ["normal", "wide", "confident", "with −∞"]),
          teacher: new Float32Array(rows * classes),
          labels: Int32Array.from({ length: rows }, () => Math.floor(classes * random())),
          views: [],
        },
        classes,
      );
      const dots = [
        { weights: "ones", table: filled(classes, random), times: "logits" } as const,
        ...(["targets", 2] as const).flatMap((weights) =>
          (["nll", "nothing"] as const).map((times): DotCase => ({ weights, table: filled(classes, random), times })),
        ),
      ];
      for (const ofTeacher of [["n"], ["s"]] as const) {
        const views: ViewCase[] = [
          { ...plainView, wanted: ["n", "r", "e"], dots },
          { ...plainView, scale: 0.5, wanted: ["m", "s", "e"], dots },
          { ...plainView, of: "teacher", wanted: ofTeacher },
        ];
        await checkWithRandomCotangents({ ...given, views }, 5, kernelOf);
      }
    }
  });

  test("more workgroups than one dimension of a dispatch has", async () => {
    const backend = tf.backend() as unknown as { device: GPUDevice };
    const { device } = backend;
    const random = randomNumbers(5);
    const [rows, classes] = [33, 600];
    const given: RowCase = {
      ...{ rows, classes, logits: randomLogits(rows, classes, random), valid: null, targets: null, teacher: null },
      ...{ labels: Int32Array.from({ length: rows }, () => Math.floor(classes * random())), views: [plainView] },
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
      const dots = [
        ...[1, 2].map((): DotCase => ({ weights: "ones", table: filled(classes, random), times: "logits" })),
        ...(["targets", 2] as const).flatMap((weights) =>
          (["nll", "nothing"] as const).map((times): DotCase => ({ weights, table: filled(classes, random), times })),
        ),
      ];
      const view: ViewCase = {
        ...plainView,
        scaleOnDevice: true,
        bias: filled(classes, random),
        wanted: statistics,
        dots,
      };
      const given: RowCase = {
        ...{ rows, classes, logits, valid: Uint8Array.of(1, 1, 0, 1), targets: logits, teacher: logits },
        labels: new Int32Array(rows).fill(classes - 1),
        views: [
          { ...view, scale: 0.5 },
          { ...view, cap: 20, bias: filled(classes, random) },
          { ...view, of: "teacher", scale: 0.25, dots: [] },
        ],
      };
      await checkWithRandomCotangents(given);
      if (classes > 16) await checkWithRandomCotangents(given, 2, inParts(2));
    }
  });

  test("NaN cotangents and rows without weight", async () => {
    const [rows, classes] = [4, 9];
    const logits = filled(rows * classes, (i) => Math.sin(i));
    logits[2 * classes + 3] = NaN;
    const given: RowCase = {
      ...{ rows, classes, logits, labels: Int32Array.of(0, 1, 2, 8), valid: null, targets: null, teacher: null },
      views: [plainView, { ...plainView, cap: 20 }],
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
    const dots: DotCase[] = [{ weights: "ones", table: Float32Array.of(0, 1, 2, 0), times: "logits" }];
    for (const bias of [0, Float32Array.of(-24, 0.25, -12.5, 11.75)]) {
      const view: ViewCase = { ...plainView, scale: 1.5, cap: 12.4, bias, wanted: statistics, dots };
      await checkWithRandomCotangents({ ...shared, views: [view] }, 2);
    }
  });

  test("a teacher's row without statistics, and dots by it whose cotangent is 0", async () => {
    const [rows, classes] = [3, 5];
    const teacher = filled(rows * classes, (i) => (i === 1 ? NaN : i >= 10 ? -Infinity : i / 3));
    const dots: DotCase[] = [{ weights: 1, table: null, times: "nll" }];
    const given: RowCase = {
      ...{ rows, classes, logits: filled(rows * classes, Math.sin), teacher, labels: Int32Array.of(0, 1, 2) },
      ...{
        targets: null,
        valid: null,
        views: [
          { ...plainView, dots },
          { ...plainView, of: "teacher" },
        ],
      },
    };
    await check(given, [{ n: Float32Array.of(1, 1, 1), "dot 0": Float32Array.of(0, 1, 0) }, {}]);
    const outcome = await run(given, [{ n: Float32Array.of(1, 1, 1), "dot 0": Float32Array.of(1, 1, 0) }, {}]);
    expect(outcome.gradient.findIndex((x) => !Number.isNaN(x))).toBe(classes);
    expect(outcome.gradient.subarray(classes).some(Number.isNaN)).toBe(false);
  });

  test("the packed tensor holds each statistic in its column", async () => {
    const given = randomCase(5, 33, 3);
    const input = tf.tidy(() => inputOf(given) as unknown as tf.TensorContainer) as unknown as WideInput;
    const { views, count } = packedColumns(input);
    const tensors = tf.tidy(
      () => ({ packed: packedStatistics(input), known: kernel.forward(input) }) as unknown as tf.TensorContainer,
    ) as unknown as {
      packed: tf.Tensor2D;
      known: readonly RowStatistics[];
    };
    const packed = await tensors.packed.data();
    for (const [v, view] of given.views.entries()) {
      const { dots, ...named } = tensors.known[v];
      const columns = [
        ...view.wanted.map((name) => [named[name], views[v][name]] as const),
        ...dots.map((dot, k) => [dot, views[v].dots[k]] as const),
      ];
      for (const [tensor, column] of columns) {
        const values = Float32Array.from({ length: given.rows }, (_, row) => packed[row * count + (column as number)]);
        expect(await tensor?.data()).toEqual(values);
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
