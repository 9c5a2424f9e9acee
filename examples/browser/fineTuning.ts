/**
 * The run: a small language model learns from one text by cross entropy, and copies of it are fine-tuned on another, each
 * by a loss of its own, on the same batches. Nothing here knows of the page.
 */
import * as tf from "@tensorflow/tfjs";
import { type Numeric, warmupCosine } from "lossmith";
import { perplexity, type StepResult, trainStep } from "lossmith/training";
import { randomBatch, type TextStream, type TokenBatch } from "../model/batches.ts";
import {
  copyModel,
  createModel,
  disposeModel,
  hiddenStates,
  type LanguageModel,
  logitsOf,
  type ModelSizes,
  variablesOf,
} from "../model/languageModel.ts";
import { plainLoss } from "../model/losses.ts";
import { randomStream } from "../model/random.ts";
import { unigramLogits } from "../model/vocabulary.ts";
import type { Corpus } from "./corpus.ts";
import type { TrainableLoss } from "./losses.ts";
import type { Pause } from "./pause.ts";
import { rareCrossEntropy } from "./rareTokens.ts";
import { type Sample, writeSample } from "./sample.ts";
import type { LossName, ModelName, Settings } from "./settings.ts";

/** The sizes of a model beside its vocabulary, and how many windows are in a batch. */
const sizes: Readonly<Record<ModelName, Omit<ModelSizes, "vocabulary"> & { readonly windows: number }>> = {
  tiny: { width: 32, heads: 2, blocks: 1, window: 16, windows: 8 },
  small: { width: 64, heads: 2, blocks: 2, window: 32, windows: 16 },
  medium: { width: 128, heads: 4, blocks: 4, window: 64, windows: 16 },
};

const pretrainingRate = 0.01;
const samplesOfARun = 4;
/** Samples take as long as some steps do. */
const fewestStepsBetweenSamples = 10;

/** One of the losses that are compared. */
export interface Contender {
  readonly name: LossName;
  readonly loss: TrainableLoss;
}

/** What a step of one model gave. */
export interface Measured {
  /** Which curve it belongs to. */
  readonly name: LossName | "pretraining";
  /** Counted through both trainings, 1 at the first. */
  readonly step: number;
  /** The loss that is minimised, of the batch before the update. */
  readonly loss: number;
  /** The plain cross entropy of the same predictions, nats a token. */
  readonly crossEntropy: number;
  /** The same over rare tokens alone. */
  readonly rare: number;
  /** Scheduled and trained numbers of the loss, by name. */
  readonly numbers: Readonly<Record<string, number>>;
  /** The tokens of the batch, and how long the step took, in milliseconds. */
  readonly tokens: number;
  readonly took: number;
  /** Why the step changed nothing; null where it did. */
  readonly skipped: string | null;
}

export type Phase = "pretraining" | "fine-tuning" | "finished";

/** Who is told how the run goes. */
export interface Observer {
  phase(phase: Phase): void;
  measured(measured: Measured): void;
  /** How many tensors there are after all models have taken a step. */
  tensors(count: number): void;
  /** A sample, each time that it has grown by a token. */
  sample(name: LossName, step: number, sample: Sample): void;
}

export interface Run {
  readonly settings: Settings;
  readonly corpus: Corpus;
  readonly contenders: readonly Contender[];
  readonly observer: Observer;
  readonly pause: Pause;
  /** Ends the run before its next step. */
  readonly signal: AbortSignal;
}

