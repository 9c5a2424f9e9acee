/** The kernels that make cpu and wasm fit for training, against plain loops and each other. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { useBackend } from "lossmith";
import { expectClose } from "../support/numbers.ts";

beforeAll(async () => {
  await useBackend("wasm");
});

/** Runs the same computation on cpu and on wasm, from plain numbers to plain numbers. */
async function onBoth(compute: () => tf.Tensor): Promise<{ cpu: number[]; wasm: number[]; shapes: string[] }> {
  const run = async (name: "cpu" | "wasm"): Promise<{ values: number[]; shape: string }> => {
    await useBackend(name);
    const result = tf.tidy(compute);
    const values = [...(await result.data())];
    const shape = `${result.shape} ${result.dtype}`;
    result.dispose();
    return { values, shape };
  };
  const cpu = await run("cpu");
  const wasm = await run("wasm");
  return { cpu: cpu.values, wasm: wasm.values, shapes: [cpu.shape, wasm.shape] };
}

const values = (size: number): fc.Arbitrary<number[]> =>
  fc.array(
    fc.integer({ min: -50, max: 50 }).map((n) => n / 8),
    { minLength: size, maxLength: size },
  );
const dimension = fc.integer({ min: 1, max: 5 });

/** Row i of x added to row ids[i], over plain arrays. */
function segmentSums(x: readonly number[], ids: readonly number[], segments: number): number[] {
  const width = x.length / ids.length;
  const sums = new Array<number>(segments * width).fill(0);
  x.forEach((value, i) => {
    sums[ids[Math.floor(i / width)] * width + (i % width)] += value;
  });
  return sums;
}

