/** The logits as a view shows them, z' = bias + cap · tanh(scale · z / cap), and the way back for gradients. */
import * as tf from "@tensorflow/tfjs";

/** A view with its scale a number or a scalar tensor, and its bias on the device. */
export interface WideView {
  /** Whose logits: the model's own, or a teacher's. */
  readonly of: "logits" | "teacher";
  /** Above 0. */
  readonly scale: number | tf.Scalar;
  readonly cap: number | null;
  /** A number, or [V]. */
  readonly bias: number | tf.Tensor1D;
}

/** Whether a view changes nothing. */
function isPlain({ scale, cap, bias }: WideView): boolean {
  return scale === 1 && cap === null && bias === 0;
}

export function applyView(view: WideView, logits: tf.Tensor2D): tf.Tensor2D {
  if (isPlain(view)) return logits;
  return tf.tidy(() => {
    const scaled = tf.mul(logits, view.scale);
    const capped = view.cap === null ? scaled : tf.mul(tf.tanh(tf.div(scaled, view.cap)), view.cap);
    return tf.add(capped, view.bias);
  });
}

/** ∂loss/∂z, given ∂loss/∂z'. */
export function throughView(view: WideView, logits: tf.Tensor2D, gradient: tf.Tensor2D): tf.Tensor2D {
  const { cap, scale } = view;
  if (cap === null && scale === 1) return gradient;
  return tf.tidy(() => {
    if (cap === null) return tf.mul(gradient, scale);
    const slope = tf.sub(1, tf.square(tf.tanh(tf.div(tf.mul(logits, scale), cap))));
    return tf.mul(tf.mul(gradient, slope), scale);
  });
}
