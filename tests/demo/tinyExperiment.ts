/** A small experiment for the tests of the demo: a made-up corpus, and a model that trains in a moment. */
import type { Address } from "../../examples/corpora/addresses.ts";
import type { Settings } from "../../examples/demo/experiment.ts";

const words = ["the", "Union", "is", "strong", "and", "our", "people", "work", "for", "peace", "trade", "law"];

/** Addresses of every tenth year up to 1980 and of every year from 1982 to 1991, each of 40 short sentences. */
export const tinyAddresses: readonly Address[] = [
  ...Array.from({ length: 6 }, (_, i) => 1930 + 10 * i),
  ...Array.from({ length: 10 }, (_, i) => 1982 + i),
].map((year) => ({ year, name: `President of ${year}`, text: sentences(year) }));

function sentences(year: number): string {
  return Array.from({ length: 40 }, (_, i) =>
    Array.from({ length: 6 }, (_, j) => words[(year * 7 + i * (3 + j) + j * j) % words.length]).join(" "),
  ).join(". ");
}

export const tinySettings: Settings = {
  seed: 3,
  alpha: 0.5,
  sizes: { vocabulary: 64, width: 8, heads: 2, blocks: 1, window: 8 },
  windowsPerBatch: 2,
  pretraining: { steps: 4, learningRate: 0.01 },
  fineTuning: { steps: 3, learningRate: 0.01 },
  heldOutTokens: 100,
  sampling: { prompts: 3, promptTokens: 6, newTokens: 8, temperature: 0.8, topTokens: 10 },
  linear: false,
};
