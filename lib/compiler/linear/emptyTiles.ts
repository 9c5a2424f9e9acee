/**
 * Rows that have nothing but −∞ in a tile of columns. A row with no entry above −∞ has no statistics, and the whole row may have some:
 * in the tile it gets a finite number in their place, and what that makes of a sum becomes ∞ again.
 */
import * as tf from "@tensorflow/tfjs";
import { rowSums } from "../../kernels/sums.ts";
import { isHostBackend } from "../entries.ts";

const lowestLogit = -1e32;

/** Beyond this a number comes from such a logit. */
export const lost = 1e25;

/** The biases of a tile. Products are finite, or their rows are NaN: its logits are −∞ where all of the biases are. */
export function finiteBias(bias: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => {
    const isEmpty = tf.less(tf.max(bias), -3e38);
    return tf.where(isEmpty, tf.fill(bias.shape, lowestLogit), bias);
  });
}

/** Logits of a tile that may be −∞ in any row. */
export function withoutEmptyRows(logits: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    // A maximum may pass over NaN, a sum does not.
    const isLow = tf.less(tf.max(logits, 1), -3e38);
    const isEmpty = tf.logicalAnd(isLow, tf.equal(rowSums(tf.exp(logits)), 0));
    if (isHostBackend() && !isEmpty.dataSync().includes(1)) return logits;
    return tf.where(isEmpty.expandDims(1), tf.fill(logits.shape, lowestLogit), logits);
  });
}

/** ∞ in the place of what a logit of −∞ made finite. */
export function orInfinite<T extends tf.Tensor>(x: T): T {
  return tf.where(tf.greater(tf.abs(x), lost), tf.mul(tf.sign(x), Number.POSITIVE_INFINITY), x) as T;
}
