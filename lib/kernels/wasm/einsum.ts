import * as tf from "@tensorflow/tfjs";
import { parseEinsum } from "../einsumEquation.ts";
import type { WasmBackend } from "./backend.ts";

/** A tensor whose dimensions have names. */
interface Named {
  readonly info: tf.TensorInfo;
  readonly names: readonly string[];
}

/**
 * Einsum, which the wasm backend lacks: dimensions that one tensor alone has, and the result has not, are summed; the
 * others are ordered so that a product of two tensors is a matMul.
 */
export const einsum: tf.KernelConfig = {
  kernelName: "Einsum",
  backendName: "wasm",
  kernelFunc: ({ inputs, backend, attrs }) => {
    const tensors = Object.values(inputs) as tf.TensorInfo[];
    const { subscripts, result } = parseEinsum(attrs?.["equation"] as string, tensors);
    const kernels = new Kernels(backend as WasmBackend);
    const [first, second] = tensors.map((info, i) =>
      kernels.summed({ info, names: subscripts[i] }, (name) => result.includes(name) || inOther(subscripts, i, name)),
    );
    const product = second === undefined ? first : kernels.product(first, second, result);
    return kernels.finish(kernels.ordered(product, result).info);
  },
};

function inOther(subscripts: readonly (readonly string[])[], index: number, name: string): boolean {
  return subscripts.some((names, i) => i !== index && names.includes(name));
}

/** Kernels of the backend, and what they made on the way. */
class Kernels {
  readonly #backend: WasmBackend;
  readonly #made: tf.TensorInfo[] = [];

  constructor(backend: WasmBackend) {
    this.#backend = backend;
  }

  #run(name: string, inputs: tf.NamedTensorInfoMap, attrs: tf.NamedAttrMap): tf.TensorInfo {
    const made = tf.getKernel(name, "wasm").kernelFunc({ inputs, backend: this.#backend, attrs }) as tf.TensorInfo;
    this.#made.push(made);
    return made;
  }

  /** Disposes of all but the result. */
  finish(result: tf.TensorInfo): tf.TensorInfo {
    this.#backend.incRef(result.dataId);
    for (const { dataId } of this.#made) this.#backend.disposeData(dataId);
    return result;
  }

  #shaped(info: tf.TensorInfo, shape: number[]): tf.TensorInfo {
    return this.#run("Reshape", { x: info }, { shape });
  }

  /** Without the dimensions that are not kept. */
  summed({ info, names }: Named, keeps: (name: string) => boolean): Named {
    const axis = names.flatMap((name, i) => (keeps(name) ? [] : [i]));
    if (axis.length === 0) return { info, names };
    return { info: this.#run("Sum", { x: info }, { axis, keepDims: false }), names: names.filter(keeps) };
  }

  ordered({ info, names }: Named, order: readonly string[]): Named {
    const perm = order.map((name) => names.indexOf(name));
    if (perm.every((from, to) => from === to)) return { info: this.#shaped(info, info.shape), names: order };
    return { info: this.#run("Transpose", { x: info }, { perm }), names: order };
  }

  /** Σ over the dimensions that both have and the result has not. */
  product(a: Named, b: Named, result: readonly string[]): Named {
    const shared = a.names.filter((name) => b.names.includes(name));
    const batch = shared.filter((name) => result.includes(name));
    const contracted = shared.filter((name) => !result.includes(name));
    const rows = a.names.filter((name) => !shared.includes(name));
    const columns = b.names.filter((name) => !shared.includes(name));
    const lengths = new Map(
      [a, b].flatMap(({ info, names }) => names.map((name, i) => [name, info.shape[i]] as const)),
    );
    const shape = (names: readonly string[]): number[] => names.map((name) => lengths.get(name) as number);
    const size = (names: readonly string[]): number => shape(names).reduce((product, length) => product * length, 1);
    const matrix = (named: Named, order: readonly (readonly string[])[]): tf.TensorInfo =>
      this.#shaped(this.ordered(named, order.flat()).info, order.map(size));
    const inputs = { a: matrix(a, [batch, rows, contracted]), b: matrix(b, [batch, contracted, columns]) };
    const product = this.#run("BatchMatMul", inputs, { transposeA: false, transposeB: false });
    const names = [...batch, ...rows, ...columns];
    return { info: this.#shaped(product, shape(names)), names };
  }
}
