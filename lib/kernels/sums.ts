/**
 * Sums in two levels. The wasm backend adds float32 numbers one after the other, so that the error of a long sum grows
 * with its length; a sum of about √V sums of about √V numbers keeps four digits more at V = 262 144.
 */
import * as tf from "@tensorflow/tfjs";

/** Shorter sums are added in one level. */
const shortest = 256;

/** The sums of the rows of x [N, V], [N]. */
export function rowSums(x: tf.Tensor): tf.Tensor1D {
  const [rows, length] = x.shape;
  if (rows === 0 || length < shortest) return tf.sum(x, 1) as tf.Tensor1D;
  return tf.tidy(() => {
    const width = widthOf(length);
    const padding = (width - (length % width)) % width;
    const padded =
      padding === 0
        ? x
        : tf.pad(x as tf.Tensor2D, [
            [0, 0],
            [0, padding],
          ]);
    return tf.sum(tf.sum(padded.reshape([rows, -1, width]), 2), 1) as tf.Tensor1D;
  });
}

/** The sum of x [N]; 0 for no number. */
export function total(x: tf.Tensor1D): tf.Scalar {
  if (x.size === 0) return tf.scalar(0);
  return x.size < shortest ? tf.sum(x) : (rowSums(x.expandDims(0)).squeeze() as tf.Scalar);
}

/** A length for the inner sums near √length, one that divides it where there is one, so that nothing is copied. */
function widthOf(length: number): number {
  const root = Math.round(Math.sqrt(length));
  for (let width = root; width >= root / 8; width--) if (length % width === 0) return width;
  return root;
}

/**
 * The sum of tensors of one shape, two at a time: one op for all of them takes more buffers than a device of the default
 * limits lets a program bind. Halves are added up first: of thousands, one after the other, the last would lose their digits.
 */
export function sumOf<T extends tf.Tensor>(tensors: readonly T[]): T {
  if (tensors.length < 2) return tensors[0];
  const half = Math.ceil(tensors.length / 2);
  return tf.add(sumOf(tensors.slice(0, half)), sumOf(tensors.slice(half)));
}

/** The sum of numbers; 0 for none. */
export function sumOfScalars(scalars: readonly tf.Scalar[]): tf.Scalar {
  return scalars.length === 0 ? tf.scalar(0) : sumOf(scalars);
}
