/**
 * Row statistics for the cpu backend: blocks of rows are copied into a memory of the module's, which stays in the
 * processor's cache, and the results are copied back.
 */
import * as tf from "@tensorflow/tfjs";
import type { Values } from "../memory.ts";
import { type Address, encodeBlock, scratchBytes } from "../module/block.ts";
import type { ModuleHost } from "../module/rowStatistics.ts";
import { type CpuBackend, valuesOf } from "./backend.ts";
import { moduleMemory } from "./moduleMemory.ts";

/** How many bytes of each [N, V] input are worked on at a time. */
const blockBytes = 2 ** 18;

interface Slot {
  readonly address: Address;
  readonly values: Values;
  /** Entries a row; null for a table, which every block of rows reads. */
  readonly width: number | null;
  readonly written: boolean;
}

export const cpuHost: ModuleHost = {
  name: "cpu",
  empty: (shape) => tf.tensor(new Float32Array(tf.util.sizeFromShape(shape)), shape, "float32"),
  memoryOf: (tensor) => valuesOf(tf.backend() as unknown as CpuBackend, tensor),
  run: (pass, rows, classes, callOf) => {
    const module = moduleMemory();
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
