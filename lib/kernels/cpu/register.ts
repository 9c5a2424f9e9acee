import * as tf from "@tensorflow/tfjs";
import { unsortedSegmentSumOn } from "../unsortedSegmentSum.ts";
import { type CpuBackend, valuesOf } from "./backend.ts";

/**
 * tensorflow.js's cpu kernel passes over x once for each segment, so that the gradient of an embedding takes time in
 * proportion to the vocabulary.
 */
const unsortedSegmentSum: tf.KernelConfig = unsortedSegmentSumOn<CpuBackend>("cpu", {
  zeros: (backend, shape, dtype) => {
    const size = shape.reduce((product, length) => product * length, 1);
    return dtype === "float32"
      ? backend.makeTensorInfo(shape, "float32", new Float32Array(size))
      : backend.makeTensorInfo(shape, "int32", new Int32Array(size));
  },
  values: valuesOf,
});

let registered = false;

/** Makes tensorflow.js's cpu backend fit for training embeddings; a second call does nothing. */
export function registerCpuKernels(): void {
  if (registered) return;
  tf.unregisterKernel(unsortedSegmentSum.kernelName, "cpu");
  tf.registerKernel(unsortedSegmentSum);
  registered = true;
}
