/** The part of tensorflow.js's cpu backend that kernels of ours use. */
import type * as tf from "@tensorflow/tfjs";
import type { Values } from "../unsortedSegmentSum.ts";

export interface CpuBackend {
  readonly data: { get(dataId: object): { readonly values: Values } };
  makeTensorInfo(shape: number[], dtype: tf.DataType, values: Values): tf.TensorInfo;
}

/** A tensor's entries, themselves and not a copy. */
export function valuesOf(backend: CpuBackend, { dataId }: tf.TensorInfo): Values {
  return backend.data.get(dataId).values;
}
