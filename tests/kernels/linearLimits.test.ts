/** The linear form on a device of WebGPU's default limits, where the logits as a whole are refused. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type CompileLinearOptions,
  compile,
  compileLinear,
  crossEntropy,
  disposeBackend,
  explain,
  labelSmoothing,
  pipe,
  useBackend,
} from "lossmith";
import { gpuBackends } from "../support/backends.ts";

/** The logits take 134 348 800 bytes, and a binding of the default limits 134 217 728. */
const [rows, width, classes] = [512, 2, 65_600];
const labels = Int32Array.from({ length: rows }, (_, row) => (row * 7919) % classes);
const data = pipe(crossEntropy, labelSmoothing(0.1));

interface Layer {
  readonly hidden: tf.Tensor2D;
  readonly kernel: tf.Tensor2D;
}

function layer(): Layer {
  return {
    hidden: tf.tensor2d(
      Float32Array.from({ length: rows * width }, (_, i) => Math.sin(i)),
      [rows, width],
    ),
    kernel: tf.tensor2d(
      Float32Array.from({ length: width * classes }, (_, i) => 3 * Math.cos(i * i)),
      [width, classes],
    ),
  };
}

/** Value and gradients of the linear form on the current backend. */
async function linear(options: CompileLinearOptions = {}): Promise<readonly Float32Array[]> {
  const loss = compileLinear(data, options);
  const { hidden, kernel } = layer();
  const { value, grads } = tf.valueAndGrads((h: tf.Tensor, k: tf.Tensor) => loss({ hidden: h, kernel: k, labels }))([
    hidden,
    kernel,
  ]);
  const numbers = await Promise.all([value, ...grads].map((x) => x.data<"float32">()));
  tf.dispose([hidden, kernel, value, ...grads]);
  loss.dispose();
  return numbers.map((values) => Float32Array.from(values));
}

function relativeError(actual: Float32Array, expected: Float32Array): number {
  const size = expected.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  return actual.reduce((max, x, i) => Math.max(max, Math.abs(x - expected[i])), 0) / size;
}

for (const backend of gpuBackends) {
  describe(`a device of default limits, ${backend}`, () => {
    const { requestDevice } = GPUAdapter.prototype;
    let ofWasm: readonly Float32Array[] = [];

    beforeAll(async () => {
      await useBackend("wasm");
      ofWasm = await linear();
      GPUAdapter.prototype.requestDevice = function ({ requiredFeatures = [] } = {}) {
        return requestDevice.call(this, { requiredFeatures });
      };
      await useBackend(backend);
    });

    afterAll(async () => {
      GPUAdapter.prototype.requestDevice = requestDevice;
      await disposeBackend(backend);
    });

    test("refuses the dense form", () => {
      const loss = compile(data);
      const { hidden, kernel } = layer();
      expect(() => loss({ logits: tf.matMul(hidden, kernel), labels })).toThrow("Make the batch smaller");
    });

    test("runs the linear form, and it is right", async () => {
      const computed = await linear();
      for (const [i, numbers] of computed.entries()) expect(relativeError(numbers, ofWasm[i])).toBeLessThan(2e-5);
    });

    test("runs it by tiles of columns where all rows are to be taken at a time", async () => {
      const told = explain(data, { linear: { rows, width, classes, tileRows: rows } });
      expect(told).toContain("1 block of at most 512 rows, in 2 tiles of at most 32800 columns");
      const computed = await linear({ tileRows: rows });
      for (const [i, numbers] of computed.entries()) expect(relativeError(numbers, ofWasm[i])).toBeLessThan(2e-5);
    });

    test("refuses a kernel above the limit with the way to split it, and takes it so", async () => {
      const loss = compileLinear(crossEntropy);
      const whole = 520;
      const hidden = tf.ones([1, whole]);
      const zeros = (size: number): tf.Tensor2D => tf.tensor2d(new Float32Array(size * classes), [size, classes]);
      const kernel = zeros(whole);
      expect(() => loss({ hidden, kernel, labels: [0] })).toThrow("Keep it in 2 pieces along D of at most 511 each");
      kernel.dispose();
      const pieces = [zeros(511), zeros(9)];
      const value = loss({ hidden, kernel: pieces, labels: [0] });
      expect((await value.data())[0]).toBeCloseTo(Math.log(classes), 4);
      tf.dispose([hidden, value, ...pieces]);
    });
  });
}
