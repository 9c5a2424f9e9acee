import * as tf from "@tensorflow/tfjs";

/**
 * log(1 + x) for x ≥ 0, exact to float32 also for small x. tensorflow.js's own op forms 1 + x first on wasm and on the
 * GPU backends, and so loses the loss of confident rows.
 *
 * Source: W. Kahan's log(u) x / (u − 1) with u = 1 + x rounded, in which the rounding of u cancels.
 */
export function log1p<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => {
    const u = tf.add(x, 1);
    const excess = tf.sub(u, 1);
    const isTiny = tf.equal(excess, 0);
    // Where u is 1 or ∞ the quotient would be 0 / 0 or ∞ / ∞.
    const quotient = tf.div(x, tf.where(isTiny, tf.onesLike(excess), excess));
    return tf.where(isTiny, x, tf.mul(tf.log(u), quotient)) as T;
  });
}
