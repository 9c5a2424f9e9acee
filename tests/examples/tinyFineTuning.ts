/** A small experiment for the tests of the examples: made-up pairs, and a model that trains in a moment. */
import type { Corpus, Settings } from "../../examples/finetuning/experiment.ts";
import { chosenLoss } from "../../examples/finetuning/losses.ts";
import type { Pair } from "../../examples/finetuning/pairs.ts";

const words = ["cat", "dog", "tree", "house", "river", "stone", "bird", "fish"];

/** Compounds of two words, and what they are. */
export const tinyPairs: readonly Pair[] = words.flatMap((a) =>
  words.map((b) => ({ key: `${a} ${b}`, document: `${a} ${b}`, response: ` a ${b} of the ${a}` })),
);

export const tinyCorpus: Corpus = {
  subject: "made-up words",
  source: ["text: made up"],
  pairs: tinyPairs,
  cue: ":",
  keeps: "beginning",
  hasReferences: true,
  pretraining: null,
};

/** Settings with a loss of choice. */
export async function tinySettings(chosen = "focal"): Promise<Settings> {
  return {
    preset: {
      sizes: { vocabulary: 64, width: 8, heads: 2, blocks: 1, window: 12 },
      trainingPairs: 60,
      pairsPerBatch: 6,
      windowsPerBatch: 2,
      pretraining: { steps: 3, learningRate: 0.01 },
      fineTuning: { steps: 3, learningRate: 0.01 },
      heldOutPairs: 20,
      validations: 2,
      validationPairs: 3,
      answers: 3,
      newTokens: 4,
    },
    seed: 5,
    alphas: [0, 0.5],
    chosen: await chosenLoss(chosen),
    linear: false,
    accumulate: 1,
    temperature: 0.8,
    topTokens: 10,
  };
}
