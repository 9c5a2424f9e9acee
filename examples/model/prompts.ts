/** The beginnings that the models are to continue. */
import { type Random, randomInteger } from "./random.ts";
import type { SamplingOptions } from "./sampling.ts";
import { endOfText } from "./tokenIds.ts";

/** Which texts are continued, and how. */
export interface PromptOptions extends SamplingOptions {
  /** The number of texts to continue. */
  readonly prompts: number;
  /** The number of tokens of a prompt. */
  readonly promptTokens: number;
}

/** The r50k id of a full stop. */
const fullStop = 13;

/** Random places of a stream of r50k ids that follow a full stop, each as the ids from there on. */
export function drawPrompts(tokens: Int32Array, options: PromptOptions, random: Random): Int32Array[] {
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
