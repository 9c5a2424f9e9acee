import * as tf from "@tensorflow/tfjs";
import { expm1 } from "../kernels/expm1.ts";
import { log1p } from "../kernels/log1p.ts";
import type { Algebra, BinaryOperator, UnaryOperator } from "../loss/expression.ts";
import { binaryNumber, unaryNumber } from "../loss/expression.ts";

/** A number that is the same for every row, kept in float64, or one for each row, [N]. */
export type RowValues = number | tf.Tensor1D;

/** Row-wise arithmetic with tensorflow.js's ops; `meaning` gives the meaning of the atoms. */
export function tensorAlgebra<A>(meaning: (a: A) => RowValues): Algebra<A, RowValues> {
  return {
    constant: (value) => value,
    atom: meaning,
    unary: (operator, x) => (typeof x === "number" ? unaryNumber[operator](x) : unaryTensor[operator](x)),
    binary: (operator, x, y) =>
      typeof x === "number" && typeof y === "number"
        ? binaryNumber[operator](x, y)
        : (binaryTensor[operator](x, y) as tf.Tensor1D),
    select: (left, right, whenLess, otherwise) => {
      if (typeof left === "number" && typeof right === "number") return left < right ? whenLess : otherwise;
      const condition = tf.less(left, right);
      // tf.where wants tensors of the condition's shape on some backends.
      const full = (x: RowValues): tf.Tensor => (typeof x === "number" ? tf.fill(condition.shape, x) : x);
      return tf.where(condition, full(whenLess), full(otherwise)) as tf.Tensor1D;
    },
  };
}

const unaryTensor: Record<UnaryOperator, (x: tf.Tensor1D) => tf.Tensor1D> = {
  exp: tf.exp,
  expm1,
  log: tf.log,
  log1p,
  // tensorflow.js's own softplus forms 1 + exp(x) in float32 and loses confident rows.
  softplus: (x) => tf.add(tf.relu(x), log1p(tf.exp(tf.neg(tf.abs(x))))),
  sigmoid: tf.sigmoid,
  cos: tf.cos,
  sin: tf.sin,
  floor: tf.floor,
  abs: tf.abs,
  lambertW,
};

/**
 * Newton's steps on log: w ← w (1 + log x − log w) / (1 + w) for x > 0, and Halley's below. Each iterate is a tensor of
 * one number a row.
 */
function lambertW(x: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => {
    const p = tf.sqrt(tf.mul(2, tf.relu(tf.add(tf.mul(x, Math.E), 1))));
    const nearBranch = tf.add(-1, tf.mul(p, tf.sub(1, tf.mul(p, tf.sub(1 / 3, tf.mul(p, 11 / 72))))));
    const log = log1p(tf.relu(x));
    const far = tf.mul(log, tf.sub(1, tf.div(log1p(log), tf.add(2, log))));
    let w: tf.Tensor = tf.where(tf.less(x, 0.3), nearBranch, far);
    for (let iteration = 0; iteration < 6; iteration++) {
      const e = tf.exp(w);
      const f = tf.sub(tf.mul(w, e), x);
      const above = tf.maximum(tf.add(w, 1), 1e-6);
      w = tf.sub(w, tf.div(f, tf.sub(tf.mul(e, above), tf.div(tf.mul(tf.add(w, 2), f), tf.mul(2, above)))));
    }
    return tf.where(tf.less(x, -1 / Math.E), tf.fill(x.shape, Number.NaN), w) as tf.Tensor1D;
  });
}

const binaryTensor: Record<BinaryOperator, (x: RowValues, y: RowValues) => tf.Tensor> = {
  add: tf.add,
  subtract: tf.sub,
  multiply: tf.mul,
  divide: tf.div,
  pow: tf.pow,
  min: tf.minimum,
  max: tf.maximum,
  weigh: (w, x) => {
    if (typeof w === "number") return w === 0 ? tf.zerosLike(x as tf.Tensor1D) : tf.mul(w, x);
    return tf.where(tf.equal(w, 0), tf.zerosLike(w), tf.mul(w, x));
  },
};
