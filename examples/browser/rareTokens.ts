/** Cross entropy on rare tokens alone: what Power-Law Decay Loss is for. A metric is a composed loss, too. */
import * as tf from "@tensorflow/tfjs";
import { type Batch, classWeights, compile, crossEntropy, ignoreIndex, pipe } from "lossmith";
import type { Metric } from "lossmith/training";
import { ignoredLabel, type Vocabulary } from "../model/vocabulary.ts";

/** The mean over the labels that are not among the most frequent quarter of the vocabulary; NaN where there are none. */
export function rareCrossEntropy({ size }: Vocabulary): Metric {
  const firstRare = Math.floor(size / 4);
  // Classes are numbered by rank.
  const weights = Array.from({ length: size }, (_, rank) => (rank >= firstRare ? 1 : 0));
  return {
    name: "rareCrossEntropy",
    measure: () => {
      const compiled = compile(pipe(crossEntropy, classWeights(weights), ignoreIndex(ignoredLabel)));
      return {
        size: 2,
        sums: (batch) => {
          const { logits, labels } = batch as Batch;
          const { numerators, denominators } = compiled.parts({ logits, labels });
          return tf.concat([numerators, denominators]);
        },
        value: ([sum, rows]) => sum / rows,
        dispose: () => compiled.dispose(),
      };
    },
  };
}
