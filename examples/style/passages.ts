/** How an author goes on: passages of a text, each with what follows it. */
import type { Pair } from "../finetuning/pairs.ts";

/** How long passages are at least, in words; each ends with the sentence, or the part of one before a semicolon, that reaches it. */
export interface Lengths {
  readonly prompt: number;
  readonly response: number;
}

/**
 * A text as pairs: some sentences, and those after them. What a pair is to go on with is the next pair's prompt, where
 * it is long enough.
 *
 * @param key of the text: its pairs are not split between training and held-out.
 */
export function passagesOf(text: string, key: string, lengths: Lengths): Pair[] {
  const sentences = [...new Intl.Segmenter("en", { granularity: "sentence" }).segment(text.replaceAll(/\s+/g, " "))]
    .flatMap(({ segment }) => segment.trim().split(/(?<=[;:]) /))
    .filter((sentence) => sentence !== "");
  const words = sentences.map((sentence) => sentence.split(" ").length);
  /** Where the passage from `first` on ends that has at least so many words; null where the text ends before. */
  const endOf = (first: number, least: number): number | null => {
    let count = 0;
    for (let i = first; i < sentences.length; i++) {
      count += words[i];
      if (count >= least) return i + 1;
    }
    return null;
  };
  const pairs: Pair[] = [];
  for (let first = 0; first < sentences.length; ) {
    const middle = endOf(first, lengths.prompt);
    const end = middle === null ? null : endOf(middle, lengths.response);
    if (middle === null || end === null) break;
    pairs.push({
      key,
      document: sentences.slice(first, middle).join(" "),
      response: ` ${sentences.slice(middle, end).join(" ")}`,
    });
    first = middle;
  }
  return pairs;
}
