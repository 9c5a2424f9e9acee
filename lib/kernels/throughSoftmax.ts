/**
 * From what reaches each class's nll or log-odds to the gradient of the logits, with ordinary ops over [N, V].
 *
 * Where a class has nearly all of the row's probability, what reaches the others is small beside it, and so is 1 − p: both
 * keep their digits, since that class is left out of the sum and 1 − p is formed from its nll. No other class has more
 * than half of the probability, so that nothing is lost at them.
 */
import * as tf from "@tensorflow/tfjs";
import { expm1 } from "./expm1.ts";
import { rowSums } from "./sums.ts";

/** Shaders form tanh from exponentials, so that nothing is left of it near 0. */
const inexactTanh = new Set(["webgl", "webgpu"]);

/** How many ops `throughNll` runs on the current backend. */
export function opsThroughNll(): number {
  return inexactTanh.has(tf.getBackend()) ? 36 : 16;
}

/** 1 − p = 1 − exp(−nll), which keeps its digits where nll is small. */
export function complement(nll: tf.Tensor): tf.Tensor {
  if (!inexactTanh.has(tf.getBackend())) {
    const h = tf.tanh(tf.mul(nll, 0.5));
    return tf.div(tf.mul(h, 2), tf.add(h, 1));
  }
  return tf.tidy(() => tf.neg(expm1(tf.neg(nll))));
}

/** p_j Σ_c g_c − g_j, from g_c = ∂loss/∂nll_c. */
export function throughNll(nll: tf.Tensor2D, g: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const p = tf.exp(tf.neg(nll));
    const { isLikely, sum, ofOthers } = sumsOf(p, g);
    const atLikely = tf.sub(tf.mul(p, ofOthers), tf.mul(complement(nll), g));
    return tf.where(isLikely, atLikely, tf.sub(tf.mul(p, sum), g)) as tf.Tensor2D;
  });
}

/** g_j − p_j Σ_{c≠j} g_c / (1 − p_c), from g_c = ∂loss/∂logOdds_c. */
export function throughLogOdds(nll: tf.Tensor2D, g: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    const p = tf.exp(tf.neg(nll));
    const spread = tf.div(g, tf.maximum(complement(nll), 1e-30));
    const { isLikely, sum, ofOthers } = sumsOf(p, spread);
    return tf.sub(g, tf.mul(p, tf.where(isLikely, ofOthers, tf.sub(sum, spread)))) as tf.Tensor2D;
  });
}

/** The class that has more than half of the probability, if there is one; the sum of all, and without that class. */
function sumsOf(p: tf.Tensor, g: tf.Tensor): Readonly<Record<"isLikely" | "sum" | "ofOthers", tf.Tensor>> {
  const isLikely = tf.greater(p, 0.5);
  const ofOthers = rowSums(tf.where(isLikely, tf.zerosLike(g), g)).expandDims(1);
  // In a row with such a class this sum is not used at it: elsewhere its digits are enough.
  return { isLikely, sum: rowSums(g).expandDims(1), ofOthers };
}
