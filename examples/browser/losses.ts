/** The losses that the page compares. All ignore tokens outside of the vocabulary. */
import {
  crossEntropy,
  evaluate,
  focal,
  ignoreIndex,
  LossError,
  labelSmoothing,
  lossFromJSON,
  lossToJSON,
  pipe,
  poly,
  zLoss,
} from "lossmith";
import type { TrainStepOptions } from "lossmith/training";
import { plainLoss, powerLawDecayLoss } from "../model/losses.ts";
import { rampedAlpha } from "../model/ramp.ts";
import { ignoredLabel, type Vocabulary } from "../model/vocabulary.ts";
import type { LossName, Settings } from "./settings.ts";

/** A loss that ends in one number. */
export type TrainableLoss = TrainStepOptions<Int32Array>["loss"];

/** What each loss is called. */
export const titles: Readonly<Record<LossName, string>> = {
  crossEntropy: "cross entropy",
  powerLawDecay: "PDL",
  focal: "focal",
  labelSmoothing: "label smoothing",
  own: "your own",
};

/** The loss of this name. */
export function lossOf(name: LossName, settings: Settings, vocabulary: Vocabulary): TrainableLoss {
  const { alpha, gamma, smoothing, steps, json } = settings;
  switch (name) {
    case "crossEntropy":
      return plainLoss;
    case "powerLawDecay":
      return powerLawDecayLoss(vocabulary, rampedAlpha(alpha, steps));
    case "focal":
      return pipe(crossEntropy, focal({ gamma }), ignoreIndex(ignoredLabel));
    case "labelSmoothing":
      return pipe(crossEntropy, labelSmoothing(smoothing), ignoreIndex(ignoredLabel));
    case "own":
      return readOwnLoss(json, vocabulary.size);
  }
}

/** A loss to begin with: its JSON, as a person would paste it. */
export function exampleJSON(): string {
  return JSON.stringify(lossToJSON(pipe(crossEntropy, poly(1), zLoss(1e-4))), null, 1);
}

/**
 * The loss that a text is the JSON of.
 *
 * @param classes V, the number of classes that the model predicts.
 * @throws LossError where the text is no JSON or no loss, or where the page's batches do not give the loss what it reads.
 */
export function readOwnLoss(text: string, classes: number): TrainableLoss {
  const read = lossFromJSON(parsed(text), { input: "logits" });
  const loss = pipe(read as TrainableLoss, ignoreIndex(ignoredLabel));
  // In float64 and without the GPU: what a batch lacks, or what does not fit the vocabulary, is said before training.
  const row = Array.from({ length: classes }, () => -Math.log(classes));
  const value: unknown = evaluate(loss, { logits: [row], labels: [0], step: 0 });
  if (typeof value !== "number") {
    throw new LossError("$", "the loss ends in perToken, and training minimises one number", "Leave perToken out");
  }
  return loss;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const because = error instanceof Error ? error.message : String(error);
    throw new LossError("$", `the text is no JSON (${because})`, "Paste what JSON.stringify(lossToJSON(loss)) gives");
  }
}
