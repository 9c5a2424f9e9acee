import * as tf from "@tensorflow/tfjs";
import type { Rows } from "./batch.ts";

/** The length of a sequence: the last axis of the rows. */
export function sequenceLength({ shape }: Rows): number {
  return shape[shape.length - 1] ?? 1;
}

/** The place of each row in its sequence, [N]. */
export function positions(rows: Rows): tf.Tensor1D {
  if (rows.ofSequences !== undefined) return rows.ofSequences.positions;
  const length = sequenceLength(rows);
  return tf.tensor1d(Float32Array.from({ length: rows.count }, (_, row) => row % length));
}
