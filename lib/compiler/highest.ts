/** Which rows are the highest of a batch, by ../loss/highest.ts where the host reads tensors without waiting. */
import * as tf from "@tensorflow/tfjs";
import { total } from "../kernels/sums.ts";
import { half, highestRows } from "../loss/highest.ts";
import type { Rows } from "./batch.ts";
import { isHostBackend } from "./entries.ts";

/** 1 for the rows with the highest values of the valid rows, 0 for the others, [N]. */
export function highestOf(share: number, values: tf.Tensor1D, rows: Rows): tf.Tensor1D {
  if (rows.count === 0) return values;
  return isHostBackend() ? onHost(share, values, rows) : onDevice(share, values, rows);
}

function onHost(share: number, values: tf.Tensor1D, { validWeight }: Rows): tf.Tensor1D {
  const valid = validWeight?.dataSync() ?? null;
  return tf.tensor1d(highestRows(values.dataSync(), (row) => valid === null || valid[row] !== 0, share));
}

/**
 * By a sort on the device: the value of the last place, and the rows that have it in the order of the batch. On webgpu it stays
 * there; on webgl tensorflow.js's own topk reads fewer than 100 000 rows back to sort them.
 */
function onDevice(share: number, values: tf.Tensor1D, { count, valid }: Rows): tf.Tensor1D {
  return tf.tidy(() => {
    const isValid = valid?.tensor ?? tf.ones<tf.Rank.R1>([count], "bool");
    const largest = tf.fill<tf.Rank.R1>([count], float32Largest);
    // A shader may not compare infinities.
    const finite = tf.minimum(tf.maximum(values, -float32Largest), float32Largest);
    const sizes = tf.where(tf.isNaN(values), largest, finite) as tf.Tensor1D;
    const sorted = tf.topk(tf.where(isValid, sizes, tf.neg(largest)) as tf.Tensor1D, count).values;
    const rows = total(tf.cast(isValid, "float32") as tf.Tensor1D);
    const places = tf.maximum(1, tf.minimum(rows, tf.floor(tf.add(tf.mul(rows, share), half))));
    const lowest = tf.gather(sorted, tf.cast(tf.sub(places, 1), "int32").reshape([1]));
    const above = tf.cast(tf.logicalAnd(isValid, tf.greater(sizes, lowest)), "float32") as tf.Tensor1D;
    const level = tf.cast(tf.logicalAnd(isValid, tf.equal(sizes, lowest)), "float32") as tf.Tensor1D;
    const left = tf.sub(places, total(above));
    const first = tf.cast(tf.lessEqual(tf.cumsum(level), left), "float32");
    return tf.add(above, tf.mul(level, first)) as tf.Tensor1D;
  });
}

const float32Largest = 3.4028234663852886e38;
