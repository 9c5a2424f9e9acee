/**
 * The experiment of all examples: one pretraining with cross entropy; then a fine-tuning for each loss, from the same weights
 * on the same batches; each measured on pairs that none has seen.
 */
import { countTokens } from "lossmith";
import type { TrainingCallback } from "lossmith/training";
import { UserError } from "../command/program.ts";
import { randomBatch, type TokenBatch, textStream } from "../model/batches.ts";
import { joined } from "../model/joined.ts";
import { copyModel, createModel, disposeModel, type LanguageModel, type ModelSizes } from "../model/languageModel.ts";
import { classWeightsOf, plainLoss, powerLawDecayLoss } from "../model/losses.ts";
import {
  countMeasured,
  type Measurement,
  measureModel,
  measureUnigram,
  type TokenCounts,
} from "../model/measurement.ts";
import type { TrainingLoss } from "../model/modelLoss.ts";
import { type Random, randomInteger, randomStream } from "../model/random.ts";
import { continueTexts, type SamplingOptions } from "../model/sampling.ts";
import { effectiveSampleSize } from "../model/textMetrics.ts";
import { documentStream } from "../model/tokenizer.ts";
import { buildVocabulary, ignoredLabel, unigramLogits, type Vocabulary } from "../model/vocabulary.ts";
import { type Answers, judgeAnswers } from "./answers.ts";
import { type Contender, contenders, tryLoss } from "./losses.ts";
import {
  type Form,
  type Pair,
  pairBatch,
  pairBatches,
  promptOf,
  randomPairs,
  responseLabels,
  type Sequence,
  sequenceOf,
} from "./pairs.ts";
import { splitPairs } from "./split.ts";
import { train } from "./training.ts";

/** What an example is about. */
export interface Corpus extends Form {
  /** What the text is, as the report's title ends: "losses compared on …". */
  readonly subject: string;
  /** Where the text is from, in lines of the report. */
  readonly source: readonly string[];
  readonly pairs: readonly Pair[];
  /** Whether an answer is the better the more it is like the reference. */
  readonly hasReferences: boolean;
  /** Text to pretrain on; null takes the training pairs, document and response as one text. */
  readonly pretraining: readonly string[] | null;
}

/** The sizes of an experiment. */
export interface Preset {
  /** The vocabulary is smaller where the text has fewer distinct tokens. */
  readonly sizes: ModelSizes;
  /** At most so many pairs are trained on, drawn by the seed. */
  readonly trainingPairs: number;
  /** Pairs of a batch of fine-tuning. */
  readonly pairsPerBatch: number;
  /** Windows of a batch of pretraining. */
  readonly windowsPerBatch: number;
  readonly pretraining: Training;
  readonly fineTuning: Training;
  /** At most so many held-out pairs are measured. */
  readonly heldOutPairs: number;
  /** How often the held-out loss is measured while fine-tuning, on a part of the held-out pairs. */
  readonly validations: number;
  readonly validationPairs: number;
  /** How many held-out prompts are answered. */
  readonly answers: number;
  /** How long an answer may be, in tokens. */
  readonly newTokens: number;
}

/** The length and the highest learning rate of a training. */
export interface Training {
  readonly steps: number;
  readonly learningRate: number;
}

/** Everything that the numbers depend on, beside the text, the runtime and the backend. */
export interface Settings {
  readonly preset: Preset;
  readonly seed: number;
  readonly alphas: readonly number[];
  readonly chosen: { readonly name: string; readonly loss: TrainingLoss };
  readonly linear: boolean;
  /** In how many parts a batch is taken. */
  readonly accumulate: number;
  readonly temperature: number;
  readonly topTokens: number;
}

/** What became of one model. */
export interface ModelResult {
  readonly name: string;
  readonly colour: string;
  /** The training loss of each of its own steps, by its own loss. */
  readonly losses: readonly number[];
  /** Held-out cross entropy after some of its steps. */
  readonly validation: readonly { readonly step: number; readonly loss: number }[];
  readonly measurement: Measurement;
  readonly answers: Answers;
}

/** A fine-tuned model. */
export interface ContenderResult extends ModelResult {
  readonly loss: TrainingLoss;
  readonly alpha: number | null;
  /** Effective sample size over the training responses, 0 to 1; NaN where the loss weighs no classes of its own. */
  readonly effectiveSampleSize: number;
}

