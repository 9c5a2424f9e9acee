/** The module's functions on a memory beside the cpu backend's arrays. */
import type { Values } from "../memory.ts";
import type { Address } from "../module/block.ts";
import { instantiateRowKernels, type RowKernels } from "../module/instantiate.ts";

const pageBytes = 2 ** 16;
const alignment = 16;

/** One memory for all calls: it grows to the longest row. */
export class ModuleMemory {
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

  get product(): RowKernels["product"] {
    return this.#kernels.product;
  }

  get productScratch(): RowKernels["productScratch"] {
    return this.#kernels.productScratch;
  }
}

function viewLike(values: Values, buffer: ArrayBuffer, address: Address, length: number): Values {
  if (values instanceof Float32Array) return new Float32Array(buffer, address, length);
  if (values instanceof Int32Array) return new Int32Array(buffer, address, length);
  return new Uint8Array(buffer, address, length);
}

let memory: ModuleMemory | null = null;

/** The memory, with nothing in it. */
export function moduleMemory(): ModuleMemory {
  memory ??= new ModuleMemory();
  memory.clear();
  return memory;
}
