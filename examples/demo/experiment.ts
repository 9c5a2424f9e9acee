/**
 * The experiment: one pretraining with cross entropy, then two fine-tunings from the same weights on the same batches,
 * with cross entropy and with Power-Law Decay Loss, measured on text that neither has seen.
 */
import { countTokens } from "lossmith";
import type { Address } from "../corpora/addresses.ts";
import { type TextStream, textStream } from "../model/batches.ts";
import { copyModel, createModel, disposeModel, type LanguageModel, type ModelSizes } from "../model/languageModel.ts";
import { classWeightsOf, plainLoss, powerLawDecayLoss } from "../model/losses.ts";
import { type Measurement, measureModel, measureUnigram } from "../model/measurement.ts";
import type { TrainingLoss } from "../model/modelLoss.ts";
import { drawPrompts, type PromptOptions } from "../model/prompts.ts";
import { rampedAlpha } from "../model/ramp.ts";
import { randomStream } from "../model/random.ts";
import { continueTexts } from "../model/sampling.ts";
import { distinct, effectiveSampleSize, repetition } from "../model/textMetrics.ts";
import { documentStream } from "../model/tokenizer.ts";
import { buildVocabulary, ignoredLabel, unigramLogits, type Vocabulary } from "../model/vocabulary.ts";
import { type Split, splitAddresses } from "./corpus.ts";
import { batchesOf, countHeldOut, type HeldOutCounts, type HeldOutText } from "./evaluation.ts";
import type { ReportProgress } from "./progress.ts";
import { train } from "./training.ts";

/** Everything that the numbers of an experiment depend on, beside the text, the runtime and the backend. */
export interface Settings {
  readonly seed: number;
  /** PDL's exponent at the end of its ramp. */
  readonly alpha: number;
  /** The sizes of the model; its vocabulary is smaller where the text has fewer distinct tokens. */
  readonly sizes: ModelSizes;
  readonly windowsPerBatch: number;
  readonly pretraining: Training;
  readonly fineTuning: Training;
  /** How many held-out tokens are measured; all where there are fewer. */
  readonly heldOutTokens: number;
  readonly sampling: PromptOptions;
  /** Whether losses take hidden states and the output layer in place of logits. */
  readonly linear: boolean;
}

/** The length and the highest learning rate of a training. */
export interface Training {
  readonly steps: number;
  readonly learningRate: number;
}

/** What became of one model. */
export interface ModelResult {
  /** The training loss of each of its own steps. */
  readonly losses: readonly number[];
  readonly measurement: Measurement;
  /** Sampled continuations of the prompts, as r50k ids. */
  readonly continuations: readonly Int32Array[];
  /** Distinct-2 of the continuations. */
  readonly distinct2: number;
  /** Seq-rep-2 of the continuations. */
  readonly repetition2: number;
}

/** What came out of an experiment. */
export interface Results {
  readonly settings: Settings;
  readonly vocabulary: Vocabulary;
  /** The years of the addresses. */
  readonly years: Split<number>;
  /** The numbers of tokens. */
  readonly tokens: { readonly pretraining: number; readonly fineTuning: number; readonly heldOut: number };
  readonly heldOut: HeldOutCounts;
  /** The fine-tuning text's unigram distribution, the stronger of the two that training text can give. */
  readonly unigram: Measurement;
  readonly before: ModelResult;
  readonly crossEntropy: ModelResult;
  readonly powerLawDecay: ModelResult;
  /** PDL's effective sample size over the fine-tuning tokens at the final alpha, 0 to 1. */
  readonly effectiveSampleSize: number;
  readonly prompts: readonly Int32Array[];
}

