/** The part of tensorflow.js's cpu backend that kernels of ours use. */
import type * as tf from "@tensorflow/tfjs";
import type { Values } from "../memory.ts";

export interface CpuBackend {
  readonly data: { get(dataId: object): { readonly values: Values } };
  makeTensorInfo(shape: number[], dtype: tf.DataType, values: Values): tf.TensorInfo;
}

/**
 * A tensor's entries, themselves and not a copy where they are of its type: a cast to float32 leaves the integers of a one-hot as
 * they are, in an array of integers.
 */
export function valuesOf(backend: CpuBackend, { dataId, dtype }: tf.TensorInfo): Values {
  const { values } = backend.data.get(dataId);
  return dtype === "float32" && !(values instanceof Float32Array) ? Float32Array.from(values) : values;
}
