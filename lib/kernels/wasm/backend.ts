/** The part of tensorflow.js's wasm backend that kernels of ours use. */
import type * as tf from "@tensorflow/tfjs";

export interface WasmBackend extends tf.KernelBackend {
  readonly wasm: { readonly asm: { readonly memory: WebAssembly.Memory } };
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: number } };
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  /** A view of a tensor's memory; every allocation may move it, so take it after the last one. */
  typedArrayFromHeap(info: tf.TensorInfo): Float32Array | Int32Array | Uint8Array;
}

/** A tensor that shares the memory of another. */
export function alias(backend: WasmBackend, info: tf.TensorInfo, shape: number[]): tf.TensorInfo {
  backend.incRef(info.dataId);
  return { dataId: info.dataId, shape, dtype: info.dtype };
}

/** A tensor of zeros: fresh memory holds what it held before. */
export function zeros(backend: WasmBackend, shape: number[], dtype: tf.DataType): tf.TensorInfo {
  const output = backend.makeOutput(shape, dtype);
  backend.typedArrayFromHeap(output).fill(0);
  return output;
}
