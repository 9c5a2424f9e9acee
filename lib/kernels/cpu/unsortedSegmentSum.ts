import * as tf from "@tensorflow/tfjs";
import { addSegments, type Values } from "../segmentSums.ts";

/** The part of tensorflow.js's cpu backend that the kernel uses. */
interface CpuBackend extends tf.KernelBackend {
  readonly data: { get(dataId: object): { readonly values: Values } };
  makeTensorInfo(shape: number[], dtype: tf.DataType, values: Values): tf.TensorInfo;
}

/**
 * UnsortedSegmentSum in one pass over x. tensorflow.js's cpu kernel passes over it once for each segment, so that the
 * gradient of an embedding takes time in proportion to the vocabulary.
 */
const unsortedSegmentSum: tf.KernelConfig = {
  kernelName: "UnsortedSegmentSum",
  backendName: "cpu",
  kernelFunc: ({ inputs, backend, attrs }) => {
    const x = inputs["x"] as tf.TensorInfo;
    const segmentIds = inputs["segmentIds"] as tf.TensorInfo;
    const numSegments = attrs?.["numSegments"] as number;
    const cpu = backend as CpuBackend;
    const inner = x.shape.slice(segmentIds.shape.length);
    const width = inner.reduce((product, size) => product * size, 1);
    const size = numSegments * width;
    const sums = x.dtype === "float32" ? new Float32Array(size) : new Int32Array(size);
    addSegments(cpu.data.get(x.dataId).values, cpu.data.get(segmentIds.dataId).values, width, sums);
    return cpu.makeTensorInfo([numSegments, ...inner], x.dtype === "float32" ? "float32" : "int32", sums);
  },
};

let registered = false;

/** Makes tensorflow.js's cpu backend fit for training embeddings; a second call does nothing. */
export function registerCpuKernels(): void {
  if (registered) return;
  tf.unregisterKernel(unsortedSegmentSum.kernelName, "cpu");
  tf.registerKernel(unsortedSegmentSum);
  registered = true;
}
