import type * as tf from "@tensorflow/tfjs";
import { addSegments } from "../segmentSums.ts";
import type { WasmBackend } from "./backend.ts";

/**
 * UnsortedSegmentSum, the gradient of gather and so of every embedding, which the wasm backend lacks: row i of x is
 * added to row segmentIds[i] of the result.
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
    const width = inner.reduce((product, size) => product * size, 1);
    const output = wasm.makeOutput([numSegments, ...inner], x.dtype);
    const sums = wasm.typedArrayFromHeap(output).fill(0);
    addSegments(wasm.typedArrayFromHeap(x), wasm.typedArrayFromHeap(segmentIds), width, sums);
    return output;
  },
};
