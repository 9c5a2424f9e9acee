/** Runs compiled losses on plain batches. */
import * as tf from "@tensorflow/tfjs";
import { type AnyLoss, type Batch, compile, type PlainBatch } from "lossmith";

export interface ValueAndGradient {
  readonly value: number[];
  readonly gradient: number[];
}

/** The value of a compiled loss, and the gradient of the sum of its values for the logits. */
export async function runCompiled(
  loss: AnyLoss,
  batch: PlainBatch,
  shape: readonly number[],
): Promise<ValueAndGradient> {
  const compiled = compile(loss);
  const { logits: plain, ...rest } = batch;
  const logits = tf.tensor(plain as number[], [...shape], "float32");
  const of = (z: tf.Tensor): tf.Tensor => compiled({ ...(rest as Omit<Batch, "logits">), logits: z });
  const value = of(logits);
  // Not by tf.sum: it throws where there are no rows, on webgpu and webgl.
  const ones = tf.ones(value.shape);
  const gradient = tf.grad(of)(logits, ones);
  const result = { value: [...(await value.data())], gradient: [...(await gradient.data())] };
  compiled.dispose();
  tf.dispose([logits, value, ones, gradient]);
  return result;
}
