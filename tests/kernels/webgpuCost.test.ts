/** What a compiled loss costs on webgpu: its dispatches, and the memory that it takes. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  compile,
  confidencePenalty,
  crossEntropy,
  focal,
  freqWeights,
  fromCounts,
  ignoreIndex,
  labelSmoothing,
  linear,
  pipe,
  powerLaw,
  ramp,
  useBackend,
  zLoss,
} from "lossmith";
import { expectNoDeviceErrors, hasWebGPU } from "../support/webgpu.ts";

interface Backend extends tf.KernelBackend {
  runWebGPUProgram: (program: unknown, inputs: tf.TensorInfo[], ...rest: unknown[]) => tf.TensorInfo;
  readonly bufferManager: {
    readonly numBytesUsed: number;
    acquireBuffer: (...size: unknown[]) => unknown;
  };
}

const backendOf = (): Backend => tf.backend() as Backend;

interface Cost {
  readonly dispatches: number;
  /** Dispatches that read or write a tensor of [N, V]. */
  readonly wide: number;
  /** The most bytes of buffers that were in use beside what was there before, in sizes of the logits. */
  readonly peak: number;
}

/** What `body` costs, with every program and table made before. */
async function costOf(size: number, body: () => readonly tf.Tensor[]): Promise<Cost> {
  const once = async (): Promise<void> => {
    const results = body();
    await results[0].data();
    tf.dispose([...results]);
  };
  await once();
  const backend = backendOf();
  const { runWebGPUProgram } = backend;
  const { acquireBuffer } = backend.bufferManager;
  const before = backend.bufferManager.numBytesUsed;
  const cost = { dispatches: 0, wide: 0, peak: 0 };
  const entries = ({ shape }: tf.TensorInfo): number => shape.reduce((product, n) => product * n, 1);
  backend.runWebGPUProgram = (program, inputs, ...rest) => {
    const result = runWebGPUProgram.call(backend, program, inputs, ...rest);
    cost.dispatches++;
    if ([result, ...inputs].some((tensor) => entries(tensor) >= size)) cost.wide++;
    return result;
  };
  backend.bufferManager.acquireBuffer = (...given) => {
    const buffer = acquireBuffer.apply(backend.bufferManager, given);
    cost.peak = Math.max(cost.peak, (backend.bufferManager.numBytesUsed - before) / (4 * size));
    return buffer;
  };
  try {
    await once();
  } finally {
    Object.assign(backend, { runWebGPUProgram });
    Object.assign(backend.bufferManager, { acquireBuffer });
  }
  expectNoDeviceErrors();
  return cost;
}

/** Of eight combinators. */
function eightOf(classes: number): AnyLoss {
  return pipe(
    crossEntropy,
    freqWeights(fromCounts(Array.from({ length: classes }, (_, rank) => Math.ceil(1e6 / (rank + 1))))),
    powerLaw(0.5),
    ramp(linear({ init: 0, end: 1, steps: 1000 })),
    labelSmoothing(0.1),
    focal({ gamma: 2 }),
    zLoss(1e-4),
    confidencePenalty(0.1),
    ignoreIndex(-100),
  );
}

async function costsOf(
  loss: AnyLoss,
  [rows, classes]: readonly [number, number],
): Promise<{ readonly forward: Cost; readonly both: Cost }> {
  const compiled = compile(loss);
  const logits = tf.randomNormal<tf.Rank.R2>([rows, classes]);
  const labels = Int32Array.from({ length: rows }, (_, row) => (row * 7919) % classes);
  const sampleWeight = Float32Array.from({ length: rows }, (_, row) => 1 + (row % 3));
  const of = (z: tf.Tensor): tf.Scalar => compiled({ logits: z, labels, sampleWeight, step: 1 }) as tf.Scalar;
  const size = rows * classes;
  const forward = await costOf(size, () => [tf.tidy(() => of(logits))]);
  const both = await costOf(size, () => {
    const { value, grad } = tf.valueAndGrad(of)(logits);
    return [value, grad];
  });
  compiled.dispose();
  logits.dispose();
  return { forward, both };
}

const isAvailable = await hasWebGPU();
const isRequired = "Deno" in globalThis && Boolean(process.env["CI"]);

(isAvailable || isRequired ? describe : describe.skip)("what a loss costs on webgpu", () => {
  beforeAll(async () => {
    await useBackend("webgpu");
  });

  test("one dispatch over the vocabulary each way, and few beside, whatever is composed", async () => {
    const shape = [64, 4096] as const;
    const plain = await costsOf(crossEntropy, shape);
    const eight = await costsOf(eightOf(shape[1]), shape);
    const dispatches = ({ dispatches, wide }: Cost): string => `${wide} of ${dispatches}`;
    console.log(
      `dispatches over the vocabulary: cross entropy ${dispatches(plain.forward)} forward, ${dispatches(plain.both)}` +
        ` with the gradient; with eight combinators ${dispatches(eight.forward)}, ${dispatches(eight.both)}`,
    );
    expect([plain, eight].map(({ forward, both }) => [forward.wide, both.wide])).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(plain.forward.dispatches).toBeLessThanOrEqual(6);
    expect(plain.both.dispatches).toBeLessThanOrEqual(9);
    expect(eight.forward.dispatches).toBeLessThanOrEqual(7);
    expect(eight.both.dispatches).toBeLessThanOrEqual(10);
  });

  test("the gradient is the only tensor of the logits' size, also where rows are read in parts", async () => {
    for (const shape of [
      [64, 4096],
      [16, 50_257],
      [4, 262_144],
    ] as const) {
      for (const loss of [crossEntropy, eightOf(shape[1])]) {
        const { forward, both } = await costsOf(loss, shape);
        expect([forward.wide, both.wide]).toEqual([1, 2]);
        expect(forward.peak).toBeLessThanOrEqual(0.05);
        expect(both.peak).toBeGreaterThanOrEqual(1);
        expect(both.peak).toBeLessThanOrEqual(1.05);
      }
    }
  });

  test("sums over many rows are those of a few, and exact", async () => {
    for (const rows of [1, 255, 4096, 4097, 70_000]) {
      const classes = 3;
      const z = tf.randomNormal<tf.Rank.R2>([rows, classes], 0, 1, "float32", 5);
      const labels = Int32Array.from({ length: rows }, (_, row) => row % classes);
      const loss = compile(crossEntropy);
      const value = (await loss({ logits: z, labels }).data())[0];
      const entries = await z.data();
      const exact = labels.reduce((sum, label, row) => {
        const of = [0, 1, 2].map((j) => entries[row * classes + j]);
        return sum + Math.log(of.reduce((total, x) => total + Math.exp(x), 0)) - of[label];
      }, 0);
      expect(Math.abs(value - exact / rows) / (exact / rows)).toBeLessThan(1e-6);
      z.dispose();
    }
  });
});
