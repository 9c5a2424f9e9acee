import type * as tf from "@tensorflow/tfjs";
import type { WasmBackend } from "./backend.ts";

/**
 * UnsortedSegmentSum, the gradient of gather and so of every embedding, which the wasm backend lacks: row i of x is
 * added to row segmentIds[i] of the result. Negative ids are dropped, as in TensorFlow.
 */
export const unsortedSegmentSum: tf.KernelConfig = {
  kernelName: "UnsortedSegmentSum",
  backendName: "wasm",
  kernelFunc: ({ inputs, backend, attrs }) => {
    const x = inputs["x"] as tf.TensorInfo;
    const segmentIds = inputs["segmentIds"] as tf.TensorInfo;
    const numSegments = attrs?.["numSegments"] as number;
    const wasm = backend as WasmBackend;
    const inner = x.shape.slice(segmentIds.shape.length);
    const output = wasm.makeOutput([numSegments, ...inner], x.dtype);
    const width = inner.reduce((product, size) => product * size, 1);
    const values = wasm.typedArrayFromHeap(x);
    const ids = wasm.typedArrayFromHeap(segmentIds);
    const sums = wasm.typedArrayFromHeap(output).fill(0);
    for (let row = 0; row < ids.length; row++) {
      const id = ids[row];
      if (id < 0) continue;
      if (id >= numSegments) throw new Error(`UnsortedSegmentSum: id ${id} is not below ${numSegments}`);
      for (let j = 0, from = row * width, to = id * width; j < width; j++) sums[to + j] += values[from + j];
    }
    return output;
  },
};
