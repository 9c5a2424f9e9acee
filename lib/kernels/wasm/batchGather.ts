import * as tf from "@tensorflow/tfjs";
import type { WasmBackend } from "./backend.ts";

/**
 * A gather that has an index for each batch. tensorflow.js's wasm kernel reads other entries than those that are asked
 * for, or beyond the tensor, where there are batch dimensions.
 */
export function batchGatherWith(original: tf.KernelConfig): tf.KernelConfig {
  return {
    ...original,
    kernelFunc: (parameters) => {
      const { axis, batchDims } = parameters.attrs as unknown as { readonly axis: number; readonly batchDims: number };
      if (batchDims === 0) return original.kernelFunc(parameters);
      const backend = parameters.backend as WasmBackend;
      const [x, indices] = [parameters.inputs["x"], parameters.inputs["indices"]] as [tf.TensorInfo, tf.TensorInfo];
      const [along] = tf.util.parseAxisParam(axis, x.shape);
      const { batchSize, outerSize, dimSize, sliceSize, outputShape } =
        tf.backend_util.segment_util.collectGatherOpShapeInfo(x as tf.Tensor, indices as tf.Tensor, along, batchDims);
      const output = backend.makeOutput(outputShape, x.dtype);
      const [from, places, to] = [x, indices, output].map((info) => backend.typedArrayFromHeap(info));
      const taken = places.length / batchSize;
      let at = 0;
      for (let batch = 0; batch < batchSize; batch++) {
        for (let outer = 0; outer < outerSize; outer++) {
          for (let i = 0; i < taken; i++, at += sliceSize) {
            const index = places[batch * taken + i];
            if (!(index >= 0 && index < dimSize)) {
              backend.disposeData(output.dataId);
              throw new Error(`GatherV2: the index value ${index} is not in [0, ${dimSize - 1}]`);
            }
            const first = ((batch * outerSize + outer) * dimSize + index) * sliceSize;
            to.set(from.subarray(first, first + sliceSize), at);
          }
        }
      }
      return output;
    },
  };
}
