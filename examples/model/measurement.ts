/** Measuring predictions: negative log likelihood by band, and accuracy. */
import * as tf from "@tensorflow/tfjs";
import { compile } from "lossmith";
import { bandOf, bands, isRare } from "./bands.ts";
import type { TokenBatch } from "./batches.ts";
import { hiddenStates, type LanguageModel, logitsOf } from "./languageModel.ts";
import { lossPerToken } from "./losses.ts";

/** What is measured on held-out text. Means over no token are NaN. */
export interface Measurement {
  /** Mean negative log likelihood, nats a token. */
  readonly overall: number;
  /** The same for the tokens of each band of `bands`. */
  readonly byBand: readonly number[];
  /** The share of tokens that the model ranks first, 0 to 1. */
  readonly accuracy: number;
  /** The same for rare tokens. */
  readonly rareAccuracy: number;
}

/** How many tokens a measurement reads, overall and by band; ignored labels are left out. */
export interface TokenCounts {
  readonly overall: number;
  readonly byBand: readonly number[];
}

/** Counts the tokens that are measured. */
export function countMeasured(batches: Iterable<TokenBatch>): TokenCounts {
  const byBand = bands.map(() => 0);
  for (const { labels } of batches) for (const label of labels) if (label >= 0) byBand[bandOf(label)]++;
  return { overall: total(byBand), byBand };
}

/** Measures a model. The logits of ignored labels are not made. */
export async function measureModel(
  model: LanguageModel,
  batches: Iterable<TokenBatch>,
  onBatch: (tokens: number) => void = () => {},
): Promise<Measurement> {
  const compiled = compile(lossPerToken);
  const tally = new Tally();
  for (const { inputs, labels: all } of batches) {
    const rows = Int32Array.from(all.keys()).filter((row) => all[row] >= 0);
    const labels = rows.map((row) => all[row]);
    if (rows.length > 0) {
      const [values, best] = tf.tidy(() => {
        const hidden = tf.gather(hiddenStates(model, inputs), tf.tensor1d(rows, "int32"));
        const logits = logitsOf(model, hidden);
        return [compiled({ logits, labels }), tf.argMax(logits, 1)];
      });
      const [nll, predicted] = await Promise.all([values.data(), best.data()]);
      tf.dispose([values, best]);
      labels.forEach((label, i) => {
        tally.add(label, nll[i], predicted[i] === label);
      });
    }
    onBatch(all.length);
  }
  compiled.dispose();
  return tally.measurement();
}

/** Measures a distribution that is the same for every token, given as log probabilities by class. */
export function measureUnigram(logProbabilities: Float32Array, batches: Iterable<TokenBatch>): Measurement {
  const tally = new Tally();
  const first = logProbabilities.indexOf(Math.max(...logProbabilities));
  for (const { labels } of batches) {
    for (const label of labels) if (label >= 0) tally.add(label, -logProbabilities[label], label === first);
  }
  return tally.measurement();
}

/** Sums that become a measurement. */
class Tally {
  readonly #nll = bands.map(() => 0);
  readonly #count = bands.map(() => 0);
  #hits = 0;
  #rare = 0;
  #rareHits = 0;

  add(label: number, nll: number, isHit: boolean): void {
    const band = bandOf(label);
    this.#nll[band] += nll;
    this.#count[band]++;
    if (isHit) this.#hits++;
    if (!isRare(label)) return;
    this.#rare++;
    if (isHit) this.#rareHits++;
  }

  measurement(): Measurement {
    const tokens = total(this.#count);
    return {
      overall: total(this.#nll) / tokens,
      byBand: this.#nll.map((nll, band) => nll / this.#count[band]),
      accuracy: this.#hits / tokens,
      rareAccuracy: this.#rareHits / this.#rare,
    };
  }
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
