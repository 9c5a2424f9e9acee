/**
 * The linear form on WebGPU, at a size whose logits are larger than a binding may be by default: 206 MB for 128 MiB. Prints as
 * JSON how long value and gradients take, the most bytes that they hold, how far they are from float64, and what the dense form
 * says to such logits. `bench/linear.ts` starts it under Deno.
 */
import * as tf from "@tensorflow/tfjs";
import { compile, compileLinear, crossEntropy, LossError, useBackend } from "lossmith";
import { webgpu, webgpuBackend } from "./backends/webgpu.ts";
import { type LinearOnWebGPU, shapeOnWebGPU } from "./linearResults.ts";

const { rows, width, classes } = shapeOnWebGPU;
await useBackend("webgpu");
const { maxStorageBufferBindingSize: binding } = webgpuBackend().device.limits;
// As results of an op, which are on the device.
const placed = (x: tf.Tensor2D): tf.Tensor2D => tf.tidy(() => tf.add(x, 0));
const hidden = placed(tf.randomNormal<tf.Rank.R2>([rows, width], 0, 1, "float32", 1));
const kernel = placed(tf.randomNormal<tf.Rank.R2>([width, classes], 0, 0.05, "float32", 2));
await Promise.all([hidden, kernel].map((x) => tf.slice(x, [0, 0], [1, 1]).data()));
const labels = Int32Array.from({ length: rows }, (_, row) => (row * 7919) % classes);

const linear = compileLinear(crossEntropy);
const meter = webgpu.meter();
const start = performance.now();
const { value, grads } = tf.valueAndGrads((h: tf.Tensor, k: tf.Tensor) => linear({ hidden: h, kernel: k, labels }))([
  hidden,
  kernel,
]);
const [loss] = await value.data();
const milliseconds = performance.now() - start;
const peakBytes = meter.peakBytes - 4 * (hidden.size + kernel.size);
meter.stop();

// Read after: what is read takes a buffer of its size.
const [ofHidden, ofKernel] = await Promise.all(grads.map((x) => x.data<"float32">()));
const computed = { value: loss, ofHidden: Float32Array.from(ofHidden), ofKernel: Float32Array.from(ofKernel) };
const error = distanceFromFloat64(
  (await hidden.data()) as Float32Array,
  (await kernel.data()) as Float32Array,
  computed,
);
const dense = compile(crossEntropy);
let refused: string | null = null;
try {
  tf.tidy(() => void dense({ logits: tf.matMul(hidden, kernel), labels }));
} catch (thrown) {
  if (!(thrown instanceof LossError)) throw thrown;
  refused = thrown.message;
}
const { device } = webgpu;
const result: LinearOnWebGPU = {
  ...shapeOnWebGPU,
  device: (await device?.describe()) ?? "unnamed",
  binding,
  milliseconds,
  peakBytes,
  error,
  refused,
};
console.log(JSON.stringify(result));

/**
 * Relative to the value, and to the largest entry of each gradient, of which some rows of the hidden states and some columns
 * of the kernel are looked at.
 */
function distanceFromFloat64(
  h: Float32Array,
  k: Float32Array,
  { value, ofHidden, ofKernel }: { value: number; ofHidden: Float32Array; ofKernel: Float32Array },
): LinearOnWebGPU["error"] {
  const columns = Array.from({ length: 16 }, (_, i) => (i * 3137 + labels[1]) % classes);
  const kernelColumns = columns.map(() => new Float64Array(width));
  const logits = new Float64Array(classes);
  let [sum, hiddenError, hiddenLargest, kernelError, kernelLargest] = [0, 0, 0, 0, 0];
  for (let row = 0; row < rows; row++) {
    logits.fill(0);
    for (let d = 0; d < width; d++) {
      const x = h[row * width + d];
      for (let c = 0, at = d * classes; c < classes; c++, at++) logits[c] += x * k[at];
    }
    const highest = logits.reduce((a, b) => Math.max(a, b));
    let total = 0;
    for (let c = 0; c < classes; c++) total += Math.exp(logits[c] - highest);
    const logOfTotal = highest + Math.log(total);
    sum += logOfTotal - logits[labels[row]];
    for (let c = 0; c < classes; c++) logits[c] = (Math.exp(logits[c] - logOfTotal) - Number(c === labels[row])) / rows;
    columns.forEach((c, i) => {
      for (let d = 0; d < width; d++) kernelColumns[i][d] += h[row * width + d] * logits[c];
    });
    if (row % 64 !== 0) continue;
    for (let d = 0; d < width; d++) {
      let entry = 0;
      for (let c = 0, at = d * classes; c < classes; c++, at++) entry += logits[c] * k[at];
      hiddenLargest = Math.max(hiddenLargest, Math.abs(entry));
      hiddenError = Math.max(hiddenError, Math.abs(entry - ofHidden[row * width + d]));
    }
  }
  columns.forEach((c, i) => {
    for (let d = 0; d < width; d++) {
      kernelLargest = Math.max(kernelLargest, Math.abs(kernelColumns[i][d]));
      kernelError = Math.max(kernelError, Math.abs(kernelColumns[i][d] - ofKernel[d * classes + c]));
    }
  });
  return {
    value: Math.abs(value - sum / rows) / (sum / rows),
    hidden: hiddenError / hiddenLargest,
    kernel: kernelError / kernelLargest,
  };
}
