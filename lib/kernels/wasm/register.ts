import * as tf from "@tensorflow/tfjs";
import { unsortedSegmentSumOn } from "../unsortedSegmentSum.ts";
import { type WasmBackend, zeros } from "./backend.ts";
import { batchMatMulWith } from "./batchMatMul.ts";
import { identityWith } from "./identity.ts";

/** The wasm backend has none. */
const unsortedSegmentSum: tf.KernelConfig = unsortedSegmentSumOn<WasmBackend>("wasm", {
  zeros,
  values: (backend, info) => backend.typedArrayFromHeap(info),
});

let registered = false;

/**
 * Makes tensorflow.js's wasm backend fit for training: the gradient of embeddings, an Identity that does not copy, and
 * a matMul whose transposes are not slow. Needs @tensorflow/tfjs-backend-wasm to be imported; a second call does
 * nothing.
 */
export function registerWasmKernels(): void {
  if (registered) return;
  const replace = (kernelName: string, replacement: (original: tf.KernelConfig) => tf.KernelConfig): void => {
    const original = tf.getKernel(kernelName, "wasm");
    tf.unregisterKernel(kernelName, "wasm");
    tf.registerKernel(replacement(original));
  };
  replace("Identity", identityWith);
  replace("BatchMatMul", batchMatMulWith);
  if (tf.getKernel(unsortedSegmentSum.kernelName, "wasm") === undefined) tf.registerKernel(unsortedSegmentSum);
  registered = true;
}