/** How many pairs a part has, and how many of them were cut to fit the window. */
export interface PairCounts {
  readonly pairs: number;
  readonly documentsCut: number;
  readonly responsesCut: number;
  /** Tokens of the responses, ends of text included. */
  readonly responseTokens: number;
  /** Those among them that are outside the vocabulary, and ignored. */
  readonly unknownTokens: number;
}

/** What came out. */
export interface Results {
  readonly settings: Settings;
  readonly vocabulary: Vocabulary;
  readonly source: readonly string[];
  readonly hasReferences: boolean;
  /** Whether it was pretrained on the training pairs. */
  readonly isPretrainedOnPairs: boolean;
  readonly pretrainingTokens: number;
  readonly training: PairCounts;
  readonly heldOut: PairCounts;
  readonly measured: TokenCounts;
  /** The distribution of the training responses. */
  readonly unigram: Measurement;
  readonly before: ModelResult;
  readonly contenders: readonly ContenderResult[];
  /** Prompts and references of the answers. */
  readonly prompts: readonly Prompt[];
}

/** A held-out prompt and the response that belongs to it. */
export interface Prompt {
  readonly tokens: Int32Array;
  readonly reference: string;
}

/** Callbacks for a training that begins, given its name and its steps. */
export type Watch = (name: string, steps: number) => readonly TrainingCallback[];

const pairsAtOnce = 32;

/**
 * Runs the experiment. A backend must have been started.
 *
 * @throws UserError where there is too little text, or the chosen loss does not fit.
 */
