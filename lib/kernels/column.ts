/** Numbers of the rows that lie in a larger tensor, so that a kernel reads them there and nothing is copied. */
import * as tf from "@tensorflow/tfjs";

/** One number for each row, as a part of a tensor of two dimensions, or one number for all rows, of one dimension. */
export interface Column {
  readonly within: tf.Tensor;
  /** A column of [N, K], a row of [K, N], or an entry of [K] that is the same for every row. */
  readonly as: "column" | "row" | "entry";
  readonly index: number;
}

/** One number for each row, [N], or for all rows, []. */
export type RowNumbers = tf.Tensor | Column;

/** As a tensor of its own: [N], or [] where the number is the same for every row. */
export function tensorOf(numbers: RowNumbers): tf.Tensor1D {
  if (numbers instanceof tf.Tensor) return numbers as tf.Tensor1D;
  const { within, as, index } = numbers;
  if (as === "entry") return tf.slice(within, [index], [1]).reshape([]);
  const [rows, columns] = within.shape;
  const part = as === "column" ? tf.slice(within, [0, index], [rows, 1]) : tf.slice(within, [index, 0], [1, columns]);
  return part.reshape([part.size]);
}
