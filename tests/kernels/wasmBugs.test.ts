/**
 * What is wrong with TensorFlow.js 4.22's wasm backend, and the right numbers beside it. When a case fails, TensorFlow.js has been
 * repaired, and the kernel of ours that takes its place can go.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { programs, resultsOf } from "../support/runtimes.ts";

type Numbers = readonly number[];

interface Results {
  readonly missing: readonly string[];
  readonly strided: Numbers;
  readonly pool: Numbers;
  readonly pool3d: Numbers;
  readonly dilation: Numbers;
  readonly conv3d: Numbers;
  readonly gathered: Numbers;
  readonly biased: Numbers;
  readonly clipped: Numbers;
  readonly isNaN: Numbers;
  readonly truth: Numbers;
  /** Numbers, or what ended the backend. */
  readonly reshaped: Numbers | string;
}

describe("the wasm backend alone, and started by useBackend", () => {
  let alone: Results;
  let ours: Results;

  beforeAll(async () => {
    const runtime = "Bun" in globalThis ? "Bun" : "Deno";
    const path = join(programs, "plainWasm.mjs");
    alone = await resultsOf({ runtime, path, arguments: ["alone"] });
    ours = await resultsOf({ runtime, path, arguments: ["lossmith"] });
  });

  test("lacks kernels that gradients need", () => {
    expect(alone.missing).toEqual([
      "UnsortedSegmentSum",
      "Conv2DBackpropFilter",
      "DepthwiseConv2dNativeBackpropFilter",
      "DepthwiseConv2dNativeBackpropInput",
      "Einsum",
    ]);
    expect(ours.missing).toEqual([]);
  });

  test("multiplies by a matrix as it was before it was reshaped, or ends", () => {
    expect(alone.reshaped).not.toEqual([4, 6, 4, 6]);
    expect(ours.reshaped).toEqual([4, 6, 4, 6]);
  });

  test('computes nothing in a "same" convolution whose stride is above the width of its filter', () => {
    expect(alone.strided).not.toEqual([6, 10, 9, 11]);
    expect(ours.strided).toEqual([6, 10, 9, 11]);
  });

  test("takes the smallest positive number for the lowest one", () => {
    expect(alone.pool).toEqual([1, 0, 0, 0]);
    expect(ours.pool).toEqual([0, 0, 0, 1]);
    for (const name of ["pool3d", "dilation"] as const) {
      expect(alone[name][0]).toBeGreaterThan(0);
      expect(ours[name]).toEqual([-1]);
    }
  });

  test("gathers other entries than those that are asked for in a batch", () => {
    const right = [1, 0, 3, 4, 8, 8];
    expect(alone.gathered).not.toEqual(right);
    expect(ours.gathered).toEqual(right);
  });

  test("adds a fused bias to the wrong rows where there are several products", () => {
    const right = [2, 3, 2, 3, 2, 3, 2, 3];
    expect(alone.biased).not.toEqual(right);
    expect(ours.biased).toEqual(right);
  });

  test("takes integers for float32, and the lowest byte of a number for its truth", () => {
    const right = { clipped: [-2, 2, 1], isNaN: [0, 0, 0], truth: [1, 1, 1] };
    for (const [name, numbers] of Object.entries(right)) {
      expect(alone[name as keyof typeof right]).not.toEqual(numbers);
      expect(ours[name as keyof typeof right]).toEqual(numbers);
    }
  });

  test("adds the gradient of a convolution over volumes to what the memory held", () => {
    const right = [3, 3, 6, 6, 6, 6, 12, 12, 6, 6, 12, 12, 12, 12, 24, 24];
    expect(alone.conv3d).not.toEqual(right);
    expect(ours.conv3d).toEqual(right);
  });
});