export async function runExperiment(settings: Settings, corpus: Corpus, watch: Watch): Promise<Results> {
  const { preset, seed, alphas, chosen, temperature, topTokens } = settings;
  const { window } = preset.sizes;
  const split = splitPairs(corpus.pairs, seed);
  const trainingPairs = shuffled(split.training, randomStream(seed, "training pairs")).slice(0, preset.trainingPairs);
  const heldOutPairs = shuffled(split.heldOut, randomStream(seed, "held-out pairs")).slice(0, preset.heldOutPairs);
  if (trainingPairs.length === 0 || heldOutPairs.length === 0) {
    throw new UserError(
      `${corpus.pairs.length} pairs make ${trainingPairs.length} for training and ${heldOutPairs.length} held out`,
    );
  }
  const layOut = (pair: Pair): Sequence => sequenceOf(pair, corpus, window);
  const training = trainingPairs.map(layOut);
  const heldOut = heldOutPairs.map(layOut);

  // Frequencies come from training text alone: held-out counts would leak into weights, bands and baseline.
  const pretrainingText = documentStream(
    corpus.pretraining ?? trainingPairs.map(({ document, response }) => document + corpus.cue + response),
  );
  const fineTuningText = corpus.pretraining === null ? [] : [joined(training.map(({ tokens }) => tokens))];
  if (pretrainingText.length <= window) {
    throw new UserError(`the pretraining text has ${pretrainingText.length} tokens, and a window ${window}`);
  }
  const vocabulary = buildVocabulary([pretrainingText, ...fineTuningText], preset.sizes.vocabulary);
  const sizes = { ...preset.sizes, vocabulary: vocabulary.size };
  tryLoss(chosen, vocabulary.size);
  const responses = countTokens(responseLabels(vocabulary, training), {
    vocabSize: vocabulary.size,
    ignoreIndex: ignoredLabel,
  });

  const heldOutBatches = (pairs: number): Generator<TokenBatch> =>
    pairBatches(vocabulary, heldOut.slice(0, pairs), window, pairsAtOnce);
  const newTokens = Math.min(preset.newTokens, Math.floor(window / 2));
  const prompts = heldOutPairs.slice(0, preset.answers).map((pair) => ({
    tokens: promptOf(pair, corpus, window, newTokens),
    reference: pair.response.trim(),
  }));
  const sampling: SamplingOptions = { newTokens, temperature, topTokens };
  const judge = async (model: LanguageModel): Promise<Pick<ModelResult, "measurement" | "answers">> => {
    const random = randomStream(seed, "answers");
    const texts = await continueTexts(
      model,
      vocabulary,
      prompts.map(({ tokens }) => tokens),
      sampling,
      random,
    );
    return {
      measurement: await measureModel(model, heldOutBatches(heldOut.length)),
      answers: judgeAnswers(
        texts,
        prompts.map(({ reference }) => reference),
      ),
    };
  };

  const stream = textStream(vocabulary, pretrainingText);
  const pretrained = createModel(sizes, unigramLogits(vocabulary.frequencies), seed);
  const pretrainingRandom = randomStream(seed, "pretraining");
  const losses = await train(pretrained, plainLoss, {
    ...preset.pretraining,
    linear: settings.linear,
    nextBatch: () =>
      parts(Array.from({ length: preset.windowsPerBatch }), settings.accumulate).map(({ length }) =>
        randomBatch(stream, length, window, pretrainingRandom),
      ),
    callbacks: watch("pretraining", preset.pretraining.steps),
  });
  const before: ModelResult = {
    name: "before",
    colour: "",
    losses,
    validation: [],
    ...(await judge(pretrained)),
  };

  /** Fine-tunes a copy of the pretrained model. Every call sees the same batches in the same order. */
  const fineTune = async ({ name, colour, loss, alpha }: Contender): Promise<ContenderResult> => {
    const model = copyModel(pretrained);
    const random = randomStream(seed, "fine-tuning");
    const { steps } = preset.fineTuning;
    const validation: { step: number; loss: number }[] = [];
    const validate = async (step: number): Promise<void> => {
      const { overall } = await measureModel(model, heldOutBatches(preset.validationPairs));
      validation.push({ step, loss: overall });
    };
    await validate(0);
    const every = Math.max(1, Math.ceil(steps / preset.validations));
    const trained = await train(model, loss, {
      ...preset.fineTuning,
      linear: settings.linear,
      nextBatch: () =>
        parts(randomPairs(training, preset.pairsPerBatch, random), settings.accumulate).map((part) =>
          pairBatch(vocabulary, part, window),
        ),
      callbacks: watch(name, steps),
      afterStep: async (step) => {
        if (step % every === 0 || step === steps) await validate(step);
      },
    });
    const judged = await judge(model);
    disposeModel(model);
    const effective =
      alpha === null
        ? Number.NaN
        : effectiveSampleSize(
            await classWeightsOf(
              powerLawDecayLoss({ frequencies: responses, endOfText: vocabulary.endOfText }, alpha),
              vocabulary.size,
            ),
            responses.counts,
          );
    return { name, colour, loss, alpha, losses: trained, validation, ...judged, effectiveSampleSize: effective };
  };

  const results: ContenderResult[] = [];
  try {
    for (const contender of contenders(alphas, responses, vocabulary.endOfText, chosen)) {
      results.push(await fineTune(contender));
    }
  } finally {
    disposeModel(pretrained);
  }
  return {
    settings: { ...settings, preset: { ...preset, sizes, newTokens } },
    vocabulary,
    source: corpus.source,
    hasReferences: corpus.hasReferences,
    isPretrainedOnPairs: corpus.pretraining === null,
    pretrainingTokens: pretrainingText.length,
    training: countPairs(training, vocabulary),
    heldOut: countPairs(heldOut, vocabulary),
    measured: countMeasured(heldOutBatches(heldOut.length)),
    unigram: measureUnigram(unigramLogits(responses), [...heldOutBatches(heldOut.length)]),
    before,
    contenders: results,
    prompts,
  };
}

/** A list in so many parts, which differ in length by one at most; fewer where it is shorter. */
function parts<T>(list: readonly T[], count: number): readonly T[][] {
  const used = Math.min(count, list.length);
  const bound = (i: number): number => Math.round((i * list.length) / used);
  return Array.from({ length: used }, (_, i) => list.slice(bound(i), bound(i + 1)));
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = randomInteger(random, i + 1);
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

function countPairs(sequences: readonly Sequence[], vocabulary: Vocabulary): PairCounts {
  const counts = { pairs: sequences.length, documentsCut: 0, responsesCut: 0, responseTokens: 0, unknownTokens: 0 };
  for (const { tokens, promptTokens, isDocumentCut, isResponseCut } of sequences) {
    if (isDocumentCut) counts.documentsCut++;
    if (isResponseCut) counts.responsesCut++;
    const response = tokens.subarray(promptTokens);
    counts.responseTokens += response.length;
    counts.unknownTokens += response.filter((id) => vocabulary.classOf[id] < 0).length;
  }
  return counts;
}
