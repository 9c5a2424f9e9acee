/**
 * The one wide operation: a few numbers for each row of the logits, and the gradient of the logits given a cotangent
 * for each of those numbers. Everything else that a loss does is arithmetic on these.
 *
 * All statistics are relative to the row's maximum m, because a float32 logsumexp alone loses everything at large
 * logits. With z the row, y its label:
 * - t = z_y − m
 * - r = log Σ_{j≠y} exp(z_j − m), which leaves the target out, so that nll = softplus(r − t) and 1 − p_y =
 *   sigmoid(r − t) stay exact for confident rows
 * - s = log Σ_j exp(z_j − m) = logaddexp(r, t)
 * - e = Σ_j p_j (z_j − m), so that the entropy of p is s − e; an entry with p_j = 0 adds 0
 * - dot(u) = Σ_j u_j (z_j − m) for a table u [V], or u = 1; an entry with u_j = 0 adds 0 even at z_j = −∞
 * - targetDot(u) = Σ_j q_j u_j (z_j − m) for soft targets q [N, V]
 *
 * m counts as a constant in gradients. A loss that is a function of the logits alone does not change when every row is
 * taken relative to another number, so what m would add to the gradient sums to zero.
 */
import type * as tf from "@tensorflow/tfjs";

/** The rows of a batch that have a label to learn from. */
export interface ValidRows {
  /** [N], bool. */
  readonly tensor: tf.Tensor1D;
  /** The indices of the rows that are not valid, where the host knows them. */
  readonly invalid: Int32Array | null;
}

/** A table u [V] on the device, with the ids at which it is not 0 if it is 0 anywhere. Null stands for u = 1. */
export interface DotTable {
  readonly tensor: tf.Tensor1D;
  readonly support: Int32Array | null;
}

export interface WideInput {
  /** [N, V], float32. */
  readonly logits: tf.Tensor2D;
  /** [N], int32, within the vocabulary in every row; null where t and r are not wanted. */
  readonly labels: tf.Tensor1D | null;
  /** Soft targets q [N, V], float32; null where targetDots is empty. */
  readonly targets: tf.Tensor2D | null;
  /** Null where every row is valid. Statistics of a row that is not valid are finite and otherwise meaningless. */
  readonly valid: ValidRows | null;
  /** Whether e is wanted. */
  readonly entropy: boolean;
  /** The tables of the dot statistics that are wanted. */
  readonly dots: readonly (DotTable | null)[];
  /** The tables of the dot statistics under the soft targets that are wanted. */
  readonly targetDots: readonly (DotTable | null)[];
}

/** One number a row, [N], each; null where it is not wanted. */
export interface RowStatistics {
  readonly m: tf.Tensor1D;
  readonly s: tf.Tensor1D;
  readonly t: tf.Tensor1D | null;
  readonly r: tf.Tensor1D | null;
  readonly e: tf.Tensor1D | null;
  readonly dots: readonly tf.Tensor1D[];
  readonly targetDots: readonly tf.Tensor1D[];
}

/** The derivative of the loss with respect to each statistic, [N]; null where it is 0. All are 0 in invalid rows. */
export interface RowCotangents {
  readonly s: tf.Tensor1D | null;
  readonly t: tf.Tensor1D | null;
  readonly r: tf.Tensor1D | null;
  readonly e: tf.Tensor1D | null;
  readonly dots: readonly (tf.Tensor1D | null)[];
  readonly targetDots: readonly (tf.Tensor1D | null)[];
}

/** An implementation for one backend or for all. */
export interface RowStatisticsKernel {
  readonly name: string;
  forward(input: WideInput): RowStatistics;
  /** The gradient of the logits, [N, V]: 0 in rows that are not valid, whatever their logits are. */
  backward(input: WideInput, statistics: RowStatistics, cotangents: RowCotangents): tf.Tensor2D;
}
