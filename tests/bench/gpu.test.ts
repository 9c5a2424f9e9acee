/** What the benchmark of a GPU says of it: speeds, names, and what is left out. */
import { describe, expect, test } from "bun:test";
import { describe as describeAdapter, slugOf } from "../../bench/gpu/adapter.ts";
import {
  bandwidthOf,
  type DeviceCase,
  doubtfulShapes,
  type GpuResults,
  splitByBinding,
} from "../../bench/gpu/gpuResults.ts";
import { gpuTablesOf } from "../../bench/gpu/gpuTables.ts";
import type { Interleaved, Timing } from "../../bench/interleaved.ts";
import type { ContenderName } from "../../bench/results.ts";

const shape = { rows: 1000, classes: 250 };

function timing(milliseconds: number, ratio: number): Timing {
  return {
    medianRatioToFirst: ratio,
    medianMilliseconds: milliseconds,
    leastMilliseconds: milliseconds,
    lowerQuartileMilliseconds: milliseconds,
    upperQuartileMilliseconds: milliseconds,
  };
}

const timed: Interleaved<ContenderName> = {
  rounds: 1,
  timings: {
    lossmith: timing(2, 1),
    softmaxCrossEntropy: timing(14, 7),
    logSoftmax: timing(12, 6),
    copy: timing(1, 0.5),
  },
};

describe("bandwidth", () => {
  test("forward reads a million bytes once, a copy moves them twice", () => {
    const bandwidth = bandwidthOf(shape, "forward", timed);
    expect(bandwidth.gigabytesPerSecond).toBeCloseTo(0.5, 12);
    expect(bandwidth.copyGigabytesPerSecond).toBeCloseTo(2, 12);
    expect(bandwidth.shareOfCopy).toBeCloseTo(0.25, 12);
  });

  test("forward and backward reads them twice and writes them once", () => {
    const bandwidth = bandwidthOf(shape, "forwardAndBackward", timed);
    expect(bandwidth.gigabytesPerSecond).toBeCloseTo(1.5, 12);
    expect(bandwidth.shareOfCopy).toBeCloseTo(0.75, 12);
  });
});

describe("an adapter", () => {
  const info = (description: string, isFallbackAdapter = false): GPUAdapterInfo =>
    ({ vendor: "4318", architecture: "", device: "1", description, isFallbackAdapter }) as GPUAdapterInfo;

  test("is software by its name or by its own word", () => {
    expect(describeAdapter(info("NVIDIA H100 80GB HBM3")).isSoftware).toBe(false);
    expect(describeAdapter(info("NVIDIA H100 80GB HBM3", true)).isSoftware).toBe(true);
    for (const name of ["llvmpipe (LLVM 15.0.6, 256 bits)", "SwiftShader Device", "Microsoft Basic Render Driver"]) {
      expect(describeAdapter(info(name)).isSoftware).toBe(true);
    }
  });

  test("names a file", () => {
    expect(slugOf("NVIDIA GeForce RTX 4090 (Ti)")).toBe("nvidia-geforce-rtx-4090-ti");
  });
});

test("a shape is left out only above the largest binding", () => {
  const larger = { rows: 1000, classes: 251 };
  expect(splitByBinding([shape, larger], 1_000_000)).toEqual({ fitting: [shape], tooLarge: [larger] });
});

test("a shape whose device time exceeds its wall time is doubtful", () => {
  const byWall = (ratio: number): DeviceCase => {
    const both = { ...timed, timings: { ...timed.timings, lossmithByWall: timing(2 * ratio, ratio) } };
    const timings = { forward: timed, forwardAndBackward: both };
    const bandwidth = bandwidthOf(shape, "forward", timed);
    const bandwidths = { forward: bandwidth, forwardAndBackward: bandwidth };
    return { ...shape, timings, bandwidths, wideShares: { forward: 1, forwardAndBackward: 1 } };
  };
  const doubtful = byWall(0.5);
  expect(doubtfulShapes([byWall(1.2), doubtful])).toEqual([doubtful]);
});

describe("the table of the memory limit", () => {
  const withWall = { ...timed, timings: { ...timed.timings, lossmithByWall: timing(3, 1.5) } };
  const timings = { forward: timed, forwardAndBackward: timed };
  const results: GpuResults = {
    machine: { processor: "", cores: 1, system: "", loadBefore: 0, versions: {}, date: "" },
    adapter: { vendor: "", architecture: "", device: "", description: "", isSoftware: false },
    tooLarge: [],
    compositions: [],
    backends: [{ backend: "webgpu", runtime: "", device: "", kernels: {}, cases: [{ ...shape, timings, memory: {} }] }],
    device: {
      nanosecondsPerTick: 1,
      compositions: [],
      cases: [
        {
          ...shape,
          timings: { forward: withWall, forwardAndBackward: withWall },
          wideShares: { forward: 0.9, forwardAndBackward: 0.8 },
          bandwidths: {
            forward: bandwidthOf(shape, "forward", timed),
            forwardAndBackward: bandwidthOf(shape, "forwardAndBackward", timed),
          },
        },
      ],
    },
  };

  test("has a row a pass", () => {
    expect(gpuTablesOf(results)[0].table.rows).toEqual([
      ["1 000 × 250", "forward", "2.00", "3.00", "90", "0.500", "25", "7.00", "6.00", "1.00", "2.00"],
      ["1 000 × 250", "forward and backward", "2.00", "3.00", "80", "1.50", "75", "7.00", "6.00", "1.00", "2.00"],
    ]);
  });

  test("has the wall times alone where the device has no timestamps", () => {
    const [{ table }] = gpuTablesOf({ ...results, device: null });
    expect(table.rows[0]).toEqual(["1 000 × 250", "forward", "–", "2.00", "–", "–", "–", "–", "–", "–", "–"]);
  });
});
