import type * as tf from "@tensorflow/tfjs";
import type { WasmBackend } from "./backend.ts";

/** The matrix that a tensor's memory was first multiplied as. */
const shapes = new WeakMap<object, string>();

/**
 * The right factor of a product, in memory of its own where the same memory was a matrix of another shape before.
 * tensorflow.js's wasm kernels pack the right factor once for its memory, whatever its shape is later: after a reshape
 * they compute garbage, or write beyond the result.
 */
export function rightFactor(backend: WasmBackend, b: tf.TensorInfo): { info: tf.TensorInfo; isOwn: boolean } {
  const shape = b.shape.slice(-2).join(" × ");
  const known = shapes.get(b.dataId);
  if (known === undefined) shapes.set(b.dataId, shape);
  if (known === undefined || known === shape) return { info: b, isOwn: false };
  const info = backend.makeOutput(b.shape, b.dtype);
  const [from, to] = [b, info].map((each) => backend.typedArrayFromHeap(each));
  to.set(from);
  return { info, isOwn: true };
}
