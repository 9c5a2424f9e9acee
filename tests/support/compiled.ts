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
  const made: tf.Tensor[] = [logits, ...compiled.variables.values()];
  const of = (z: tf.Tensor): tf.Tensor => compiled({ ...(rest as Omit<Batch, "logits">), logits: z });
  try {
    const value = of(logits);
    made.push(value);
    // Not by tf.sum: it throws where there are no rows, on webgpu and webgl.
    const ones = tf.ones(value.shape);
    made.push(ones);
    const gradient = tf.grad(of)(logits, ones);
    made.push(gradient);
    return { value: [...(await value.data())], gradient: [...(await gradient.data())] };
  } finally {
    compiled.dispose();
    tf.dispose(made);
  }
}
