import * as tf from "@tensorflow/tfjs";
import { LossError } from "../loss/error.ts";

/** A small product must come back right from the current backend: a broken driver computes garbage without an error. */
export async function selfTest(): Promise<void> {
  const product = tf.tidy(() =>
    tf.matMul(
      tf.tensor2d([
        [1, 2],
        [3, 4],
      ]),
      tf.tensor2d([
        [5, 6],
        [7, 8],
      ]),
    ),
  );
  try {
    const values = [...(await product.data())];
    if (values.join() === "19,22,43,50") return;
    throw new LossError(
      "useBackend",
      `${tf.getBackend()} computes wrong numbers: ${values.join(", ")} in place of 19, 22, 43, 50`,
      "Update the driver, or use another backend",
    );
  } finally {
    product.dispose();
  }
}
