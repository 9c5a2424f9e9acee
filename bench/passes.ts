/** The two things that are timed: a loss's value, and its value with the gradient of the logits. */
import * as tf from "@tensorflow/tfjs";
import type { Form } from "./forms.ts";

/** What is timed, by the name in the results. */
export const passNames = ["forward", "forwardAndBackward"] as const;
export type PassName = (typeof passNames)[number];

/** What a call computed: the loss and, after a backward pass, the gradient of the first row's logit at its label. */
export interface Outcome {
  readonly value: number;
  readonly gradientEntry: number | null;
}

/**
 * Runs a pass, of which the loss is left to be read. The gradient is made before, and devices work in order, so the
 * work is done when the loss has been read; the gradient is not read, since that is a copy of all of it on some
 * backends, even for one entry.
 */
export function startPass(pass: PassName, form: Form, logits: tf.Tensor2D): tf.Scalar {
  if (pass === "forward") return tf.tidy(() => form(logits));
  const { value, grad } = valueAndGradient(form, logits);
  grad.dispose();
  return value;
}

/** Runs a pass to its end; nothing is kept. */
export async function runPass(pass: PassName, form: Form, logits: tf.Tensor2D): Promise<number> {
  return readNumber(startPass(pass, form, logits));
}

/** Runs a pass, and reads an entry of the gradient too; `label` is that of the first row. */
export async function outcomeOf(pass: PassName, form: Form, logits: tf.Tensor2D, label: number): Promise<Outcome> {
  if (pass === "forward") return { value: await runPass(pass, form, logits), gradientEntry: null };
  const { value, grad } = valueAndGradient(form, logits);
  const entry = tf.tidy(() => tf.slice(grad, [0, label], [1, 1]));
  grad.dispose();
  return { value: await readNumber(value), gradientEntry: await readNumber(entry) };
}

/** Waits for a tensor's first number, and frees the tensor. */
export async function readNumber(tensor: tf.Tensor): Promise<number> {
  const [value] = await tensor.data();
  tensor.dispose();
  return value;
}

function valueAndGradient(form: Form, logits: tf.Tensor2D): { readonly value: tf.Scalar; readonly grad: tf.Tensor2D } {
  const { value, grad } = tf.valueAndGrad(form as (x: tf.Tensor) => tf.Scalar)(logits);
  return { value: value as tf.Scalar, grad: grad as tf.Tensor2D };
}