describe("UnsortedSegmentSum", () => {
  test("adds random rows into segments, on cpu and on wasm, at every rank", async () => {
    const inputs = fc
      .record({ rows: dimension, inner: fc.array(dimension, { maxLength: 2 }), segments: dimension })
      .chain(({ rows, inner, segments }) =>
        fc.record({
          shape: fc.constant([rows, ...inner]),
          segments: fc.constant(segments),
          x: values([rows, ...inner].reduce((a, b) => a * b)),
          ids: fc.array(fc.nat({ max: segments - 1 }), { minLength: rows, maxLength: rows }),
        }),
      );
    await fc.assert(
      fc.asyncProperty(inputs, async ({ shape, segments, x, ids }) => {
        const { cpu, wasm, shapes } = await onBoth(() =>
          tf.unsortedSegmentSum(tf.tensor(x, [...shape]), tf.tensor1d(ids, "int32"), segments),
        );
        // Eighths add up without rounding.
        expect(cpu).toEqual(segmentSums(x, ids, segments));
        expect(wasm).toEqual(cpu);
        expect(shapes).toEqual([`${[segments, ...shape.slice(1)]} float32`, shapes[0]]);
      }),
      { numRuns: 50 },
    );
  });

  test("drops negative ids, and refuses ids outside", async () => {
    const x = tf.tensor2d([
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    const sums = tf.unsortedSegmentSum(x, tf.tensor1d([1, -1, 1], "int32"), 2);
    expect([...(await sums.data())]).toEqual([0, 0, 6, 8]);
    expect(() => tf.unsortedSegmentSum(x, tf.tensor1d([0, 1, 2], "int32"), 2)).toThrow("id 2 is not below 2");
    tf.dispose([x, sums]);
  });

  test("gives an embedding its gradient", async () => {
    const { cpu, wasm } = await onBoth(() => {
      const table = tf.tensor2d([
        [1, 2],
        [3, 4],
        [5, 6],
      ]);
      const ids = tf.tensor2d(
        [
          [2, 0],
          [2, 2],
        ],
        [2, 2],
        "int32",
      );
      return tf.grad((t: tf.Tensor) => tf.sum(tf.square(tf.gather(t, ids))))(table);
    });
    expect(wasm).toEqual(cpu);
    expect(wasm).toEqual([2, 4, 0, 0, 30, 36]);
  });

  test("lets layers.embedding train", async () => {
    const model = tf.sequential({
      layers: [
        tf.layers.embedding({ inputDim: 5, outputDim: 3, inputLength: 2 }),
        tf.layers.flatten(),
        tf.layers.dense({ units: 1 }),
      ],
    });
    model.build([null, 2]);
    model.compile({ optimizer: tf.train.sgd(0.1), loss: "meanSquaredError" });
    const x = tf.tensor2d(
      [
        [0, 1],
        [2, 3],
      ],
      [2, 2],
      "int32",
    );
    const y = tf.tensor2d([[1], [-1]]);
    const history = await model.fit(x, y, { epochs: 20, verbose: 0 });
    const losses = history.history["loss"] as number[];
    expect(losses[19]).toBeLessThan(losses[0] / 2);
    model.dispose();
    tf.dispose([x, y]);
  });
});

describe("Identity", () => {
  test("shares memory, and each handle lives on its own", async () => {
    const x = tf.tensor1d([1, 2, 3]);
    const { numDataBuffers } = tf.memory();
    const y = tf.clone(x);
    expect(tf.memory().numDataBuffers).toBe(numDataBuffers);
    x.dispose();
    expect([...(await y.data())]).toEqual([1, 2, 3]);
    expect(tf.memory().numDataBuffers).toBe(numDataBuffers);
    y.dispose();
    expect(tf.memory().numDataBuffers).toBe(numDataBuffers - 1);
  });

  test("keeps strings", async () => {
    const x = tf.tensor1d(["a", "bc"]);
    const y = tf.clone(x);
    expect([...(await y.data())] as unknown).toEqual(["a", "bc"]);
    tf.dispose([x, y]);
  });
});

describe("BatchMatMul", () => {
  test("agrees with cpu for every transposition, rank and broadcast", async () => {
    const inputs = fc
      .record({
        m: dimension,
        k: dimension,
        n: dimension,
        outer: fc.constantFrom<[number[], number[]]>(
          [[], []],
          [[3], [3]],
          [
            [2, 3],
            [2, 3],
          ],
          [[3], []],
          [
            [1, 3],
            [2, 1],
          ],
        ),
        transposeA: fc.boolean(),
        transposeB: fc.boolean(),
      })
      .chain((shape) => {
        const a = [...shape.outer[0], ...(shape.transposeA ? [shape.k, shape.m] : [shape.m, shape.k])];
        const b = [...shape.outer[1], ...(shape.transposeB ? [shape.n, shape.k] : [shape.k, shape.n])];
        const size = (dimensions: number[]): number => dimensions.reduce((x, y) => x * y, 1);
        return fc.record({
          shape: fc.constant(shape),
          a: fc.constant(a),
          b: fc.constant(b),
          x: values(size(a)),
          y: values(size(b)),
        });
      });
    await fc.assert(
      fc.asyncProperty(inputs, async ({ shape, a, b, x, y }) => {
        const { cpu, wasm, shapes } = await onBoth(() =>
          tf.matMul(tf.tensor(x, a), tf.tensor(y, b), shape.transposeA, shape.transposeB),
        );
        expectClose(wasm, cpu, 1e-6);
        expect(shapes[1]).toBe(shapes[0]);
      }),
      { numRuns: 60 },
    );
  });

  test("leaves no memory behind", () => {
    const x = tf.ones([4, 3]);
    const y = tf.ones([4, 2]);
    const before = tf.memory();
    tf.matMul(x, y, true, false).dispose();
    tf.matMul(y, x, true, false).dispose();
    expect(tf.memory().numBytes).toBe(before.numBytes);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
    tf.dispose([x, y]);
  });

  test("a product over nothing is 0, whatever the memory held before", async () => {
    for (const [transposeA, transposeB] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ]) {
      tf.fill([64, 64], 7).dispose();
      const x = tf.zeros(transposeA ? [0, 64] : [64, 0]);
      const y = tf.zeros(transposeB ? [64, 0] : [0, 64]);
      const product = tf.matMul(x, y, transposeA, transposeB);
      expect((await product.data()).every((value) => value === 0)).toBe(true);
      tf.dispose([x, y, product]);
    }
  });

  test("an error leaves no memory behind", () => {
    const [x, y] = [tf.ones([3, 2], "int32"), tf.ones([3, 2], "int32")];
    const { numDataBuffers } = tf.memory();
    const held = tf.engine().backend.numDataIds();
    expect(() => tf.matMul(x, y, true, false)).toThrow();
    expect(tf.memory().numDataBuffers).toBe(numDataBuffers);
    expect(tf.engine().backend.numDataIds()).toBe(held);
    tf.dispose([x, y]);
  });
});
