/** The losses that the demo and the examples share. What they have to say about lossmith is here and where these are compiled. */
import * as tf from "@tensorflow/tfjs";
import {
  compile,
  crossEntropy,
  freqWeights,
  ignoreIndex,
  type Loss,
  type Numeric,
  normalise,
  override,
  perToken,
  pipe,
  powerLaw,
} from "lossmith";
import { ignoredLabel, type Vocabulary } from "./vocabulary.ts";

/** Cross entropy over the labels that are in the vocabulary. */
export const plainLoss: Loss<"logits", "without a weight field"> = pipe(crossEntropy, ignoreIndex(ignoredLabel));

/** The same, one number a token: what is measured on held-out text. */
export const lossPerToken: Loss<"logits", "already reduced per token"> = pipe(
  crossEntropy,
  ignoreIndex(ignoredLabel),
  perToken,
);

/**
 * Power-Law Decay Loss: cross entropy weighed by count^−alpha, reduced to the weighted mean.
 *
 * `normalise` makes the mean weight of a training token 1, so that the weight 1 of the end of text means "as an average
 * token": its count is that of documents, and says nothing about how rare it is as a word.
 */
export function powerLawDecayLoss(
  vocabulary: Pick<Vocabulary, "frequencies" | "endOfText">,
  alpha: Numeric,
): Loss<"logits", "with a weight field"> {
  return pipe(
    crossEntropy,
    freqWeights(vocabulary.frequencies),
    powerLaw(alpha),
    normalise("tokenMean"),
    override({ [vocabulary.endOfText]: 1 }),
    ignoreIndex(ignoredLabel),
  );
}

/**
 * The weight that a loss gives each class, read off the loss itself: on logits that are all 0 cross entropy is log V
 * whatever the label, so that a weighted row is w log V.
 */
export async function classWeightsOf(
  loss: Loss<"logits", "with a weight field">,
  classes: number,
): Promise<Float64Array> {
  const rowsAtOnce = 256;
  const compiled = compile(pipe(loss, perToken));
  const weights = new Float64Array(classes);
  for (let first = 0; first < classes; first += rowsAtOnce) {
    const labels = Int32Array.from({ length: Math.min(rowsAtOnce, classes - first) }, (_, i) => first + i);
    const values = tf.tidy(() => compiled({ logits: tf.zeros([labels.length, classes]), labels }));
    (await values.data()).forEach((value, i) => {
      weights[first + i] = value / Math.log(classes);
    });
    values.dispose();
  }
  compiled.dispose();
  return weights;
}
