/**
 * The vocabulary: the tokenizer's ids cut to those that the training text uses most, numbered by rank. The cut keeps
 * the output layer small enough for a CPU.
 */
import { countTokens, type Frequencies, fromCounts } from "lossmith";
import { endOfText, tokenizerSize } from "./tokenIds.ts";

/** The label of a token outside the vocabulary; the losses ignore it. */
export const ignoredLabel = -100;

/** Classes 0 … size − 1 stand for tokens, the most frequent first. */
export interface Vocabulary {
  /** V, the number of classes: the last dimension of the logits. */
  readonly size: number;
  /** tokenOf[class] is a tokenizer id. */
  readonly tokenOf: Int32Array;
  /** classOf[id] is a class, or −1 outside the vocabulary. */
  readonly classOf: Int32Array;
  /** The class of the end of a document. */
  readonly endOfText: number;
  /** How often each class occurs in the training text. */
  readonly frequencies: Frequencies;
}

/**
 * The `size` most frequent tokens of the training text. End of text always belongs to them, whatever its count.
 * Fewer where the text has fewer distinct tokens.
 */
export function buildVocabulary(trainingText: readonly Int32Array[], size: number): Vocabulary {
  const counts = new Float64Array(tokenizerSize);
  for (const stream of trainingText) {
    countTokens(stream, { vocabSize: tokenizerSize }).counts.forEach((count, id) => {
      counts[id] += count;
    });
  }
  const byCount = (a: number, b: number): number => counts[b] - counts[a] || a - b;
  const seen = [...counts.keys()].filter((id) => counts[id] > 0 && id !== endOfText).sort(byCount);
  const tokenOf = Int32Array.from([...seen.slice(0, size - 1), endOfText].sort(byCount));
  const classOf = new Int32Array(tokenizerSize).fill(-1);
  tokenOf.forEach((id, index) => {
    classOf[id] = index;
  });
  return {
    size: tokenOf.length,
    tokenOf,
    classOf,
    endOfText: classOf[endOfText],
    frequencies: fromCounts(Array.from(tokenOf, (id) => counts[id])),
  };
}

/** A token as the model reads it: its class, or one extra index, V, that all unknown tokens share. */
export function toInputs(vocabulary: Vocabulary, tokens: Int32Array): Int32Array {
  return tokens.map((id) => (vocabulary.classOf[id] < 0 ? vocabulary.size : vocabulary.classOf[id]));
}

/** A token as the model is to predict it: its class, or the ignored label. */
export function toLabels(vocabulary: Vocabulary, tokens: Int32Array): Int32Array {
  return tokens.map((id) => (vocabulary.classOf[id] < 0 ? ignoredLabel : vocabulary.classOf[id]));
}

/** log((c + 1) / (N + V)) for each class: the unigram distribution of the training text, by Laplace's rule. */
export function unigramLogits(frequencies: Frequencies): Float32Array {
  const total = frequencies.counts.reduce((sum, count) => sum + count + 1, 0);
  return Float32Array.from(frequencies.counts, (count) => Math.log((count + 1) / total));
}
