/** Products of matrices of every shape and layout, alone and added to a total, against float64. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { chooseProducts } from "../../lib/kernels/products/choose.ts";
import type { Factor } from "../../lib/kernels/products/products.ts";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";

interface ProductCase {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly transposed: readonly [boolean, boolean];
  readonly seed: number;
}

const anySize = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(63, 64, 65, 257));
const cases: fc.Arbitrary<ProductCase> = fc.record({
  m: anySize,
  k: fc.oneof(anySize, fc.constantFrom(511, 512, 513, 1030)),
  n: anySize,
  transposed: fc.tuple(fc.boolean(), fc.boolean()),
  seed: fc.nat({ max: 1000 }),
});

const entry = (seed: number, at: number): number => Math.fround(Math.sin(seed + at * at));

/** A factor whose entry in row i and column j of the product's view is `entryAt(i, j)`. */
function factor(rows: number, columns: number, seed: number, transposed: boolean): Factor {
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++)
      values[transposed ? j * rows + i : i * columns + j] = entry(seed, i * columns + j);
  }
  return { matrix: tf.tensor2d(values, transposed ? [columns, rows] : [rows, columns]), transposed };
}

/** The largest error of a product with a bias and of a sum, in units of float32's rounding of the sum of sizes. */
async function errorOf({ m, k, n, transposed, seed }: ProductCase): Promise<number> {
  const products = chooseProducts();
  const before = tf.memory().numTensors;
  const a = factor(m, k, seed, transposed[0]);
  const b = factor(k, n, seed + 1, transposed[1]);
  const bias = tf.tensor1d(Float32Array.from({ length: n }, (_, j) => entry(seed + 2, j)));
  const total = tf.tensor2d(
    Float32Array.from({ length: m * n }, (_, at) => entry(seed + 3, at)),
    [m, n],
  );
  const product = products.multiply(a, b, bias);
  const sum = products.add(total, a, b);
  const [ofProduct, ofSum] = (await Promise.all([product.data(), sum.data()])).map((values) => values.slice());
  const times = tf.scalar(-1.5);
  const scaled = products.scale(sum, times);
  const ofScaled = await scaled.data();
  tf.dispose([a.matrix, b.matrix, bias, product, sum, times, scaled]);
  expect(tf.memory().numTensors).toBe(before);
  const left = Float64Array.from({ length: m * k }, (_, at) => entry(seed, at));
  const right = Float64Array.from({ length: k * n }, (_, at) => entry(seed + 1, at));
  let worst = 0;
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let exact = 0;
      let size = 2;
      for (let p = 0; p < k; p++) {
        const part = left[i * k + p] * right[p * n + j];
        exact += part;
        size += Math.abs(part);
      }
      const at = i * n + j;
      const errors = [ofProduct[at] - exact - entry(seed + 2, j), ofSum[at] - exact - entry(seed + 3, at)];
      for (const error of errors) worst = Math.max(worst, Math.abs(error) / (size * 2 ** -24));
      // One rounding.
      expect(Math.abs(ofScaled[at] + 1.5 * ofSum[at])).toBeLessThanOrEqual(2 ** -23 * Math.abs(1.5 * ofSum[at]));
    }
  }
  return worst;
}

for (const backend of [...backends, ...gpuBackends]) {
  describe(`products, ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("are ours", () => {
      expect(chooseProducts().name).toBe(backend);
    });

    test("of random shapes, with factors that lie either way", async () => {
      // A sum of 512 in a register rounds 512 times at most, by half of a unit each.
      await fc.assert(
        fc.asyncProperty(cases, async (one) => expect(await errorOf(one)).toBeLessThanOrEqual(40)),
        { numRuns: backend === "webgpu" ? 4 : 50 },
      );
    });

    test("are added to a total in its place, and a total is multiplied without a copy", async () => {
      const products = chooseProducts();
      const [a, b] = [factor(40, 30, 1, true), factor(30, 50, 2, false)];
      const total = tf.ones<tf.Rank.R2>([40, 50]);
      const { numDataBuffers, numTensors } = tf.memory();
      const sum = products.add(total, a, b);
      expect(sum).toBe(total);
      expect(products.spare).toBe(0);
      const one = tf.scalar(1);
      const scaled = products.scale(sum, one);
      one.dispose();
      expect(tf.memory()).toMatchObject({ numDataBuffers, numTensors: numTensors + 1 });
      expect(await scaled.data()).toEqual(await sum.data());
      tf.dispose([a.matrix, b.matrix, sum, scaled]);
    });

    test("of long sides", async () => {
      const both: readonly [boolean, boolean] = [false, true];
      for (const [m, k, n] of [
        [5, 3, 5003],
        [2051, 9, 6],
        [3, 5003, 7],
      ]) {
        expect(await errorOf({ m, k, n, transposed: both, seed: 4 })).toBeLessThanOrEqual(40);
      }
    });
  });
}

test("products on a backend that has none of ours are ordinary ops", async () => {
  await behindGlass(async () => {
    expect(chooseProducts().name).toBe("portable");
    expect(await errorOf({ m: 5, k: 7, n: 9, transposed: [true, false], seed: 1 })).toBeLessThanOrEqual(40);
  });
});

test("a sum over nothing is the bias, or the total", async () => {
  for (const backend of backends) {
    await startBackend(backend)();
    const a = { matrix: tf.zeros<tf.Rank.R2>([2, 0]), transposed: false };
    const b = { matrix: tf.zeros<tf.Rank.R2>([0, 3]), transposed: false };
    const bias = tf.tensor1d([1, 2, 3]);
    expect([...chooseProducts().multiply(a, b, bias).dataSync()]).toEqual([1, 2, 3, 1, 2, 3]);
    expect([
      ...chooseProducts()
        .add(tf.ones([2, 3]), a, b)
        .dataSync(),
    ]).toEqual([1, 1, 1, 1, 1, 1]);
  }
});
