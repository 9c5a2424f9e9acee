import * as tf from "@tensorflow/tfjs";

/** 1, 1/2!, 1/3!, …: x times their series is exp(x) − 1, to float32 within `seriesBound`. */
export const expm1Terms: readonly number[] = [1, 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040, 1 / 40_320];

/** Beyond it exp(x) − 1 loses less than two bits. */
export const seriesBound = 0.5;

/**
 * exp(x) − 1, exact to float32 also for small x. tensorflow.js's own op forms exp(x) first on the GPU backends, and Kahan's
 * quotient would need a log that keeps its digits near 1, which they do not have.
 */
export function expm1<T extends tf.Tensor>(x: T): T {
  return tf.tidy(() => {
    const [last, ...others] = [...expm1Terms].reverse();
    const series = others.reduce<tf.Tensor>((sum, term) => tf.add(tf.mul(sum, x), term), tf.fill(x.shape, last));
    const isSmall = tf.less(tf.abs(x), seriesBound);
    return tf.where(isSmall, tf.mul(series, x), tf.sub(tf.exp(x), 1)) as T;
  });
}
