/** The held-out text that the demo measures, in windows. */
import { consecutiveBatches, type TextStream, type TokenBatch } from "../model/batches.ts";
import { countMeasured, type TokenCounts } from "../model/measurement.ts";

/** Which text is measured, and how much at a time. */
export interface HeldOutText {
  readonly text: TextStream;
  /** The number of tokens of a window. */
  readonly window: number;
  /** How many tokens to measure; all where there are fewer. */
  readonly tokens: number;
}

/** How many held-out tokens a measurement reads. */
export interface HeldOutCounts extends TokenCounts {
  /** Tokens outside the vocabulary, which are left out. */
  readonly unknown: number;
}

const windowsAtOnce = 8;

/** The text in windows that do not overlap: the first token of each has one token of context, the last T. */
export function batchesOf({ text, window, tokens }: HeldOutText): Generator<TokenBatch> {
  return consecutiveBatches(text, windowsAtOnce, window, tokens);
}

/** Counts the tokens that are measured. */
export function countHeldOut(heldOut: HeldOutText): HeldOutCounts {
  const counts = countMeasured(batchesOf(heldOut));
  const labels = [...batchesOf(heldOut)].reduce((sum, batch) => sum + batch.labels.length, 0);
  return { ...counts, unknown: labels - counts.overall };
}
