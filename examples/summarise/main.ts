/** Documents → summaries: `npm run example:summarise`. A small model learns to sum up what Debian's packages are. */
import process from "node:process";
import { aptLists } from "../corpora/debian.ts";
import { runExample } from "../finetuning/program.ts";
import { loadDocuments } from "./documents.ts";

process.exitCode = await runExample({
  name: "summarise",
  title: "From documents to summaries",
  about:
    "Fine-tunes a small language model to sum up documents: the descriptions of Debian's packages, from apt's lists on this\n" +
    "machine. Where there are none it takes WordNet: how words are used, to be summed up in what they mean.",
  temperature: 0,
  own: [
    {
      name: "lists",
      value: "folder",
      initial: aptLists,
      help: "where apt keeps its lists",
      check: (value) => value.trim() !== "" || "the name of a folder, such as /var/lib/apt/lists",
    },
  ],
  examples: [
    "",
    "--linear",
    "--alphas 0.5 --loss label-smoothing",
    "--steps 60 --out quick-look",
    "--preset large --linear",
  ],
  presets: {
    small: {
      sizes: { vocabulary: 4096, width: 64, heads: 2, blocks: 2, window: 48 },
      trainingPairs: 20_000,
      pairsPerBatch: 12,
      windowsPerBatch: 10,
      pretraining: { steps: 480, learningRate: 0.01 },
      fineTuning: { steps: 80, learningRate: 0.0012 },
      heldOutPairs: 360,
      validations: 4,
      validationPairs: 96,
      answers: 32,
      newTokens: 12,
    },
    large: {
      sizes: { vocabulary: 50257, width: 384, heads: 6, blocks: 6, window: 256 },
      trainingPairs: Number.POSITIVE_INFINITY,
      pairsPerBatch: 16,
      windowsPerBatch: 8,
      pretraining: { steps: 6000, learningRate: 0.001 },
      fineTuning: { steps: 2000, learningRate: 0.0005 },
      heldOutPairs: 3600,
      validations: 10,
      validationPairs: 500,
      answers: 128,
      newTokens: 32,
    },
  },
  load: ({ own }, tell) => loadDocuments(own["lists"], tell),
});
