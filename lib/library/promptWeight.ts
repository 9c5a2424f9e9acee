import type { Keep } from "../loss/combinator.ts";
import { constant, select } from "../loss/expression.ts";
import { input, weighRows } from "../loss/language.ts";
import type { ClassAtom } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";

/** Options of `promptWeight`. */
export interface PromptWeightOptions {
  /** The weight of the other rows, the response; at least 0, 1 by default. */
  readonly response?: Numeric;
  /** The name of the batch's input that marks the prompt; "prompt" by default. */
  readonly input?: string;
}

/**
 * Weighs the rows of a prompt, against those of the response, in every term built so far. The batch's
 * `inputs.prompt`, [...], is above 0 in rows of the prompt and 0 in the others. Like a class's weight, a row's is in the
 * denominator of a weighted mean too: there, a prompt weight of 0 is a prompt that is masked.
 *
 * @param w the weight of the prompt, a number of at least 0 or a schedule.
 * @throws LossError where a weight is negative or not finite, for an empty name, and for a batch without the input.
 *
 * Source: the prompt loss weight of Huerta-Enochian and Ko, arXiv 2401.13586.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, pipe, promptWeight } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, promptWeight(0.1));
 * const batch = { logits: [[2, 1], [0, 0]], labels: [0, 1], inputs: { prompt: [1, 0] } };
 * expect(evaluate(loss, batch)).toBeCloseTo((0.1 * Math.log1p(Math.exp(-1)) + Math.log(2)) / 1.1, 12);
 * ```
 */
export function promptWeight(w: Numeric, options: PromptWeightOptions = {}): Keep {
  const { response = 1, input: name = "prompt" } = options ?? {};
  const ofPrompt = lift(w, "promptWeight(w)", { lowest: 0 });
  const ofResponse = lift(response, "promptWeight({ response })", { lowest: 0 });
  return weighRows("promptWeight", select<ClassAtom>(constant(0), input(name), ofPrompt, ofResponse));
}
