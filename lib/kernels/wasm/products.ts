/** Products in the wasm backend's own memory: nothing is copied, and a total is added to in its place. */
import * as tf from "@tensorflow/tfjs";
import { type Factor, type Products, scaleOnHost, shapeOf } from "../products/products.ts";
import type { WasmBackend } from "./backend.ts";
import { addressOf, moduleOn } from "./module.ts";

export const wasmProducts: Products = {
  name: "wasm",
  spare: 0,
  multiply: (a, b, bias) => {
    const shape: [number, number] = [shapeOf(a)[0], shapeOf(b)[1]];
    const { dataId } = (tf.backend() as WasmBackend).makeOutput(shape, "float32");
    const out = tf.engine().makeTensorFromDataId(dataId, shape, "float32") as tf.Tensor2D;
    run(out, a, b, bias, false);
    return out;
  },
  add: (total, a, b) => {
    run(total, a, b, null, true);
    return total;
  },
  scale: scaleOnHost,
};

function run(out: tf.Tensor2D, a: Factor, b: Factor, bias: tf.Tensor1D | null, adds: boolean): void {
  const backend = tf.backend() as WasmBackend;
  const module = moduleOn(backend);
  const [m, k] = shapeOf(a);
  const [, n] = shapeOf(b);
  const scratch = backend.makeOutput([module.productScratch() / 4], "float32");
  const at = (tensor: tf.TensorInfo | null): number => addressOf(backend, tensor);
  module.product(
    at(out),
    ...[at(a.matrix), ...stridesOf(a)],
    ...[at(b.matrix), ...stridesOf(b)],
    ...[m, k, n],
    ...[at(bias), adds ? 1 : 0, at(scratch)],
  );
  backend.disposeData(scratch.dataId);
}

/** How far it is from row to row and from column to column, in entries. */
export function stridesOf({ matrix, transposed }: Factor): readonly [row: number, column: number] {
  return transposed ? [1, matrix.shape[1]] : [matrix.shape[1], 1];
}
