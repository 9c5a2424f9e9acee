import * as tf from "@tensorflow/tfjs";

/** √Σ ‖g‖² over all gradients; the size of the largest entry is taken out first, so that no square overflows. */
export function globalNorm(gradients: readonly tf.Tensor[]): tf.Scalar {
  return tf.tidy(() => {
    const nonEmpty = gradients.filter(({ size }) => size > 0);
    if (nonEmpty.length === 0) return tf.scalar(0);
    const largest = tf.max(tf.stack(nonEmpty.map((g) => tf.max(tf.abs(g)))));
    // 0 / 0 where all gradients are 0; NaN and infinities pass through.
    const scale = tf.where(tf.equal(largest, 0), tf.onesLike(largest), largest);
    const squares = nonEmpty.map((g) => tf.sum(tf.square(tf.div(g, scale))));
    return tf.mul(scale, tf.sqrt(tf.addN(squares))) as tf.Scalar;
  });
}

/** Gradients whose norm is at most `limit`: each times min(1, limit / norm). */
export function clipByGlobalNorm<T extends Readonly<Record<string, tf.Tensor>>>(
  gradients: T,
  norm: number,
  limit: number,
): Record<string, tf.Tensor> {
  const factor = norm > limit ? limit / norm : 1;
  return Object.fromEntries(
    Object.entries(gradients).map(([name, g]) => [name, factor === 1 ? tf.clone(g) : tf.mul(g, factor)]),
  );
}
