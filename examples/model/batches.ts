/** Windows of text: random ones to train on, consecutive ones to measure. */
import { type Random, randomInteger } from "./random.ts";
import { toInputs, toLabels, type Vocabulary } from "./vocabulary.ts";

/** A stream of text as the model reads it and as it is to predict it. */
export interface TextStream {
  readonly inputs: Int32Array;
  /** labels[i] is the class of token i itself, or the ignored label; the label of input i is labels[i + 1]. */
  readonly labels: Int32Array;
}

/** B windows of T tokens, laid out one after the other: labels[i] is what follows inputs[i]. */
export interface TokenBatch {
  readonly inputs: Int32Array;
  readonly labels: Int32Array;
}

/** A stream of tokenizer ids in the terms of a vocabulary. */
export function textStream(vocabulary: Vocabulary, tokens: Int32Array): TextStream {
  return { inputs: toInputs(vocabulary, tokens), labels: toLabels(vocabulary, tokens) };
}

/** Windows that start at random tokens of the stream. */
export function randomBatch(stream: TextStream, windows: number, window: number, random: Random): TokenBatch {
  const starts = Array.from({ length: windows }, () => randomInteger(random, stream.inputs.length - window));
  return windowsAt(stream, starts, window);
}

/** The stream in consecutive windows, `windows` to a batch, until at least `tokens` are read or the text ends. */
export function* consecutiveBatches(
  stream: TextStream,
  windows: number,
  window: number,
  tokens: number,
): Generator<TokenBatch> {
  const available = Math.floor((stream.inputs.length - 1) / window);
  const count = Math.min(available, Math.ceil(tokens / window));
  for (let first = 0; first < count; first += windows) {
    const length = Math.min(windows, count - first);
    yield windowsAt(
      stream,
      Array.from({ length }, (_, i) => (first + i) * window),
      window,
    );
  }
}

function windowsAt(stream: TextStream, starts: readonly number[], window: number): TokenBatch {
  const inputs = new Int32Array(starts.length * window);
  const labels = new Int32Array(starts.length * window);
  starts.forEach((start, i) => {
    inputs.set(stream.inputs.subarray(start, start + window), i * window);
    labels.set(stream.labels.subarray(start + 1, start + window + 1), i * window);
  });
  return { inputs, labels };
}
