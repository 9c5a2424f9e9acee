/** The conformance suite can fail: a wrong kernel, a leak, a backend that sees less, and a tolerance of nothing are told. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs";
import { useBackend } from "lossmith";
import { chooseKernel } from "../../lib/kernels/choose.ts";
import type { RowStatisticsKernel } from "../../lib/kernels/rowStatistics.ts";
import { goldens } from "../support/goldens.ts";
import { run } from "../support/runtimes.ts";
import { amountFor, type Cell, cells, inOrder, nameOf, seedOf } from "./cells.ts";
import { parseOptions } from "./options.ts";
import { failuresOf, page, summary } from "./report.ts";
import type { Outcome } from "./runCell.ts";
import { chunk, compositions } from "./suite/compositions.ts";
import { edges } from "./suite/edges.ts";
import { golden } from "./suite/golden.ts";
import { leaks } from "./suite/leaks.ts";
import { type PartResult, Tally } from "./suite/tally.ts";
import { exactCurve, trainedCurve, training } from "./suite/training.ts";
import { wrongInput } from "./suite/wrongInput.ts";

const noWatch = (): void => {};
const draws = { seed: 1, count: 30, only: null, tolerance: 2e-5, command: "again" };
const fewEdges = { classes: [5], random: 2, vocabularies: [], spoilt: [3, 17] };

/** Runs `body` on a backend like cpu whose exp is another. */
async function withExp(exp: (x: number) => number, body: () => Promise<void>): Promise<void> {
  await useBackend("cpu");
  const cpu = tf.backend();
  tf.registerBackend("broken", () => Object.create(cpu) as tf.KernelBackend);
  for (const kernel of tf.getKernelsForBackend("cpu")) {
    const { kernelName, kernelFunc } = kernel;
    const wrong: tf.KernelFunc = (parameters) => {
      const result = kernelFunc(parameters) as tf.TensorInfo;
      const values = cpu.readSync(result.dataId) as Float32Array;
      values.forEach((x, i) => {
        values[i] = exp(x);
      });
      return result;
    };
    tf.registerKernel({ ...kernel, backendName: "broken", kernelFunc: kernelName === "Exp" ? wrong : kernelFunc });
  }
  await tf.setBackend("broken");
  try {
    await body();
  } finally {
    await useBackend("cpu");
    tf.removeBackend("broken");
    for (const { kernelName } of tf.getKernelsForBackend("broken")) tf.unregisterKernel(kernelName, "broken");
  }
}

function expectFailed({ failed, failures }: PartResult): void {
  expect(failed).toBeGreaterThan(0);
  expect(failures.length).toBe(Math.min(failed, 10));
}

/** The reference's, the backend's, and the two against each other. */
const numbers = 3 * goldens.length;

describe("a wrong kernel", () => {
  test("fails the golden numbers, the compositions and the training, and counts them", async () => {
    await withExp(
      (x) => 1.01 * x,
      async () => {
        const published = await golden();
        expectFailed(published);
        expect(published.passed + published.failed).toBe(numbers);
        // The reference's own are right.
        expect(published.passed).toBeGreaterThanOrEqual(goldens.length);
        expect(published.maxError).toBeGreaterThan(1e-3);

        const composed = await compositions(draws, noWatch);
        expectFailed(composed);
        expect(composed.passed + composed.failed).toBe(30);
        expect(composed.maxError).toBeGreaterThan(1e-3);
        expect(composed.failures[0]).toMatch(/^loss = [\s\S]*drawn as [\s\S]*again --seed 1 --draw \d+/);

        expectFailed(training(await trainedCurve(), exactCurve(), "in float64"));
      },
    );
  });

  test("that gives NaN has the largest error there is", async () => {
    await withExp(
      () => Number.NaN,
      async () => {
        const published = await golden();
        expectFailed(published);
        expect(published.maxError).toBe(Number.MAX_VALUE);
      },
    );
  });

  test("that is as right as cpu's passes, which shows that it is the kernel that fails", async () => {
    await withExp(
      (x) => x,
      async () => {
        expect(await golden()).toMatchObject({ passed: numbers, failed: 0, failures: [] });
        expect(await compositions(draws, noWatch)).toMatchObject({ passed: 30, failed: 0, failures: [] });
        expect(training(await trainedCurve(), exactCurve(), "in float64").failed).toBe(0);
      },
    );
  });

  test("that takes the place of the backend's own fails the edges", async () => {
    await withExp(
      (x) => x,
      async () => {
        const found = await edges(fewEdges, 1, noWatch);
        expectFailed(found);
        expect(found.failures[0]).toContain("the fused kernel of broken is not used");
      },
    );
  });
});

