/**
 * Row statistics for the cpu backend: blocks of rows are copied into a memory of the module's, which stays in the
 * processor's cache, and the results are copied back.
 */
import * as tf from "@tensorflow/tfjs";
import { type Address, encodeBlock, scratchBytes } from "../module/block.ts";
import { instantiateRowKernels, type RowKernels } from "../module/instantiate.ts";
import type { ModuleHost } from "../module/rowStatistics.ts";
import type { Values } from "../unsortedSegmentSum.ts";
import { type CpuBackend, valuesOf } from "./backend.ts";

/** How many bytes of each [N, V] input are worked on at a time. */
const blockBytes = 2 ** 18;
const pageBytes = 2 ** 16;
const alignment = 16;

interface Slot {
  readonly address: Address;
  readonly values: Values;
  /** Entries a row; null for a table, which every block of rows reads. */
  readonly width: number | null;
  readonly written: boolean;
}

/** One memory for all calls: it grows to the longest row. */
class ModuleMemory {
  readonly #memory = new WebAssembly.Memory({ initial: 1 });
  readonly #kernels: RowKernels = instantiateRowKernels(this.#memory);
  #next = alignment;

  /** Forgets what was placed. */
  clear(): void {
    // Address 0 stands for nothing.
    this.#next = alignment;
  }

  /** The address of room for so many bytes. */
  room(bytes: number): Address {
    const address = this.#next;
    this.#next += Math.ceil(bytes / alignment) * alignment;
    const missing = this.#next - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / pageBytes));
    return address;
  }

  write(address: Address, values: Values): void {
    viewLike(values, this.#memory.buffer, address, values.length).set(values);
  }

  /** Copies what is at the address into `values`. */
  read(address: Address, values: Values): void {
    values.set(viewLike(values, this.#memory.buffer, address, values.length));
  }

  run(pass: "forward" | "backward", block: Address): void {
    this.#kernels[pass](block);
  }
}

function viewLike(values: Values, buffer: ArrayBuffer, address: Address, length: number): Values {
  if (values instanceof Float32Array) return new Float32Array(buffer, address, length);
  if (values instanceof Int32Array) return new Int32Array(buffer, address, length);
  return new Uint8Array(buffer, address, length);
}

let memory: ModuleMemory | null = null;

export const cpuHost: ModuleHost = {
  name: "cpu",
  empty: (shape) => tf.tensor(new Float32Array(tf.util.sizeFromShape(shape)), shape, "float32"),
  memoryOf: (tensor) => valuesOf(tf.backend() as unknown as CpuBackend, tensor),
  run: (pass, rows, classes, callOf) => {
    memory ??= new ModuleMemory();
    const module = memory;
    module.clear();
    const backend = tf.backend() as unknown as CpuBackend;
    const rowsAtOnce = Math.max(1, Math.min(rows, Math.floor(blockBytes / (4 * classes))));
    const slots: Slot[] = [];
    const place = (tensor: tf.Tensor | null, width: number | null, written: boolean): Address => {
      if (tensor === null) return 0;
      const values = valuesOf(backend, tensor);
      const entries = width === null ? values.length : width * rowsAtOnce;
      const address = module.room(entries * values.BYTES_PER_ELEMENT);
      slots.push({ address, values, width, written });
      return address;
    };
    const rowWidth = (tensor: tf.Tensor | null): number => (tensor === null ? 0 : tensor.size / rows);
    const call = callOf({
      rows: (input) => place(input, rowWidth(input), false),
      table: (input) => place(input, null, false),
      output: (output) => place(output, rowWidth(output), true),
      scratch: module.room(scratchBytes(classes)),
    });
    const block = module.room(encodeBlock(call).byteLength);
    for (const { address, values, width } of slots) if (width === null) module.write(address, values);
    for (let from = 0; from < rows; from += rowsAtOnce) {
      const count = Math.min(rowsAtOnce, rows - from);
      for (const { address, values, width, written } of slots) {
        if (width !== null && !written) module.write(address, values.subarray(from * width, (from + count) * width));
      }
      module.write(block, encodeBlock({ ...call, rows: count }));
      module.run(pass, block);
      for (const { address, values, width, written } of slots) {
        if (width !== null && written) module.read(address, values.subarray(from * width, (from + count) * width));
      }
    }
  },
};
