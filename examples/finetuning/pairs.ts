/**
 * Pairs of a document and a response, as a causal model reads them and is to predict them:
 *
 *     inputs   d1 d2 d3  cue  r1   r2   ·    ·         · is padding
 *     labels   −  −  −   r1   r2   end  −    −         − is ignored
 *
 * The prompt is the document and the cue. Its labels are ignored, as are those of the padding and of tokens outside the
 * vocabulary; the end of text after the response is learnt.
 */
import type { TokenBatch } from "../model/batches.ts";
import { joined } from "../model/joined.ts";
import { type Random, randomInteger } from "../model/random.ts";
import { endOfText, tokensOf } from "../model/tokenizer.ts";
import { ignoredLabel, toInputs, toLabels, type Vocabulary } from "../model/vocabulary.ts";

/** A document and what the model is to answer. */
export interface Pair {
  /** What is not to be split between training and held-out: a word, a package, a chapter. */
  readonly key: string;
  readonly document: string;
  /** Usually with a space before, as words have in the middle of a text. */
  readonly response: string;
}

/** A pair in r50k ids that fit a window. */
export interface Sequence {
  /** Prompt, response and end of text: at most one token more than the window. */
  readonly tokens: Int32Array;
  /** How many of the tokens are the prompt. */
  readonly promptTokens: number;
  /** Whether the document was longer than its room. */
  readonly isDocumentCut: boolean;
  /** Whether the response was longer than its room; it then has no end of text. */
  readonly isResponseCut: boolean;
}

/** How pairs are written as one text. */
export interface Form {
  /** What stands between document and response, so that the model knows that it is to answer. It is never cut. */
  readonly cue: string;
  /** Which part of a document stays that is too long: its beginning, or its end where the response goes on from there. */
  readonly keeps: "beginning" | "end";
}

/** The share of a window that a document has at least, however long the response is. */
const leastDocument = 1 / 4;

/**
 * Lays a pair out in a window. A document that is too long is cut, and the cue stays; a response loses its end only where it
 * alone would leave the document less than a quarter of the window.
 */
export function sequenceOf(pair: Pair, form: Form, window: number): Sequence {
  const [document, middle, response] = [pair.document, form.cue, pair.response].map(tokensOf);
  const room = window + 1 - middle.length;
  const tokens = Math.min(document.length, Math.max(room - response.length - 1, Math.floor(leastDocument * window)));
  const answer = [...response, endOfText].slice(0, room - tokens);
  return {
    tokens: Int32Array.from([...kept(document, tokens, form), ...middle, ...answer]),
    promptTokens: tokens + middle.length,
    isDocumentCut: tokens < document.length,
    isResponseCut: answer.length <= response.length,
  };
}

/** The prompt of a pair, with room for an answer of so many tokens. */
export function promptOf(pair: Pair, form: Form, window: number, newTokens: number): Int32Array {
  const [document, middle] = [pair.document, form.cue].map(tokensOf);
  const room = Math.max(1, window - newTokens - middle.length);
  return Int32Array.from([...kept(document, room, form), ...middle]);
}

/** What stays of a document that has room for so many tokens. */
function kept(document: Int32Array, room: number, { keeps }: Form): Int32Array {
  return keeps === "beginning" ? document.subarray(0, room) : document.subarray(Math.max(0, document.length - room));
}

/** Sequences as a batch of padded windows. */
export function pairBatch(vocabulary: Vocabulary, sequences: readonly Sequence[], window: number): TokenBatch {
  const inputs = new Int32Array(sequences.length * window).fill(vocabulary.endOfText);
  const labels = new Int32Array(sequences.length * window).fill(ignoredLabel);
  sequences.forEach(({ tokens, promptTokens }, i) => {
    inputs.set(toInputs(vocabulary, tokens.subarray(0, -1)), i * window);
    labels.set(toLabels(vocabulary, tokens.subarray(promptTokens)), i * window + promptTokens - 1);
  });
  return { inputs, labels };
}

/** What is learnt of sequences: the labels of all responses, ends of text included, one after the other. */
export function responseLabels(vocabulary: Vocabulary, sequences: readonly Sequence[]): Int32Array {
  return joined(sequences.map(({ tokens, promptTokens }) => toLabels(vocabulary, tokens.subarray(promptTokens))));
}

/** A batch of pairs drawn at random. */
export function randomPairs(sequences: readonly Sequence[], count: number, random: Random): Sequence[] {
  return Array.from({ length: count }, () => sequences[randomInteger(random, sequences.length)]);
}

/** All sequences in their order, so many to a batch. */
export function* pairBatches(
  vocabulary: Vocabulary,
  sequences: readonly Sequence[],
  window: number,
  pairs: number,
): Generator<TokenBatch> {
  for (let first = 0; first < sequences.length; first += pairs) {
    yield pairBatch(vocabulary, sequences.slice(first, first + pairs), window);
  }
}
