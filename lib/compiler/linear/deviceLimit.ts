/** What a device binds at once. */
import * as tf from "@tensorflow/tfjs";

interface Limited {
  readonly device?: {
    readonly limits: { readonly maxStorageBufferBindingSize: number; readonly maxBufferSize: number };
  };
}

/** The bytes of the largest tensor that a program of the current backend reads or writes; null where none is known. */
export function largestBinding(): number | null {
  if (tf.getBackend() !== "webgpu") return null;
  const limits = (tf.backend() as unknown as Limited).device?.limits;
  return limits === undefined ? null : Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
}
