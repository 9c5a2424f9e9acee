/** Continuing text with a model. */
import * as tf from "@tensorflow/tfjs";
import { hiddenStates, type LanguageModel, logitsOf } from "./languageModel.ts";
import type { Random } from "./random.ts";
import { endOfText } from "./tokenIds.ts";
import { toInputs, type Vocabulary } from "./vocabulary.ts";

/** How texts are continued. */
export interface SamplingOptions {
  /** The number of tokens to add, fewer where the end of text is drawn. */
  readonly newTokens: number;
  /** Logits are divided by it: below 1 likely tokens become likelier, and at 0 the likeliest is taken. */
  readonly temperature: number;
  /** Only so many of the likeliest tokens can be drawn. */
  readonly topTokens: number;
}

/**
 * Continues each prompt by sampling.
 *
 * @param random one number is drawn for each prompt and new token, ended or not, so that models that are given equal
 * streams differ by their probabilities alone.
 * @returns the new tokens of each prompt as r50k ids, without the end of text.
 */
export async function continueTexts(
  model: LanguageModel,
  vocabulary: Vocabulary,
  prompts: readonly Int32Array[],
  options: SamplingOptions,
  random: Random,
): Promise<Int32Array[]> {
  const texts = prompts.map((prompt) => [...prompt]);
  const ended = prompts.map(() => false);
  for (let i = 0; i < options.newTokens && !ended.every(Boolean); i++) {
    const rows = await nextLogits(model, vocabulary, texts);
    rows.forEach((logits, text) => {
      const token = vocabulary.tokenOf[drawClass(logits, options, random())];
      ended[text] ||= token === endOfText;
      if (!ended[text]) texts[text].push(token);
    });
  }
  return texts.map((text, i) => Int32Array.from(text.slice(prompts[i].length)));
}

/** The logits of what follows each text. */
async function nextLogits(
  model: LanguageModel,
  vocabulary: Vocabulary,
  texts: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  const { window } = model.sizes;
  const inputs = new Int32Array(texts.length * window);
  const lastRows = new Int32Array(texts.length);
  texts.forEach((text, i) => {
    const context = toInputs(vocabulary, Int32Array.from(text.slice(-window)));
    // What stands after the context changes nothing: the model is causal.
    inputs.set(context, i * window);
    lastRows[i] = i * window + context.length - 1;
  });
  const logits = tf.tidy(() => logitsOf(model, tf.gather(hiddenStates(model, inputs), tf.tensor1d(lastRows, "int32"))));
  const values = (await logits.data()) as Float32Array;
  logits.dispose();
  return texts.map((_, i) => values.subarray(i * vocabulary.size, (i + 1) * vocabulary.size));
}

/**
 * The class at which the cumulated probabilities of the likeliest classes, softmax(z / temperature), pass `chance`; the
 * likeliest at temperature 0.
 */
export function drawClass(
  logits: Float32Array,
  { temperature, topTokens }: Pick<SamplingOptions, "temperature" | "topTokens">,
  chance: number,
): number {
  if (temperature === 0) return logits.indexOf(logits.reduce((highest, z) => Math.max(highest, z)));
  // A typed array sorts numbers many times faster than a comparison of indices would.
  const lowest = logits.slice().sort()[Math.max(0, logits.length - topTokens)];
  const likeliest = Array.from(logits.keys())
    .filter((index) => logits[index] >= lowest)
    .sort((a, b) => logits[b] - logits[a] || a - b)
    .slice(0, topTokens);
  const highest = logits[likeliest[0]];
  const odds = likeliest.map((index) => Math.exp((logits[index] - highest) / temperature));
  let left = chance * odds.reduce((sum, x) => sum + x, 0);
  const drawn = odds.findIndex((x) => {
    left -= x;
    return left < 0;
  });
  return likeliest[drawn === -1 ? likeliest.length - 1 : drawn];
}
