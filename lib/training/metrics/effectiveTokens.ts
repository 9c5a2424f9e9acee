import * as tf from "@tensorflow/tfjs";
import { compile } from "../../compiler/compile.ts";
import { LossError } from "../../loss/error.ts";
import { parametersOf } from "../../loss/inventory.ts";
import { type AnyLoss, closedTerms } from "../../loss/loss.ts";
import type { Metric } from "../metric.ts";

/**
 * Kish's effective sample size, (Σ w)² / Σ w², of the weights w that a loss gives its rows: sample weight times the
 * weights of the label in the fields of the loss's first term. As many rows of equal weight would be as much
 * information; the closer it is to 1, the more a few rare tokens dominate the gradient. NaN where all weights are 0.
 *
 * @param name the name in logs; "effectiveTokens" by default.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { classWeights, crossEntropy, pipe } from "lossmith";
 * import { effectiveTokens } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const measure = effectiveTokens().measure(pipe(crossEntropy, classWeights([1, 3])));
 * const sums = await measure.sums({ logits: tf.zeros([2, 2]), labels: [0, 1] }).data();
 * expect(measure.value([...sums])).toBeCloseTo(1.6, 5);
 * ```
 */
export function effectiveTokens(name = "effectiveTokens"): Metric {
  return {
    name,
    measure: (loss) => {
      const compiled = compile(weightsOf(loss));
      return {
        size: 2,
        sums: (batch) => {
          const { denominators: _, ...rest } = batch;
          const weights = compiled(rest as typeof batch).flatten();
          if (weights.size === 0) return tf.zeros([2]);
          return tf.stack([tf.sum(weights), tf.sum(tf.square(weights))]) as tf.Tensor1D;
        },
        value: ([sum, squares]) => sum ** 2 / squares,
        dispose: () => compiled.dispose(),
      };
    },
  };
}

/** A row's weight in place of its value. */
function weightsOf(loss: AnyLoss): AnyLoss {
  const [first] = closedTerms(loss);
  if (first === undefined) {
    throw new LossError("effectiveTokens()", "the loss has no term", "Use it with a loss that has one");
  }
  if (parametersOf({ ...loss, focus: null, terms: [{ ...first, value: first.weight }] }).size > 0) {
    throw new LossError("effectiveTokens()", "the weights of the loss are trained", "Use it with weights that are not");
  }
  return { ...loss, focus: null, terms: [{ ...first, value: first.weight, reduction: "perToken" }] };
}
