/** The module's functions on the wasm backend's own memory. */
import type * as tf from "@tensorflow/tfjs";
import type { Address } from "../module/block.ts";
import { instantiateRowKernels, type RowKernels } from "../module/instantiate.ts";
import type { WasmBackend } from "./backend.ts";

const kernels = new WeakMap<WebAssembly.Memory, RowKernels>();

export function moduleOn({ wasm }: WasmBackend): RowKernels {
  const { memory } = wasm.asm;
  const known = kernels.get(memory) ?? instantiateRowKernels(memory);
  kernels.set(memory, known);
  return known;
}

/** Where a tensor lies; 0 for none. */
export function addressOf(backend: WasmBackend, tensor: tf.TensorInfo | null): Address {
  return tensor === null ? 0 : backend.dataIdMap.get(tensor.dataId).memoryOffset;
}
