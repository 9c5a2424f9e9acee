/** Continuing held-out text with a model. */
import * as tf from "@tensorflow/tfjs";
import { hiddenStates, type LanguageModel, logitsOf } from "./languageModel.ts";
import { type Random, randomInteger } from "./random.ts";
import { endOfText } from "./tokenizer.ts";
import { toInputs, type Vocabulary } from "./vocabulary.ts";

/** How texts are sampled. */
export interface SamplingOptions {
  /** The number of texts to continue. */
  readonly prompts: number;
  /** The number of tokens of a prompt. */
  readonly promptTokens: number;
  /** The number of tokens to add, fewer where the end of text is drawn. */
  readonly newTokens: number;
  /** Logits are divided by it: below 1 likely tokens become likelier. */
  readonly temperature: number;
  /** Only so many of the likeliest tokens can be drawn. */
  readonly topTokens: number;
}

/** The r50k id of a full stop. */
const fullStop = 13;

/** Random places of a stream of r50k ids that follow a full stop, each as the ids from there on. */
export function drawPrompts(tokens: Int32Array, options: SamplingOptions, random: Random): Int32Array[] {
  const { prompts, promptTokens } = options;
  const starts = Array.from(tokens.keys()).filter(
    (start) =>
      start > 0 &&
      tokens[start - 1] === fullStop &&
      start + promptTokens <= tokens.length &&
      !tokens.subarray(start, start + promptTokens).includes(endOfText),
  );
  if (starts.length === 0) throw new Error(`no sentence of the held-out text is followed by ${promptTokens} tokens`);
  return Array.from({ length: prompts }, () => {
    const start = starts[randomInteger(random, starts.length)];
    return tokens.slice(start, start + promptTokens);
  });
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
  for (let i = 0; i < options.newTokens; i++) {
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

/** The class at which the cumulated probabilities of the likeliest classes, softmax(z / temperature), pass `chance`. */
export function drawClass(
  logits: Float32Array,
  { temperature, topTokens }: Pick<SamplingOptions, "temperature" | "topTokens">,
  chance: number,
): number {
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
