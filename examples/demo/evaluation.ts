/** Measuring predictions on held-out text: negative log likelihood by band, and accuracy on rare tokens. */
import * as tf from "@tensorflow/tfjs";
import { compile } from "lossmith";
import { bandOf, bands, isRare } from "./bands.ts";
import { consecutiveBatches, type TextStream, type TokenBatch } from "./batches.ts";
import { hiddenStates, type LanguageModel, logitsOf } from "./languageModel.ts";
import { lossPerToken } from "./losses.ts";

/** What is measured on held-out text. Means over no token are NaN. */
export interface Measurement {
  /** Mean negative log likelihood, nats a token. */
  readonly overall: number;
  /** The same for the tokens of each band of `bands`. */
  readonly byBand: readonly number[];
  /** The share of rare tokens that the model ranks first, 0 to 1. */
  readonly rareAccuracy: number;
}

/** How many held-out tokens a measurement reads, overall and by band; tokens outside the vocabulary are left out. */
export interface HeldOutCounts {
  readonly overall: number;
  readonly byBand: readonly number[];
  /** Tokens outside the vocabulary. */
  readonly unknown: number;
}

/** Which text is measured, and how much at a time. */
export interface HeldOutText {
  readonly text: TextStream;
  /** The number of tokens of a window. */
  readonly window: number;
  /** How many tokens to measure; all where there are fewer. */
  readonly tokens: number;
}

const windowsAtOnce = 8;

function batchesOf({ text, window, tokens }: HeldOutText): Generator<TokenBatch> {
  return consecutiveBatches(text, windowsAtOnce, window, tokens);
}

/** Counts the tokens that `measureModel` and `measureUnigram` read. */
export function countHeldOut(heldOut: HeldOutText): HeldOutCounts {
  const labels = [...batchesOf(heldOut)].flatMap((batch) => [...batch.labels]);
  const known = labels.filter((label) => label >= 0);
  return {
    overall: known.length,
    byBand: bands.map((_, band) => known.filter((label) => bandOf(label) === band).length),
    unknown: labels.length - known.length,
  };
}

/** Measures a model. The windows do not overlap: the first token of each has one token of context, the last T. */
export async function measureModel(
  model: LanguageModel,
  heldOut: HeldOutText,
  onBatch: (tokens: number) => void,
): Promise<Measurement> {
  const compiled = compile(lossPerToken);
  const tally = new Tally();
  for (const { inputs, labels } of batchesOf(heldOut)) {
    const rareRows = Int32Array.from(labels.keys()).filter((row) => labels[row] >= 0 && isRare(labels[row]));
    const [values, best] = tf.tidy(() => {
      const logits = logitsOf(model, hiddenStates(model, inputs));
      return [compiled({ logits, labels }), tf.argMax(tf.gather(logits, tf.tensor1d(rareRows, "int32")), 1)];
    });
    const nll = await values.data();
    const predicted = rareRows.length === 0 ? [] : await best.data();
    tf.dispose([values, best]);
    labels.forEach((label, row) => {
      if (label >= 0) tally.add(label, nll[row]);
    });
    rareRows.forEach((row, i) => {
      tally.addRare(predicted[i] === labels[row]);
    });
    onBatch(labels.length);
  }
  compiled.dispose();
  return tally.measurement();
}

/** Measures a distribution that is the same for every token, given as log probabilities by class. */
export function measureUnigram(logProbabilities: Float32Array, heldOut: HeldOutText): Measurement {
  const tally = new Tally();
  const first = logProbabilities.indexOf(Math.max(...logProbabilities));
  for (const { labels } of batchesOf(heldOut)) {
    for (const label of labels) {
      if (label < 0) continue;
      tally.add(label, -logProbabilities[label]);
      if (isRare(label)) tally.addRare(label === first);
    }
  }
  return tally.measurement();
}

/** Sums that become a measurement. */
class Tally {
  readonly #nll = bands.map(() => 0);
  readonly #count = bands.map(() => 0);
  #rare = 0;
  #rareHits = 0;

  add(label: number, nll: number): void {
    const band = bandOf(label);
    this.#nll[band] += nll;
    this.#count[band]++;
  }

  addRare(isHit: boolean): void {
    this.#rare++;
    if (isHit) this.#rareHits++;
  }

  measurement(): Measurement {
    const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
    return {
      overall: total(this.#nll) / total(this.#count),
      byBand: this.#nll.map((nll, band) => nll / this.#count[band]),
      rareAccuracy: this.#rareHits / this.#rare,
    };
  }
}
