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
  const made: tf.Tensor[] = [input, ...compiled.variables.values()];
  const of = (x: tf.Tensor): tf.Tensor => compiled({ ...batch, [name]: x } as unknown as Batches[Input]);
  try {
    const value = of(input);
    made.push(value);
    // Not by tf.sum: it throws where there are no rows, on webgpu and webgl.
    const ones = tf.ones(value.shape);
    made.push(ones);
    const gradient = tf.grad(of)(input, ones);
    made.push(gradient);
    return { value: [...(await value.data())], gradient: [...(await gradient.data())] };
  } finally {
    compiled.dispose();
    tf.dispose(made);
  }
}
