/** The backends that are measured: how each is started, how it copies, and where it keeps its tensors. */
import * as tf from "@tensorflow/tfjs";
import { type BackendName, useBackend } from "lossmith";

/** A block of memory that a tensor's entries lie in; tensors that share it have the same `storage`. */
export interface Block {
  readonly storage: object;
  readonly bytes: number;
}

/** Copies a tensor's entries into memory that is already there. */
export interface Copier {
  readonly copy: () => void;
  readonly dispose: () => void;
}

/** The map from tensors' ids to their data, which a backend changes by `set` and `delete`. */
export interface DataMap {
  set(dataId: object, entry: object): void;
  delete(dataId: object): boolean;
}

/** What the benchmark knows of a backend. */
export interface MeasuredBackend {
  readonly name: BackendName;
  /** Null where a copy on the host would say nothing of the device. */
  readonly copierOf: ((logits: tf.Tensor2D) => Copier) | null;
  /** Where tensors are kept; null where live bytes are not followed. */
  readonly dataMap: (() => DataMap) | null;
  readonly blockOf: (entry: object) => Block;
  /** The bytes of the heap that tensors are in; null where there is no heap of the backend's own. */
  readonly heapBytes: (() => number) | null;
}

interface CpuBackend extends tf.KernelBackend {
  readonly data: DataMap & { get(dataId: object): CpuEntry };
}

interface CpuEntry {
  readonly values: Float32Array | Int32Array | Uint8Array | null;
}

interface WasmBackend extends tf.KernelBackend {
  readonly wasm: { readonly asm: { readonly memory: WebAssembly.Memory } };
  readonly dataIdMap: DataMap;
  typedArrayFromHeap(info: tf.TensorInfo): Float32Array;
}

interface WasmEntry {
  readonly shape: number[];
  readonly dtype: tf.DataType;
}

const cpuBackend = (): CpuBackend => tf.backend() as CpuBackend;
const wasmBackend = (): WasmBackend => tf.backend() as WasmBackend;

const cpu: MeasuredBackend = {
  name: "cpu",
  copierOf: (logits) => {
    const to = new Float32Array(logits.size);
    return { copy: () => to.set(cpuBackend().data.get(logits.dataId).values as Float32Array), dispose: () => {} };
  },
  dataMap: () => cpuBackend().data,
  // A slice is a view of its input's buffer, which stays alive as a whole.
  blockOf: (entry) => {
    const { values } = entry as CpuEntry;
    return values === null ? { storage: entry, bytes: 0 } : { storage: values.buffer, bytes: values.buffer.byteLength };
  },
  heapBytes: null,
};

const wasm: MeasuredBackend = {
  name: "wasm",
  copierOf: (logits) => {
    const to = tf.zerosLike(logits);
    const heap = (tensor: tf.Tensor): Float32Array => wasmBackend().typedArrayFromHeap(tensor);
    return { copy: () => heap(to).set(heap(logits)), dispose: () => to.dispose() };
  },
  dataMap: () => wasmBackend().dataIdMap,
  blockOf: (entry) => {
    const { shape, dtype } = entry as WasmEntry;
    return { storage: entry, bytes: tf.util.sizeFromShape(shape) * tf.util.bytesPerElement(dtype) };
  },
  heapBytes: () => wasmBackend().wasm.asm.memory.buffer.byteLength,
};

/** In the order in which they are measured. */
export const measuredBackends: readonly MeasuredBackend[] = [wasm, cpu];

/** Starts a backend; false where this runtime does not have it. */
export async function startBackend(name: BackendName): Promise<boolean> {
  return useBackend(name).then(
    () => true,
    () => false,
  );
}

/** Starts a backend with a heap of its initial size, since a heap only grows. Its tensors are lost. */
export async function restartBackend(name: BackendName): Promise<void> {
  const factory = tf.findBackendFactory(name);
  tf.removeBackend(name);
  tf.registerBackend(name, factory);
  await useBackend(name);
}