describe("on cpu", () => {
  beforeEach(async () => {
    await useBackend("cpu");
  });

  test("the edges pass", async () => {
    const found = await edges(fewEdges, 1, noWatch);
    expect(found.failures).toEqual([]);
    expect(found.passed).toBeGreaterThan(50);
  });

  test("a fused kernel that is off in the fifth digit fails the edges", async () => {
    const kernel = chooseKernel([], 5).kernel as { forward: RowStatisticsKernel["forward"] };
    const { forward } = kernel;
    kernel.forward = (input) =>
      forward(input).map((of) => ({ ...of, n: of.n === null ? null : (tf.mul(of.n, 1.00001) as tf.Tensor1D) }));
    try {
      const found = await edges(fewEdges, 1, noWatch);
      expectFailed(found);
      expect(found.failures[0]).toMatch(/every kind of row of 5 classes, n: .* n is .* and should be /);
    } finally {
      kernel.forward = forward;
    }
  });

  describe("with a step that keeps a tensor", () => {
    const kept: tf.Tensor[] = [];
    const identity = tf.getKernel("Sum", "cpu");

    beforeEach(() => {
      tf.unregisterKernel("Sum", "cpu");
      tf.registerKernel({
        ...identity,
        kernelFunc: (parameters) => {
          kept.push(tf.keep(tf.scalar(1)));
          return identity.kernelFunc(parameters);
        },
      });
    });
    afterEach(() => {
      tf.unregisterKernel("Sum", "cpu");
      tf.registerKernel(identity);
      tf.dispose(kept);
    });

    test("leaks are found", async () => {
      const found = await leaks(12, { first: 0, oneOf: 1 }, noWatch);
      expectFailed(found);
      expect(found.failures.join()).toContain("numTensors is");
    });
  });

  test("what is refused at a look, and is not looked at, is a failure", async () => {
    await withExp(
      (x) => x,
      async () => {
        // The library cannot know that it may read this backend without waiting.
        const found = await wrongInput(true);
        expect(found.failed).toBe(3);
        const text = found.failures.join();
        expect(text).toContain('label tensor out of range: "no error" does not say row 1, 9');
        expect(text).toContain('logits in place of probabilities, compiled: "no error" does not say logits');
        expect((await wrongInput(false)).failed).toBe(0);
      },
    );
  });

  test("one draw by its number is the same as among the others", async () => {
    const strict = { ...draws, tolerance: 1e-12 };
    const all = await compositions(strict, noWatch);
    expectFailed(all);
    for (const text of all.failures.slice(0, 3)) {
      const only = Number(/--draw (\d+)/.exec(text)?.[1]);
      const one = await compositions({ ...strict, only }, noWatch);
      expect(one.failures).toEqual([text]);
    }
  });
});

test("a tally counts all and tells the first", async () => {
  const tally = new Tally();
  for (let i = 0; i < 25; i++) tally.check(i % 5 === 0, () => `number ${i}`);
  tally.within([1e-7, Number.NaN], 1e-6, () => "a NaN");
  await tally.attempt("what throws", () => {
    throw new Error("thrown");
  });
  const { passed, failed, failures, maxError } = tally.result("a part");
  expect({ passed, failed, maxError }).toEqual({ passed: 5, failed: 22, maxError: Number.MAX_VALUE });
  expect(failures.length).toBe(10);
});

describe("the report", () => {
  const part: PartResult = { name: "golden numbers", passed: 3, failed: 0, failures: [], maxError: 1e-7 };
  const ran = (failed: number): Outcome => ({
    cell: { runtime: "Bun", backend: "cpu" },
    result: {
      version: "1",
      adapter: null,
      parts: [{ ...part, failed, failures: failed > 0 ? ["the first"] : [] }],
    },
    seconds: 1,
  });
  const missing: Outcome = { cell: { runtime: "Node", backend: "webgpu" }, missing: "no driver: apt-get install x" };
  const broken: Outcome = { cell: { runtime: "Deno", backend: "wasm" }, broken: "it crashed" };

  test("a cell without its driver is skipped with a line, and fails on CI", () => {
    expect(summary([ran(0), missing], false)).toMatchObject({ failed: 0, skipped: 1 });
    expect(summary([ran(0), missing], true)).toMatchObject({ failed: 1, skipped: 0 });
    expect(failuresOf([ran(0), missing], false)).toEqual(["node/webgpu is skipped: no driver: apt-get install x"]);
    expect(failuresOf([missing], true)[0]).toContain("node/webgpu FAILED");
  });

  test("failed checks and cells without a result fail", () => {
    const outcomes = [ran(0), ran(2), broken];
    expect(summary(outcomes, false)).toEqual({
      line: "matrix: 1 cells passed, 2 failed, 0 skipped; 6 checks passed, 2 failed",
      failed: 2,
      skipped: 0,
    });
    expect(failuresOf(outcomes, false)).toEqual([
      "bun/cpu FAILED, golden numbers: the first",
      "bun/cpu FAILED, golden numbers: 1 more",
      "deno/wasm FAILED: it crashed",
    ]);
    expect(page(outcomes)).toContain("| 3 of 5, 1.0e-7 |");
  });
});

