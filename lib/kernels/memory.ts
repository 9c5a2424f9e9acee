import type * as tf from "@tensorflow/tfjs";

/** The array types that kernels of ours read and write. */
export type Values = Float32Array | Int32Array | Uint8Array;

/** How a backend makes a tensor of zeros, and shows a tensor's values. */
export interface Memory<Backend> {
  readonly zeros: (backend: Backend, shape: number[], dtype: tf.DataType) => tf.TensorInfo;
  /** Making a tensor may move the others, so take them after the last one. */
  readonly values: (backend: Backend, info: tf.TensorInfo) => Values;
}
