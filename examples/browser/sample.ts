/** What a model writes: it goes on from the beginning of a sentence, a token at a time, so that the page is never held up. */
import * as tf from "@tensorflow/tfjs";
import type { LanguageModel } from "../model/languageModel.ts";
import { drawPrompts, type PromptOptions } from "../model/prompts.ts";
import { randomStream } from "../model/random.ts";
import { continueTexts } from "../model/sampling.ts";
import type { Corpus } from "./corpus.ts";
import type { Pause } from "./pause.ts";
import type { Settings } from "./settings.ts";

export interface Sample {
  /** The beginning, from the text that the model is fine-tuned on. */
  readonly prompt: string;
  /** What the model wrote so far. */
  readonly continuation: string;
}

export interface SampleOptions {
  readonly settings: Settings;
  readonly pause: Pause;
  readonly signal: AbortSignal;
  /** How many texts are written at once; the first is shown. A batch as large as in training needs no programs of its own. */
  readonly texts: number;
}

const options: Omit<PromptOptions, "prompts" | "newTokens"> = { promptTokens: 8, temperature: 0.8, topTokens: 40 };

/** So many beginnings are drawn, and one is taken whose tokens all belong to the vocabulary. */
const drawnPrompts = 500;

/** Equal seeds give models the same beginning and the same chances, so that samples differ by the models alone. */
export async function writeSample(
  model: LanguageModel,
  corpus: Corpus,
  { settings, pause, signal, texts }: SampleOptions,
  onToken: (sample: Sample) => void,
): Promise<void> {
  const { vocabulary, tokens, textOf } = corpus;
  const random = randomStream(settings.seed, "sample");
  const drawn = drawPrompts(tokens, { ...options, prompts: drawnPrompts, newTokens: 0 }, random);
  const prompt = drawn.find((ids) => ids.every((id) => vocabulary.classOf[id] >= 0)) ?? drawn[0];
  const written: number[] = [];
  for (let i = 0; i < settings.sample; i++) {
    await tf.nextFrame();
    await pause.wait();
    signal.throwIfAborted();
    const prompts = Array.from({ length: texts }, () => Int32Array.of(...prompt, ...written));
    const sampling = { ...options, prompts: texts, newTokens: 1 };
    const [[next]] = await continueTexts(model, vocabulary, prompts, sampling, random);
    // The end of a text.
    if (next === undefined) return;
    written.push(next);
    onToken({ prompt: textOf(prompt), continuation: textOf(written) });
  }
}
