/** The logits as a view shows them, z' = bias + cap · tanh(scale · z / cap), and the way back for gradients. */
import * as tf from "@tensorflow/tfjs";
import { interpreter } from "../loss/expression.ts";
import type { ParameterAtom } from "../loss/parameter.ts";
import type { Step } from "../loss/schedule.ts";
import type { View } from "../loss/view.ts";
import { type RowValues, tensorAlgebra } from "./tensorAlgebra.ts";

/** A view with its scale a number or a scalar tensor, and its bias on the device. */
export interface BoundView {
  readonly scale: number | tf.Scalar;
  readonly cap: number | null;
  /** A number, or [V]. */
  readonly bias: number | tf.Tensor1D;
}

export type ParameterValues = ReadonlyMap<string, tf.Scalar>;

/** The scale of a view at a step. */
export function scaleOf(scale: View["scale"], step: number, parameters: ParameterValues): number | tf.Scalar {
  const meaning = (a: Step | ParameterAtom): RowValues =>
    a.kind === "step" ? step : (parameters.get(a.name) as unknown as tf.Tensor1D);
  return interpreter(tensorAlgebra(meaning))(scale) as number | tf.Scalar;
}

/** Whether a view changes nothing. */
function isPlain({ scale, cap, bias }: BoundView): boolean {
  return scale === 1 && cap === null && bias === 0;
}

export function applyView(view: BoundView, logits: tf.Tensor2D): tf.Tensor2D {
  if (isPlain(view)) return logits;
  return tf.tidy(() => {
    const scaled = tf.mul(logits, view.scale);
    const capped = view.cap === null ? scaled : tf.mul(tf.tanh(tf.div(scaled, view.cap)), view.cap);
    return tf.add(capped, view.bias);
  });
}

/** ∂loss/∂(scale · z), given ∂loss/∂z'. */
export function throughCap(view: BoundView, logits: tf.Tensor2D, gradient: tf.Tensor2D): tf.Tensor2D {
  const { cap } = view;
  if (cap === null) return gradient;
  return tf.tidy(() => {
    const slope = tf.sub(1, tf.square(tf.tanh(tf.div(tf.mul(logits, view.scale), cap))));
    return tf.mul(gradient, slope);
  });
}
