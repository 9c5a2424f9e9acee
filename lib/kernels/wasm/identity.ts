import type * as tf from "@tensorflow/tfjs";
import { alias, type WasmBackend } from "./backend.ts";

/**
 * Identity that shares memory, as on every other backend. tensorflow.js's copies, so that saving the logits for the
 * gradient doubles them.
 */
export function identityWith(original: tf.KernelConfig): tf.KernelConfig {
  return {
    ...original,
    kernelFunc: (parameters) => {
      const x = parameters.inputs["x"] as tf.TensorInfo;
      if (x.dtype === "string") return original.kernelFunc(parameters);
      return alias(parameters.backend as WasmBackend, x, x.shape);
    },
  };
}
