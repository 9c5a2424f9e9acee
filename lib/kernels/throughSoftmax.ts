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

/** Sums of numbers of the classes of each row, [N, 1]: of all, and without the class that has more than half of the probability. */
export interface ClassSums {
  readonly sum: tf.Tensor;
  readonly ofOthers: tf.Tensor;
}

/** p_j Σ_c g_c − g_j, from g_c = ∂loss/∂nll_c; with the sums of whole rows where these classes are some of them. */
export function throughNll(nll: tf.Tensor2D, g: tf.Tensor2D, sums?: ClassSums): tf.Tensor2D {
  return tf.tidy(() => {
    const p = tf.exp(tf.neg(nll));
    const isLikely = isLikelyOf(p);
    const { sum, ofOthers } = sums ?? sumsOf(isLikely, g);
    const atLikely = tf.sub(tf.mul(p, ofOthers), tf.mul(complement(nll), g));
    return tf.where(isLikely, atLikely, tf.sub(tf.mul(p, sum), g)) as tf.Tensor2D;
  });
}

/** The sums that `throughNll` reads. */
export function sumsOfNll(nll: tf.Tensor2D, g: tf.Tensor2D): ClassSums {
  return sumsOf(isLikelyOf(tf.exp(tf.neg(nll))), g);
}

/** g_j − p_j Σ_{c≠j} g_c / (1 − p_c), from g_c = ∂loss/∂logOdds_c; with the sums of whole rows, as `throughNll`. */
export function throughLogOdds(nll: tf.Tensor2D, g: tf.Tensor2D, sums?: ClassSums): tf.Tensor2D {
  return tf.tidy(() => {
    const p = tf.exp(tf.neg(nll));
    const isLikely = isLikelyOf(p);
    const spread = spreadOf(nll, g);
    const { sum, ofOthers } = sums ?? sumsOf(isLikely, spread);
    return tf.sub(g, tf.mul(p, tf.where(isLikely, ofOthers, tf.sub(sum, spread)))) as tf.Tensor2D;
  });
}

/** The sums that `throughLogOdds` reads. */
export function sumsOfLogOdds(nll: tf.Tensor2D, g: tf.Tensor2D): ClassSums {
  return sumsOf(isLikelyOf(tf.exp(tf.neg(nll))), spreadOf(nll, g));
}

/** g_c / (1 − p_c). */
function spreadOf(nll: tf.Tensor2D, g: tf.Tensor2D): tf.Tensor2D {
  return tf.div(g, tf.maximum(complement(nll), 1e-30));
}

/** Whether a class has more than half of the probability. */
function isLikelyOf(p: tf.Tensor): tf.Tensor {
  return tf.greater(p, 0.5);
}

/** At a likely class the sum of all is not used: elsewhere its digits are enough. */
function sumsOf(isLikely: tf.Tensor, g: tf.Tensor): ClassSums {
  const ofOthers = rowSums(tf.where(isLikely, tf.zerosLike(g), g)).expandDims(1);
  return { sum: rowSums(g).expandDims(1), ofOthers };
}
