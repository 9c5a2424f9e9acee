/** tensorflow.js's WebAssembly backend: tensors lie in one heap. */
import * as tf from "@tensorflow/tfjs";
import type { MeasuredBackend } from "./backend.ts";
import { startWasm } from "./kernelSets.ts";
import { type DataMap, LiveBlocks } from "./meters.ts";

interface Entry {
  readonly shape: number[];
  readonly dtype: tf.DataType;
}

interface Backend extends tf.KernelBackend {
  readonly wasm: { readonly asm: { readonly memory: WebAssembly.Memory } };
  readonly dataIdMap: DataMap & { get(dataId: object): { readonly memoryOffset: number } };
  typedArrayFromHeap(info: tf.TensorInfo): Float32Array;
}

const backend = (): Backend => tf.backend() as Backend;

export const wasm: MeasuredBackend = {
  name: "wasm",
  start: startWasm,
  device: null,
  copierOf: (logits) => {
    const to = tf.zerosLike(logits);
    const heap = (tensor: tf.Tensor): Float32Array => backend().typedArrayFromHeap(tensor);
    return { copy: () => heap(to).set(heap(logits)), finish: async () => {}, dispose: () => to.dispose() };
  },
  meter: () =>
    new LiveBlocks(backend().dataIdMap, (entry) => {
      const { shape, dtype } = entry as Entry;
      return { storage: entry, bytes: tf.util.sizeFromShape(shape) * tf.util.bytesPerElement(dtype) };
    }),
  heapBytes: () => backend().wasm.asm.memory.buffer.byteLength,
};