/** Runs to the end, and rejects where the signal ends it before. All tensors are freed in any case. */
export async function run(given: Run): Promise<void> {
  const { settings, corpus, contenders, observer } = given;
  const { steps, pretraining, learningRate, seed } = settings;
  const { windows, ...size } = sizes[settings.model];
  const batchesOf = (text: TextStream, name: string): (() => TokenBatch) => {
    const random = randomStream(seed, name);
    return () => randomBatch(text, windows, size.window, random);
  };
  const models: LanguageModel[] = [];
  try {
    const modelSizes = { ...size, vocabulary: corpus.vocabulary.size };
    const first = createModel(modelSizes, unigramLogits(corpus.pretrainingFrequencies), seed);
    models.push(first);
    if (pretraining > 0) {
      observer.phase("pretraining");
      await train(given, [{ name: "pretraining", loss: plainLoss, model: first }], {
        ...{ steps: pretraining, before: 0, learningRate: rateOf(pretrainingRate, pretraining) },
        nextBatch: batchesOf(corpus.pretraining, "pretraining"),
      });
    }
    observer.phase("fine-tuning");
    const tuned = contenders.map(({ name, loss }) => {
      const model = copyModel(first);
      models.push(model);
      return { name, loss, model };
    });
    await train(given, tuned, {
      ...{ steps, before: pretraining, learningRate: rateOf(learningRate, steps) },
      nextBatch: batchesOf(corpus.fineTuning, "fine-tuning"),
      afterStep: async (step) => {
        if (!isSampled(step, settings)) return;
        for (const { name, model } of tuned) {
          await writeSample(model, corpus, { ...given, texts: windows }, (sample) =>
            observer.sample(name, pretraining + step, sample),
          );
        }
      },
    });
    observer.phase("finished");
  } finally {
    for (const model of models) disposeModel(model);
  }
}

/** A model and what it learns by. */
interface Learner {
  readonly name: Measured["name"];
  readonly loss: TrainableLoss;
  readonly model: LanguageModel;
}

interface Training {
  readonly steps: number;
  /** How many steps were taken before it. */
  readonly before: number;
  readonly learningRate: Numeric;
  readonly nextBatch: () => TokenBatch;
  /** Called after each step of all models, 1 after the first. */
  readonly afterStep?: (step: number) => Promise<void>;
}

/** All learners take each step on the same batch. Between steps the page has its turn. */
async function train(given: Run, learners: readonly Learner[], training: Training): Promise<void> {
  const { corpus, observer, pause, signal } = given;
  const metrics = [perplexity(), rareCrossEntropy(corpus.vocabulary)];
  const optimizer = learners.map(() => tf.train.adam(0.001));
  const stepOf = learners.map(({ loss, model }, i) =>
    trainStep<Int32Array>({
      ...{ optimizer: optimizer[i], learningRate: training.learningRate, loss, metrics },
      model: (inputs) => {
        const { window, vocabulary } = model.sizes;
        // [B, T, V] tells a loss which rows are one sequence.
        return logitsOf(model, hiddenStates(model, inputs)).reshape([-1, window, vocabulary]);
      },
      variables: variablesOf(model),
    }),
  );
  try {
    for (let step = 1; step <= training.steps; step++) {
      const { inputs, labels } = training.nextBatch();
      for (const [i, { name }] of learners.entries()) {
        await tf.nextFrame();
        await pause.wait();
        signal.throwIfAborted();
        const began = performance.now();
        const result = await stepOf[i]({ x: inputs, labels });
        const took = performance.now() - began;
        observer.measured({ name, step: training.before + step, took, ...readingsOf(result) });
      }
      observer.tensors(tf.memory().numTensors);
      await training.afterStep?.(step);
    }
  } finally {
    for (const step of stepOf) step.dispose();
    for (const one of optimizer) one.dispose();
  }
}

function readingsOf({ loss, skipped, logs }: StepResult): Omit<Measured, "name" | "step" | "took"> {
  const { loss: _loss, gradientNorm: _norm, perplexity, rareCrossEntropy, tokens, ...numbers } = logs;
  return { loss, skipped, numbers, tokens, crossEntropy: Math.log(perplexity), rare: rareCrossEntropy };
}

/** A warm-up over the first tenth of the steps, and a cosine decay to a twentieth. */
function rateOf(peak: number, steps: number): Numeric {
  const warmup = Math.min(20, Math.floor(steps / 10));
  return warmupCosine({ init: peak / 10, peak, warmup, decay: steps, end: peak / 20 });
}

/** Whether texts are written after a step: at times, and at the end. */
function isSampled(step: number, { steps, sample }: Settings): boolean {
  const every = Math.max(fewestStepsBetweenSamples, Math.ceil(steps / samplesOfARun));
  return sample > 0 && (step % every === 0 || step === steps);
}
