/** From one author's style to another's: `npm run example:style`. Presidents of old, taught to go on like Melville. */
import process from "node:process";
import type { OwnOption } from "../finetuning/options.ts";
import { runExample } from "../finetuning/program.ts";
import { passagesOf } from "./passages.ts";
import { texts } from "./texts.ts";

const names = Object.keys(texts);

function textOption(name: string, initial: string, help: string): OwnOption {
  const check = (value: string): true | string => names.includes(value) || `one of ${names.join(", ")}`;
  return { name, value: "text", initial, help: `${help}: ${names.join(" | ")}`, check };
}

process.exitCode = await runExample({
  name: "style",
  title: "From one style to another",
  about:
    "Pretrains a small language model on one author's text and fine-tunes it to go on like another: it reads some sentences\n" +
    "and is to write the next ones.",
  temperature: 0.8,
  own: [textOption("from", "old-addresses", "pretrained on"), textOption("to", "moby-dick", "fine-tuned to")],
  examples: [
    "",
    "--to recent-addresses --loss unlikelihood",
    "--from moby-dick --to old-addresses --linear",
    "--steps 60 --out quick-look",
    "--preset large",
  ],
  presets: {
    small: {
      sizes: { vocabulary: 4096, width: 64, heads: 2, blocks: 2, window: 64 },
      trainingPairs: 20_000,
      pairsPerBatch: 8,
      windowsPerBatch: 8,
      pretraining: { steps: 400, learningRate: 0.01 },
      fineTuning: { steps: 100, learningRate: 0.004 },
      heldOutPairs: 200,
      validations: 4,
      validationPairs: 48,
      answers: 24,
      newTokens: 30,
    },
    large: {
      sizes: { vocabulary: 50257, width: 384, heads: 6, blocks: 6, window: 128 },
      trainingPairs: Number.POSITIVE_INFINITY,
      pairsPerBatch: 16,
      windowsPerBatch: 16,
      pretraining: { steps: 6000, learningRate: 0.001 },
      fineTuning: { steps: 1000, learningRate: 0.0005 },
      heldOutPairs: 1000,
      validations: 10,
      validationPairs: 300,
      answers: 128,
      newTokens: 64,
    },
  },
  load: ({ preset, own }) => {
    const [from, to] = [texts[own["from"]](), texts[own["to"]]()];
    const lengths = preset === "small" ? { prompt: 8, response: 12 } : { prompt: 24, response: 36 };
    return {
      subject: to.name,
      source: [
        `pretraining text, the style that is left: ${from.about}`,
        `fine-tuning text, the style that is learnt: ${to.about}; a chapter or an address is held out as a whole`,
      ],
      pairs: to.documents.flatMap(({ key, text }) => passagesOf(text, key, lengths)),
      // In the passages themselves there is no new line.
      cue: "\n",
      keeps: "end",
      hasReferences: false,
      pretraining: from.documents.map(({ text }) => text),
    };
  },
});
