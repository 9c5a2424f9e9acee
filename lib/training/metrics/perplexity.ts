import * as tf from "@tensorflow/tfjs";
import type { Batch } from "../../compiler/batch.ts";
import { compile } from "../../compiler/compile.ts";
import { crossEntropy } from "../../library/crossEntropy.ts";
import { mean } from "../../library/reductions.ts";
import { LossError } from "../../loss/error.ts";
import { inputOf, type Loss } from "../../loss/loss.ts";
import type { Metric } from "../metric.ts";

/**
 * exp of the mean cross entropy in nats over the rows that are neither masked nor ignored, whatever the loss weighs them
 * by. Over many batches it is that of all their rows: exp(Σ nll / Σ rows). NaN where no row counts.
 *
 * @param name the name in logs; "perplexity" by default.
 * @throws LossError in `measure` for a loss over values, which has no classes.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { crossEntropy } from "lossmith";
 * import { perplexity } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const measure = perplexity().measure(crossEntropy);
 * const sums = await measure.sums({ logits: tf.zeros([1, 8]), labels: [3] }).data();
 * expect(measure.value([...sums])).toBeCloseTo(8, 4);
 * ```
 */
export function perplexity(name = "perplexity"): Metric {
  return {
    name,
    measure: (loss) => {
      if (inputOf(loss) === "values") {
        throw new LossError("perplexity()", "a loss over values has no classes", "Use it with a loss over logits");
      }
      const { ignored, probabilities } = loss;
      const nll: Loss<"logits", "already reduced"> = { ...mean(crossEntropy), ignored, probabilities };
      const compiled = compile(nll);
      return {
        size: 2,
        sums: (batch) => {
          const { logits, labels, mask } = batch as Batch;
          const parts = compiled.parts(mask === undefined ? { logits, labels } : { logits, labels, mask });
          return tf.concat([parts.numerators, parts.denominators]);
        },
        value: ([sum, rows]) => Math.exp(sum / rows),
        dispose: () => compiled.dispose(),
      };
    },
  };
}
