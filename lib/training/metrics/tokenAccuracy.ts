import * as tf from "@tensorflow/tfjs";
import type { Batch } from "../../compiler/batch.ts";
import { plan } from "../../compiler/plan.ts";
import { LossError } from "../../loss/error.ts";
import { inputOf } from "../../loss/loss.ts";
import type { Metric } from "../metric.ts";
import { rowsOf, validOf } from "../rows.ts";

/** Options of `tokenAccuracy`. */
export interface TokenAccuracyOptions {
  /** The name in logs; "accuracy" by default. */
  readonly name?: string;
  /** Whether rows count by their sample weights; false by default. */
  readonly weighted?: boolean;
}

/**
 * The share of rows (tokens of a sequence, examples) whose highest logit is that of their label, for integer labels of
 * any rank and for soft ones, whose label is the class of their greatest weight. Rows that are masked or ignored are not
 * counted. NaN where no row counts.
 *
 * @throws LossError in `measure` for a loss over values, which has no classes.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { crossEntropy, ignoreIndex, pipe } from "lossmith";
 * import { tokenAccuracy } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const measure = tokenAccuracy().measure(pipe(crossEntropy, ignoreIndex(-1)));
 * const logits = tf.tensor2d([[2, 0], [2, 0], [0, 2]]);
 * const sums = await measure.sums({ logits, labels: [0, 1, -1] }).data();
 * expect(measure.value([...sums])).toBe(0.5);
 * ```
 */
export function tokenAccuracy(options: TokenAccuracyOptions = {}): Metric {
  const { name = "accuracy", weighted = false } = options;
  return {
    name,
    measure: (loss) => {
      if (inputOf(loss) === "values") {
        throw new LossError("tokenAccuracy()", "a loss over values has no classes", "Use it with a loss over logits");
      }
      const planned = plan(loss);
      return {
        size: 2,
        sums: (batch) => {
          const rows = rowsOf(loss, planned, batch);
          const { logits } = batch as Batch;
          const weight = (weighted ? rows.rowWeight : rows.validWeight) ?? validOf(rows);
          if (rows.count === 0) return tf.zeros([2]);
          const predicted = tf.argMax(logits.reshape([rows.count, rows.classes]), 1);
          const label = rows.labels ?? tf.argMax(rows.targets as tf.Tensor2D, 1);
          const right = tf.equal(predicted, label).toFloat();
          return tf.stack([tf.sum(tf.mul(right, weight)), tf.sum(weight)]) as tf.Tensor1D;
        },
        value: ([right, all]) => right / all,
        dispose: () => {},
      };
    },
  };
}