/** Runs the experiment on addresses, given the oldest first. A backend must have been started. */
export async function runExperiment(
  settings: Settings,
  addresses: readonly Address[],
  report: ReportProgress,
): Promise<Results> {
  const { seed, alpha, sampling } = settings;
  const split = splitAddresses(addresses);
  const tokens = {
    pretraining: documentStream(textsOf(split.pretraining)),
    fineTuning: documentStream(textsOf(split.fineTuning)),
    heldOut: documentStream(textsOf(split.heldOut)),
  };
  // Frequencies come from training text alone: held-out counts would leak into weights, bands and baseline.
  const vocabulary = buildVocabulary([tokens.pretraining, tokens.fineTuning], settings.sizes.vocabulary);
  const sizes = { ...settings.sizes, vocabulary: vocabulary.size };
  const pretrainingText = textStream(vocabulary, tokens.pretraining);
  const fineTuningText = textStream(vocabulary, tokens.fineTuning);
  const fineTuningCounts = countTokens(fineTuningText.labels, {
    vocabSize: vocabulary.size,
    ignoreIndex: ignoredLabel,
  });
  const heldOut: HeldOutText = {
    text: textStream(vocabulary, tokens.heldOut),
    window: sizes.window,
    tokens: settings.heldOutTokens,
  };
  const heldOutCounts = countHeldOut(heldOut);
  const prompts = drawPrompts(tokens.heldOut, sampling, randomStream(seed, "prompts"));

  const trainModel = async (
    name: string,
    model: LanguageModel,
    loss: TrainingLoss,
    text: TextStream,
    { steps, learningRate }: Training,
    stream: string,
  ): Promise<number[]> => {
    const phase = report(name, steps);
    const losses = await train(model, loss, text, {
      steps,
      learningRate,
      windowsPerBatch: settings.windowsPerBatch,
      random: randomStream(seed, stream),
      linear: settings.linear,
      onStep: (step, value) => phase.update(step, value),
    });
    phase.end();
    return losses;
  };

  const judge = async (name: string, model: LanguageModel, losses: readonly number[]): Promise<ModelResult> => {
    const phase = report(`Measuring: ${name}`, heldOutCounts.overall + heldOutCounts.unknown);
    let read = 0;
    const measurement = await measureModel(model, batchesOf(heldOut), (count) => {
      read += count;
      phase.update(read, null);
    });
    phase.end();
    const random = randomStream(seed, "continuations");
    const continuations = await continueTexts(model, vocabulary, prompts, sampling, random);
    return {
      losses,
      measurement,
      continuations,
      distinct2: distinct(continuations, 2),
      repetition2: repetition(continuations, 2),
    };
  };

  const pretrained = createModel(sizes, unigramLogits(vocabulary.frequencies), seed);
  const pretrain = (): Promise<number[]> =>
    trainModel("Pretraining", pretrained, plainLoss, pretrainingText, settings.pretraining, "pretraining");
  const before = await judge("before fine-tuning", pretrained, await pretrain());

  /** Fine-tunes a copy of the pretrained model. Every call sees the same batches in the same order. */
  const fineTune = async (name: string, loss: TrainingLoss): Promise<ModelResult> => {
    const model = copyModel(pretrained);
    const title = `Fine-tuning: ${name}`;
    const losses = await trainModel(title, model, loss, fineTuningText, settings.fineTuning, "fine-tuning");
    const result = await judge(name, model, losses);
    disposeModel(model);
    return result;
  };

  const crossEntropy = await fineTune("cross entropy", plainLoss);
  const ramp = rampedAlpha(alpha, settings.fineTuning.steps);
  const powerLawDecay = await fineTune("PDL", powerLawDecayLoss(vocabulary, ramp));
  disposeModel(pretrained);

  const years = (part: readonly Address[]): number[] => part.map(({ year }) => year);
  return {
    settings: { ...settings, sizes },
    vocabulary,
    years: {
      pretraining: years(split.pretraining),
      fineTuning: years(split.fineTuning),
      heldOut: years(split.heldOut),
    },
    tokens: {
      pretraining: tokens.pretraining.length,
      fineTuning: tokens.fineTuning.length,
      heldOut: tokens.heldOut.length,
    },
    heldOut: heldOutCounts,
    unigram: measureUnigram(unigramLogits(fineTuningCounts), batchesOf(heldOut)),
    before,
    crossEntropy,
    powerLawDecay,
    effectiveSampleSize: effectiveSampleSize(
      await classWeightsOf(powerLawDecayLoss(vocabulary, alpha), vocabulary.size),
      fineTuningCounts.counts,
    ),
    prompts,
  };
}

function textsOf(addresses: readonly Address[]): string[] {
  return addresses.map(({ text }) => text);
}
