/** The row kernels of a WebAssembly memory. */
import { relaxedSimd, simd } from "./bytes.ts";

/** Relaxed SIMD has fused multiply-add; what cannot run it gets the same code without. */
export type RowKernelVariant = "simd" | "relaxed-simd";

export interface RowKernels extends Exports {
  readonly variant: RowKernelVariant;
}

interface Exports {
  /** Writes the statistics that the block at this address asks for. */
  readonly forward: (block: number) => void;
  /** Writes the gradient that the block at this address asks for. */
  readonly backward: (block: number) => void;
  /** Writes or adds to a product of matrices; see ./assembly/product.ts. Addresses in bytes, strides in entries. */
  readonly product: (
    ...[out, a, aRow, aColumn, b, bRow, bColumn, m, k, n, bias, adds, scratch]: readonly number[]
  ) => void;
  /** Bytes of scratch memory that a product needs. */
  readonly productScratch: () => number;
}

const bytes: Readonly<Record<RowKernelVariant, string>> = { simd, "relaxed-simd": relaxedSimd };

const modules = new Map<RowKernelVariant, WebAssembly.Module | null>();

/** JavaScriptCore makes two instructions and a copy of a relaxed multiply-add on x86, V8 one instruction. */
const prefersPlain = "Bun" in globalThis;

/** The kernels on a memory, with relaxed SIMD where it is to be had and is faster; an error where SIMD is not. */
export function instantiateRowKernels(memory: WebAssembly.Memory, variant?: RowKernelVariant): RowKernels {
  const plain = prefersPlain || moduleOf("relaxed-simd") === null;
  const chosen = variant ?? (plain ? "simd" : "relaxed-simd");
  const module = moduleOf(chosen);
  if (module === null) throw new Error(`WebAssembly has no ${chosen} here`);
  const exports = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Exports;
  return { variant: chosen, ...exports };
}

/** Whether this runtime has a variant. */
export function hasRowKernels(variant: RowKernelVariant): boolean {
  return moduleOf(variant) !== null;
}

/** A variant's module, compiled once; null where the runtime does not take it. */
function moduleOf(variant: RowKernelVariant): WebAssembly.Module | null {
  let module = modules.get(variant);
  if (module === undefined) {
    const decoded = Uint8Array.from(atob(bytes[variant]), (character) => character.charCodeAt(0));
    module = WebAssembly.validate(decoded) ? new WebAssembly.Module(decoded) : null;
    modules.set(variant, module);
  }
  return module;
}
