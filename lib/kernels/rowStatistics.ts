/**
 * The one wide operation: a few numbers for each row of the logits, and the gradient of the logits given a cotangent
 * for each of those numbers. Everything else that a loss does is arithmetic on these.
 *
 * All statistics are relative to the row's maximum m in a view of the logits, because a float32 logsumexp alone loses
 * everything at large logits. With z the row in the view, y its label:
 * - t = z_y − m
 * - r = log Σ_{j≠y} exp(z_j − m), which leaves the target out, so that 1 − p_y = sigmoid(r − t) stays exact for
 *   confident rows
 * - n = −log p_y = softplus(r − t), which keeps the digits that r and t lose where they are large
 * - s = log Σ_j exp(z_j − m) = logaddexp(r, t)
 * - e = −Σ_j p_j log p_j, the entropy of p; an entry with p_j = 0 adds 0
 * - dots, with a table u [V]: Σ_j u_j (z_j − m); and, with weights w that are the soft targets or the softmax of a view of
 *   a teacher's logits, the cross entropy −Σ_j w_j u_j log p_j, and Σ_j w_j u_j. An entry with w_j u_j = 0 adds 0 even at
 *   z_j = −∞
 *
 * Entropy and cross entropy are statistics of their own, not differences of others, for the sake of their gradients: where
 * one entry h has nearly all of p, ∂/∂z_h is a small number between numbers near 1. It is formed from 1 − p_h and the
 * weights of the other entries.
 *
 * m counts as a constant in gradients. A loss that is a function of the logits alone does not change when every row is
 * taken relative to another number, so what m would add to the gradient sums to zero. A teacher's logits are constants.
 */
import type * as tf from "@tensorflow/tfjs";
import type { Column, RowNumbers } from "./column.ts";
import type { WideView } from "./views.ts";

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

export interface PlainDot {
  readonly weights: "ones";
  readonly table: DotTable | null;
  /** u_j (z_j − m) is added up. */
  readonly times: "logits";
}

export interface WeighedDot {
  /** w: the soft targets, or the softmax of the view of this index, which is one of the teacher's logits. */
  readonly weights: "targets" | number;
  readonly table: DotTable | null;
  /** Whether −w_j u_j log p_j is added up, or w_j u_j alone. */
  readonly times: "nll" | "nothing";
}

export type Dot = PlainDot | WeighedDot;

/** The statistics that are one number a row, whatever the loss's tables are. */
export type StatisticName = "m" | "s" | "n" | "t" | "r" | "e";

/** Whether something is wanted of a view at the label. */
export function isOfLabel({ wanted }: Pick<ViewInput, "wanted">): boolean {
  return wanted.has("n") || wanted.has("t") || wanted.has("r");
}

/**
 * The labels that a view leaves out of its sums: its own or those of the batch where n, t or r are wanted. Without them it is
 * the highest entry, which is the one that entropy and cross entropy need left out.
 */
export function labelsOf({ labels }: WideInput, view: Pick<ViewInput, "wanted" | "labels">): tf.Tensor1D | null {
  return isOfLabel(view) ? (view.labels ?? labels) : null;
}

/** What is read of one view. */
export interface ViewInput extends WideView {
  readonly wanted: ReadonlySet<StatisticName>;
  readonly dots: readonly Dot[];
  /**
   * [N], int32, within the vocabulary in every row: the entries that n, t and r are of, in place of the batch's labels. A view that
   * has its own has no dots.
   */
  readonly labels?: tf.Tensor1D;
}

export interface WideInput {
  /** [N, V], float32; null where only a teacher's views are read. */
  readonly logits: tf.Tensor2D | null;
  /** [N, V], float32; null where no view is a teacher's. */
  readonly teacher: tf.Tensor2D | null;
  /** [N], int32, within the vocabulary in every row; null where n, t and r are not wanted. */
  readonly labels: tf.Tensor1D | null;
  /** Soft targets [N, V], float32; null where no dot is weighed by them. */
  readonly targets: tf.Tensor2D | null;
  /** Null where every row is valid. Statistics of a row that is not valid are finite and otherwise meaningless. */
  readonly valid: ValidRows | null;
  readonly views: readonly ViewInput[];
}

/** One number a row, [N], each, of one view; null for some that are not wanted. */
export type RowStatistics<Numbers extends RowNumbers = tf.Tensor1D> = Readonly<
  Record<StatisticName, Numbers | null>
> & {
  readonly dots: readonly Numbers[];
  /** What else the kernel's own backward pass needs, of this view or, in the first, of all: it gets them in this order. */
  readonly state: readonly tf.Tensor[];
};

/** The derivative of the loss with respect to each statistic of a view, [N]; null where it is 0. 0 in invalid rows. */
export type RowCotangents<Numbers extends RowNumbers = tf.Tensor1D> = Readonly<
  Record<Exclude<StatisticName, "m">, Numbers | null>
> & {
  readonly dots: readonly (Numbers | null)[];
};

/** An implementation for one backend or for all. */
export interface RowStatisticsKernel {
  readonly name: string;
  /** Why the kernel does not read such views, or does not run on this device; null if it does. */
  refusal(views: readonly ViewInput[]): string | null;
  /** How often a forward pass over such views reads the logits; a backward pass reads them once. */
  reads(views: readonly ViewInput[]): number;
  /** The statistics of each view. */
  forward(input: WideInput): readonly RowStatistics[];
  /**
   * The gradient of the logits, [N, V], through all views that have cotangents: 0 in rows that are not valid, whatever
   * their logits are.
   */
  backward(
    input: WideInput,
    statistics: readonly RowStatistics[],
    cotangents: readonly (RowCotangents | null)[],
  ): tf.Tensor2D;
  /** The entries of logits [N, V] at the `ids` [N, K], int32, of each row, [N, K]; some other where an id is −1. */
  entriesAt(logits: tf.Tensor2D, ids: tf.Tensor2D): tf.Tensor2D;
  /**
   * The gradient with `values` [N, K] added at the `ids` [N, K], int32, of each row, which are distinct but for −1, where nothing is
   * added. It may be written into and is not to be read any more.
   */
  addAt(gradient: tf.Tensor2D, ids: tf.Tensor2D, values: tf.Tensor2D): tf.Tensor2D;
  /** The two passes with all numbers where they lie; absent where a tensor for each costs nothing. */
  readonly inPlace?: InPlace;
}

/**
 * The forward and the backward pass over numbers that lie in larger tensors. What the rest of the loss makes of them is in
 * one tensor too.
 */
export interface InPlace {
  forward(input: WideInput): readonly RowStatistics<Column>[];
  /** All cotangents are rows of one tensor [K, N]. */
  backward(
    input: WideInput,
    statistics: readonly RowStatistics<Column>[],
    cotangents: readonly (RowCotangents<Column> | null)[],
  ): tf.Tensor2D;
}
