import * as tf from "@tensorflow/tfjs";
import { maxPool3dGradOn } from "../maxPool3dGradient.ts";
import type { Memory } from "../memory.ts";
import { unsortedSegmentSumOn } from "../unsortedSegmentSum.ts";
import { type CpuBackend, valuesOf } from "./backend.ts";

const memory: Memory<CpuBackend> = {
  zeros: (backend, shape, dtype) => {
    const size = shape.reduce((product, length) => product * length, 1);
    return dtype === "float32"
      ? backend.makeTensorInfo(shape, "float32", new Float32Array(size))
      : backend.makeTensorInfo(shape, "int32", new Int32Array(size));
  },
  values: valuesOf,
};

/**
 * tensorflow.js's UnsortedSegmentSum passes over x once for each segment, so that the gradient of an embedding takes time in
 * proportion to the vocabulary.
 */
const kernels: readonly tf.KernelConfig[] = [unsortedSegmentSumOn("cpu", memory), maxPool3dGradOn("cpu", memory)];

let registered = false;

/** Makes tensorflow.js's cpu backend fit for training embeddings, and right for pools of volumes; a second call does nothing. */
export function registerCpuKernels(): void {
  if (registered) return;
  for (const kernel of kernels) {
    tf.unregisterKernel(kernel.kernelName, "cpu");
    tf.registerKernel(kernel);
  }
  registered = true;
}
