/**
 * Metrics whose values over many batches are exactly those over all their rows at once: a metric of a batch is a few sums
 * over its rows, the sums of batches are added, and what is made of them is made at the end. A mean of means never appears.
 */
import type * as tf from "@tensorflow/tfjs";
import type { Batches } from "../compiler/compile.ts";
import type { AnyLoss, Input } from "../loss/loss.ts";

/** A metric, such as `tokenAccuracy()`. */
export interface Metric {
  /** The name in logs and histories. */
  readonly name: string;
  /**
   * The metric for a model that is trained with a loss.
   *
   * @throws LossError where it has no meaning for the loss.
   */
  measure(loss: AnyLoss): Measure;
}

/** A metric for one loss. */
export interface Measure {
  /** How many sums it needs. */
  readonly size: number;
  /** The sums of a batch, [size]. Called within a tidy, outside any gradient. */
  sums(batch: Batches[Input]): tf.Tensor1D;
  /** The metric, given the sums of one batch or of many. */
  value(sums: readonly number[]): number;
  /** Frees what the metric keeps on the device. */
  dispose(): void;
}
