/** Log-probabilities of sequences, from the logits of their tokens. */
import * as tf from "@tensorflow/tfjs";
import { refuseValues } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { constant, divide } from "../loss/expression.ts";
import { overSequence } from "../loss/language.ts";
import { checkLoss, isReduced, type Loss, mapValues, type Open, reduceTerms } from "../loss/loss.ts";
import type { Batch } from "./batch.ts";
import { compile } from "./compile.ts";

/** Options of `sequenceLogProbabilities`. */
export interface SequenceLogProbabilitiesOptions {
  /** Whether the log-probabilities of the tokens are added, which is the sequence's own, or averaged; "sum" by default. */
  readonly per?: "sum" | "mean";
}

/** The log-probability of each sequence of a batch. */
export interface SequenceLogProbabilities {
  /** Of logits [..., T, V] and labels [..., T]: float32 [...]. Differentiable with respect to the logits, once. */
  (batch: Batch): tf.Tensor;
  /** Frees what the loss keeps on the device; it can be called again afterwards. */
  dispose(): void;
}

/**
 * The log-probabilities that a model gives to whole sequences, such as responses, by compiled cross entropy: what
 * `preferencePairs` and `unpairedPreferences` take. Gradients go through them back to the logits.
 *
 * Formula, for a sequence: −Σ_t nll_t over its valid tokens, or that over their number, in nats. 0 for a sequence
 * without a valid token: mask its pair.
 * Shapes: logits [..., T, V], of which labels [..., T] are the tokens that each position is to predict: the last axis is
 * the sequence. `mask` and ignored labels take out prompt and padding. Nothing of the size of the logits is made but
 * their gradient.
 *
 * @param loss what a token costs: `crossEntropy`, with ignoreIndex(…), softcap(…), a temperature where the model has them.
 * @throws LossError where the loss is over values or reduced, or `per` is something else; in the call as a compiled loss,
 * and where logits have no axis for the sequence.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { crossEntropy, ignoreIndex, pipe, sequenceLogProbabilities } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, ignoreIndex(-100));
 * const batch = { logits: tf.zeros([2, 3, 4]), labels: [[1, 2, 3], [0, 1, -100]] };
 * const sums = await sequenceLogProbabilities(loss)(batch).data();
 * expect(sums[0]).toBeCloseTo(-3 * Math.log(4), 5);
 * expect(sums[1]).toBeCloseTo(-2 * Math.log(4), 5);
 * const means = await sequenceLogProbabilities(loss, { per: "mean" })(batch).data();
 * expect(means[1]).toBeCloseTo(-Math.log(4), 5);
 * ```
 */
export function sequenceLogProbabilities(
  loss: Loss<"logits", Open>,
  options: SequenceLogProbabilitiesOptions = {},
): SequenceLogProbabilities {
  const where = "sequenceLogProbabilities";
  checkLoss(loss, where);
  refuseValues(loss, where);
  if (loss.terms.length === 0 || isReduced(loss)) {
    throw new LossError(where, "the loss has no term or is already reduced", "Give a loss of tokens, crossEntropy");
  }
  const { per = "sum" } = options ?? {};
  if (per !== "sum" && per !== "mean") {
    throw new LossError(`${where}({ per })`, `got ${JSON.stringify(per)}`, 'Give "sum" or "mean"');
  }
  // The share of each valid token: a sequence without one has none to divide.
  const shares = per === "sum" ? loss : mapValues(loss, (value) => divide(value, overSequence(constant(1))));
  const ofTokens = compile({ ...shares, terms: reduceTerms(shares, "perToken") } as Loss<
    "logits",
    "already reduced per token"
  >);
  const run = (batch: Batch): tf.Tensor =>
    tf.tidy(() => {
      const nll = ofTokens(batch);
      if (nll.rank > 0) return tf.neg(tf.sum(nll, -1));
      throw new LossError(
        where,
        `logits have shape [${batch.logits.shape.join(", ")}]`,
        "Give logits [..., T, V] and labels [..., T]",
      );
    });
  return Object.assign(run, { dispose: () => ofTokens.dispose() });
}
