/** Tensors as bytes, and back. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import type { StoredTensor } from "./format.ts";

/** The bytes of tensors as they are at the time of the call, whatever becomes of them while it waits. */
export async function storedOf(tensors: readonly tf.Tensor[], where: string): Promise<StoredTensor[]> {
  for (const { dtype } of tensors) {
    if (dtype === "float32" || dtype === "int32" || dtype === "bool") continue;
    throw new LossError(where, `a tensor has dtype ${dtype}`, "Give float32, int32 or bool tensors");
  }
  const copies = tensors.map((tensor) => tf.tidy(() => tf.clone(tensor)));
  try {
    return await Promise.all(
      copies.map(async (copy) => {
        const read = await copy.data();
        // A cast on cpu may leave whole numbers in an array of integers.
        const values = copy.dtype === "float32" ? Float32Array.from(read) : read;
        const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength).slice();
        return { dtype: copy.dtype, shape: copy.shape, bytes };
      }),
    );
  } finally {
    tf.dispose(copies);
  }
}

export function tensorOf({ dtype, shape, bytes }: StoredTensor): tf.Tensor {
  const { buffer } = bytes;
  const values =
    dtype === "float32"
      ? new Float32Array(buffer)
      : dtype === "int32"
        ? new Int32Array(buffer)
        : new Uint8Array(buffer);
  return tf.tensor(values, [...shape], dtype as tf.DataType as "float32");
}
