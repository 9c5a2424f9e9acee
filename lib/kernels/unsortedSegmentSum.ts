import type * as tf from "@tensorflow/tfjs";
import type { Memory, Values } from "./memory.ts";

/**
 * UnsortedSegmentSum, the gradient of gather and so of every embedding, in one pass over x: row i of x is added to row
 * segmentIds[i] of the result. Negative ids are dropped, as in TensorFlow; ids outside are an error.
 */
export function unsortedSegmentSumOn<Backend>(backendName: string, memory: Memory<Backend>): tf.KernelConfig {
  return {
    kernelName: "UnsortedSegmentSum",
    backendName,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const x = inputs["x"] as tf.TensorInfo;
      const segmentIds = inputs["segmentIds"] as tf.TensorInfo;
      const numSegments = attrs?.["numSegments"] as number;
      const inner = x.shape.slice(segmentIds.shape.length);
      const width = inner.reduce((product, size) => product * size, 1);
      const output = memory.zeros(backend as Backend, [numSegments, ...inner], x.dtype);
      const [values, ids, sums] = [x, segmentIds, output].map((info) => memory.values(backend as Backend, info));
      addSegments(values, ids, width, sums);
      return output;
    },
  };
}

function addSegments(values: Values, ids: Values, width: number, sums: Values): void {
  const segments = width === 0 ? Number.POSITIVE_INFINITY : sums.length / width;
  for (let row = 0; row < ids.length; row++) {
    const id = ids[row];
    if (id < 0) continue;
    if (id >= segments) throw new Error(`UnsortedSegmentSum: id ${id} is not below ${segments}`);
    for (let j = 0, from = row * width, to = id * width; j < width; j++) sums[to + j] += values[from + j];
  }
}
