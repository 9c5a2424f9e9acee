/** log(1 + x) from ordinary ops keeps the digits of small x on every backend. */
import { expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { log1p } from "../../lib/kernels/log1p.ts";
import { backends, gpuBackends, startBackend } from "../support/backends.ts";

const sizes = [1e-30, 1e-7, 1e-5, 1e-3, 0.01, 0.1, 0.29, 0.31, 0.5, 0.9];
const numbers = [...sizes, ...sizes.map((x) => -x), 1, 10, 1e10, 1e38].map(Math.fround);

for (const backend of [...backends, ...gpuBackends]) {
  test(backend, async () => {
    await startBackend(backend)();
    const values = await log1p(tf.tensor1d(numbers)).data();
    numbers.forEach((x, i) => {
      expect(Math.abs(values[i] / Math.log1p(x) - 1)).toBeLessThanOrEqual(5e-7);
    });
    const [zero, infinite, lowest, nothing] = await log1p(tf.tensor1d([0, Infinity, -1, Number.NaN])).data();
    expect([zero, infinite, lowest]).toEqual([0, Infinity, -Infinity]);
    expect(nothing).toBeNaN();
  });
}