describe("the command line", () => {
  const named = (...given: string[]): readonly string[] => parseOptions(given).cells.map(nameOf);

  test("runs a GPU in Chromium alone, and of the others first what takes longest", () => {
    const named = (list: readonly Cell[]): readonly string[] => list.map(nameOf);
    const { alone, besideOthers } = inOrder(cells);
    expect(named(alone)).toEqual(["chromium/webgl", "chromium/webgpu"]);
    expect(named(besideOthers).slice(0, 4)).toEqual(["bun/webgpu", "deno/webgpu", "node/webgpu", "bun/cpu"]);
    expect(new Set([...alone, ...besideOthers])).toEqual(new Set(cells));
  });

  test("takes cells by their names, by runtime and by backend, and all where none is named", () => {
    expect(named("--cell", "node/wasm")).toEqual(["node/wasm"]);
    expect(named("--cell", "deno/webgpu,bun/cpu,deno/webgpu")).toEqual(["bun/cpu", "deno/webgpu"]);
    expect(named("--cell", "bun,webgl")).toEqual(["bun/cpu", "bun/wasm", "bun/webgpu", "chromium/webgl"]);
    expect(named()).toEqual(cells.map(nameOf));
    expect(() => named("--cell", "bun,gpu")).toThrow("there is no cell gpu; the cells are bun/cpu, bun/wasm,");
    expect(() => named("--cell", "bun", "--draw", "3")).toThrow("--draw needs --cell, with one cell");
  });

  test("has each cell draw from seeds of its own, in a soak too", () => {
    const seeds = cells.flatMap((cell) => {
      const count = Math.ceil(amountFor(cell, true).compositions / chunk);
      return Array.from({ length: count }, (_, i) => seedOf(cell) + i);
    });
    expect(new Set(seeds).size).toBe(seeds.length);
  });
});

// The processes are the same whichever runtime starts them.
("Bun" in globalThis ? describe : describe.skip)("npm run matrix", () => {
  const path = join(fileURLToPath(new URL(".", import.meta.url)), "main.ts");
  const matrix = (...more: string[]): ReturnType<typeof run> =>
    run({ runtime: "Bun", path, arguments: more, timeout: 100_000 });

  test("skips a cell without its driver, in a line that says what to install, and fails where CI is set", async () => {
    const withoutDriver = (CI: string): ReturnType<typeof run> =>
      run({
        ...{ runtime: "Bun", path, arguments: ["--cell", "deno/webgpu"], timeout: 20_000 },
        ...{ driver: "/nonexistent", environment: { CI } },
      });
    const line = "no GPU and no software driver was found: Debian has one, apt-get install mesa-vulkan-drivers";
    const [onMachine, onCI] = [await withoutDriver(""), await withoutDriver("true")];
    expect(onMachine.code).toBe(0);
    expect(onMachine.output).toContain(`deno/webgpu is skipped: ${line}\n`);
    expect(onMachine.output).toContain("matrix: 0 cells passed, 0 failed, 1 skipped");
    expect(onCI.code).toBe(1);
    expect(onCI.output).toContain(`deno/webgpu FAILED: ${line}\n`);
    expect(onCI.output).toContain("matrix: 0 cells passed, 1 failed, 0 skipped");
  }, 50_000);

  test("ends with 1 where a check fails, and tells how to see it again", async () => {
    const cell = ["--cell", "bun/cpu", "--tolerance", "1e-12"];
    const failing = await matrix(...cell, "--compositions", "20");
    expect(failing.code).toBe(1);
    expect(failing.output).toMatch(/matrix: 0 cells passed, 1 failed, 0 skipped; \d+ checks passed, [1-9]\d* failed/);
    const command = /again: npm run matrix -- (--cell bun\/cpu --tolerance 1e-12 --seed 1 --draw \d+)/.exec(
      failing.output,
    );
    const again = await matrix(...(command?.[1] ?? "").split(" "));
    expect(again.code).toBe(1);
    expect(again.output).toContain(command?.[0] ?? "no command");
    expect(again.output).toContain("0 checks passed, 1 failed");
  }, 110_000);

  test("ends with 0 where all pass, and with 2 where it is asked for what is not there", async () => {
    const passing = await matrix("--cell", "bun/cpu", "--draw", "3");
    expect(passing.code).toBe(0);
    expect(passing.output).toContain("matrix: 1 cells passed, 0 failed, 0 skipped; 1 checks passed, 0 failed");
    const wrong = await matrix("--cell", "bun/webgl");
    expect(wrong.code).toBe(2);
    expect(wrong.output).toContain("there is no cell bun/webgl");
  }, 110_000);
});
