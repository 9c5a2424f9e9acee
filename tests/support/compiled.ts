/** Runs compiled losses on plain batches. */
import * as tf from "@tensorflow/tfjs";
import { type AnyLoss, type Batches, compile, type Input, type PlainBatches } from "lossmith";

export interface ValueAndGradient {
  readonly value: number[];
  readonly gradient: number[];
}

/** The value of a compiled loss, and the gradient of the sum of its values for the logits or predictions of this shape. */
export async function runCompiled(
  loss: AnyLoss,
  batch: PlainBatches[Input],
  shape: readonly number[],
): Promise<ValueAndGradient> {
  const compiled = compile(loss);
  const [name, plain] = "predictions" in batch ? ["predictions", batch.predictions] : ["logits", batch.logits];
  const input = tf.tensor(plain as number[], [...shape], "float32");
  const on = (x: tf.Tensor): tf.Tensor => compiled({ ...batch, [name]: x } as unknown as Batches[Input]);
  const value = on(input);
  const gradient = tf.grad((x: tf.Tensor) => tf.sum(on(x)))(input);
  const result = { value: [...(await value.data())], gradient: [...(await gradient.data())] };
  compiled.dispose();
  tf.dispose([input, value, gradient]);
  return result;
}
