import * as tf from "@tensorflow/tfjs";

/**
 * log(1 + x) for x > −1, exact to float32 also for small x. tensorflow.js's own op forms 1 + x first on wasm and on the
 * GPU backends, and so loses the loss of confident rows; the logarithm of a GPU is exact near 1 only to an absolute error.
 *
 * Below 0.3 in size it is 2 artanh(s) with s = x / (2 + x), as a series in s². Above it is W. Kahan's log(u) x / (u − 1) with
 * u = 1 + x rounded, in which the rounding of u cancels.
 */
export function log1p<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => {
    const isSmall = tf.less(tf.abs(x), 0.3);
    const small = tf.where(isSmall, x, tf.zerosLike(x));
    const s = tf.div(small, tf.add(small, 2));
    const square = tf.square(s);
    // The next term is below 4e−9 of the sum.
    const series = [1 / 3, 1 / 5, 1 / 7, 1 / 9].reduceRight<tf.Tensor>(
      (rest, coefficient) => tf.mul(square, tf.add(rest, coefficient)),
      tf.zerosLike(s),
    );
    const u = tf.add(x, 1);
    const excess = tf.sub(u, 1);
    // Where u is ∞ the quotient would be ∞ / ∞.
    const quotient = tf.div(x, tf.where(isSmall, tf.onesLike(excess), excess));
    const isInfinite = tf.equal(u, Number.POSITIVE_INFINITY);
    const large = tf.where(isInfinite, u, tf.mul(tf.log(u), quotient));
    return tf.where(isSmall, tf.mul(tf.mul(s, 2), tf.add(series, 1)), large) as T;
  });
}
