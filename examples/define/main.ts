/** Words → glosses: `npm run example:define`. A small model learns to say what a word of WordNet's means. */
import process from "node:process";
import { loadSynsets } from "../corpora/wordnet.ts";
import { runExample } from "../finetuning/program.ts";
import { definitions } from "./definitions.ts";

process.exitCode = await runExample({
  name: "define",
  title: "From words to glosses",
  about: "Fine-tunes a small language model to say what words mean: WordNet's words and glosses.",
  temperature: 0,
  own: [],
  examples: ["", "--alphas 0.5,1,2 --loss unlikelihood", "--linear --steps 60 --out quick-look", "--preset large"],
  presets: {
    small: {
      sizes: { vocabulary: 4096, width: 64, heads: 2, blocks: 2, window: 24 },
      trainingPairs: 20_000,
      pairsPerBatch: 24,
      windowsPerBatch: 16,
      pretraining: { steps: 500, learningRate: 0.01 },
      fineTuning: { steps: 80, learningRate: 0.0015 },
      heldOutPairs: 600,
      validations: 4,
      validationPairs: 128,
      answers: 48,
      newTokens: 12,
    },
    large: {
      sizes: { vocabulary: 50257, width: 384, heads: 6, blocks: 6, window: 128 },
      trainingPairs: Number.POSITIVE_INFINITY,
      pairsPerBatch: 32,
      windowsPerBatch: 16,
      pretraining: { steps: 6000, learningRate: 0.001 },
      fineTuning: { steps: 2000, learningRate: 0.0005 },
      heldOutPairs: 4000,
      validations: 10,
      validationPairs: 1000,
      answers: 128,
      newTokens: 48,
    },
  },
  load: async () => ({
    subject: "WordNet",
    source: ["text: WordNet 3.1, the first word of each synset and its gloss without examples; WordNet's licence"],
    pairs: definitions(await loadSynsets()),
    cue: ":",
    keeps: "beginning",
    hasReferences: true,
    pretraining: null,
  }),
});
