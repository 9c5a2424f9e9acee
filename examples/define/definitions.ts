import type { Synset } from "../corpora/wordnet.ts";
import type { Pair } from "../finetuning/pairs.ts";

/** The first word of each synset, with its part of speech, and the gloss. */
export function definitions(synsets: readonly Synset[]): Pair[] {
  return synsets.map(({ words, partOfSpeech, definition }) => ({
    key: words[0],
    document: `${words[0]} (${partOfSpeech})`,
    response: ` ${definition}`,
  }));
}
