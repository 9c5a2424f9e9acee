/**
 * Products of matrices as the linear form needs them: with factors that lie transposed, and added to what is there. One
 * implementation a backend; the portable one is of ordinary ops.
 */
import * as tf from "@tensorflow/tfjs";

/** A matrix of a product, as it lies or transposed. */
export interface Factor {
  /** Float32. */
  readonly matrix: tf.Tensor2D;
  readonly transposed: boolean;
}

export interface Products {
  readonly name: string;
  /** How many buffers of the total's size an addition needs beside the total. */
  readonly spare: number;
  /** a · b, [m, n], plus a bias for each column. */
  multiply(a: Factor, b: Factor, bias: tf.Tensor1D | null): tf.Tensor2D;
  /** total + a · b, [m, n]. The total is used up: it is the result itself, or disposed of. */
  add(total: tf.Tensor2D, a: Factor, b: Factor): tf.Tensor2D;
  /** total · factor, a scalar. The total is not to be read after. */
  scale(total: tf.Tensor, factor: tf.Tensor): tf.Tensor;
}

/** The rows and columns of a factor as the product sees it. */
export function shapeOf({ matrix, transposed }: Factor): readonly [rows: number, columns: number] {
  const [rows, columns] = matrix.shape;
  return transposed ? [columns, rows] : [rows, columns];
}

/** `scale` where the host reads the factor without waiting: a total need not be copied to be multiplied by 1. */
export function scaleOnHost(total: tf.Tensor, factor: tf.Tensor): tf.Tensor {
  return factor.dataSync()[0] === 1 ? tf.clone(total) : tf.mul(total, factor);
}

/** By ordinary ops. */
export const portableProducts: Products = {
  name: "portable",
  spare: 2,
  multiply: (a, b, bias) => {
    const [transposeA, transposeB] = [a.transposed, b.transposed];
    // Some backends' fused kernels walk transposed factors entry by entry where their plain ones do not.
    const product = tf.matMul<tf.Tensor2D>(a.matrix, b.matrix, transposeA, transposeB);
    if (bias === null) return product;
    const sum = tf.add<tf.Tensor2D>(product, bias);
    product.dispose();
    return sum;
  },
  add: (total, a, b) => {
    const product = tf.matMul(a.matrix, b.matrix, a.transposed, b.transposed);
    const sum = tf.add<tf.Tensor2D>(total, product);
    tf.dispose([product, total]);
    return sum;
  },
  scale: (total, factor) => tf.mul(total, factor),
};
