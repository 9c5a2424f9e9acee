/** Probabilities in place of logits: their logarithm, and the way back for gradients, with ordinary ops over [N, V]. */
import * as tf from "@tensorflow/tfjs";
import { checkProbabilities, leastProbability } from "../loss/probabilities.ts";
import type { Rows } from "./batch.ts";
import { isHostBackend } from "./entries.ts";

/**
 * z = log max(p, 1e-7), and NaN where p is NaN. A negative p in a valid row is a LossError where the host reads it without waiting, and NaN elsewhere.
 */
export function logitsOf(probabilities: tf.Tensor2D, rows: Rows): tf.Tensor2D {
  if (rows.count === 0) return probabilities;
  if (isHostBackend()) checkOnHost(probabilities, rows);
  return tf.tidy(() => {
    const isOne = tf.greaterEqual(probabilities, 0);
    const log = tf.log(tf.maximum(probabilities, leastProbability));
    return tf.where(isOne, log, tf.fill(probabilities.shape, Number.NaN)) as tf.Tensor2D;
  });
}

/** ∂loss/∂p, given ∂loss/∂z. */
export function throughLog(probabilities: tf.Tensor2D, gradient: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const isFree = tf.greater(probabilities, leastProbability);
    return tf.where(isFree, tf.div(gradient, probabilities), tf.zerosLike(gradient)) as tf.Tensor2D;
  });
}

function checkOnHost(probabilities: tf.Tensor2D, { valid, shape, classes }: Rows): void {
  const lowest = tf.tidy(() => tf.min(probabilities).dataSync()[0]);
  if (!(lowest < 0)) return;
  const isValid = valid?.tensor.dataSync() ?? null;
  checkProbabilities(probabilities.dataSync(), shape, classes, (row) => isValid === null || isValid[row] !== 0);
}
