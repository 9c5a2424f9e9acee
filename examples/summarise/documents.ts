/** What is to be summed up: Debian's package descriptions, or where there are none WordNet's glosses. */
import { type Description, loadDescriptions } from "../corpora/debian.ts";
import { loadSynsets, type Synset } from "../corpora/wordnet.ts";
import type { Corpus } from "../finetuning/experiment.ts";
import type { Pair } from "../finetuning/pairs.ts";

const form = { cue: " In short:", keeps: "beginning", hasReferences: true } as const;

/** Descriptions that begin with the same letters are those of one piece of software in several packages. */
const sameSoftware = 60;

/** Debian's descriptions with their one-line summaries, from apt's lists in a folder; else WordNet. */
export async function loadDocuments(folder: string, tell: (line: string) => void): Promise<Corpus> {
  const found = await loadDescriptions(folder);
  if ("missing" in found) {
    tell(
      `${found.missing}. WordNet takes their place: examples of how words are used, to be summed up in what they mean.`,
    );
    return fromWordNet();
  }
  return {
    subject: "package descriptions",
    source: [
      `text: descriptions and summaries of Debian's packages, as apt keeps them on this machine (${found.files.length} list(s) in ${folder}); not for redistribution, Debian states no licence for them`,
    ],
    pairs: summaries(found.descriptions),
    ...form,
    pretraining: null,
  };
}

async function fromWordNet(): Promise<Corpus> {
  return {
    subject: "WordNet's glosses",
    source: [
      "text: WordNet 3.1, words with examples of their use, and the glosses that sum them up; WordNet's licence. There were no package descriptions on this machine",
    ],
    pairs: meanings(await loadSynsets()),
    ...form,
    pretraining: null,
  };
}

/** Descriptions and their one-line summaries. */
export function summaries(descriptions: readonly Description[]): Pair[] {
  return descriptions.map(({ summary, text }) => ({
    key: text.slice(0, sameSoftware),
    document: text,
    response: ` ${summary}`,
  }));
}

/** How a word is used, by the examples in its gloss, and what that sums up to: the gloss without them. */
export function meanings(synsets: readonly Synset[]): Pair[] {
  return synsets
    .filter(({ examples }) => examples.length > 0)
    .map(({ words, partOfSpeech, definition, examples }) => ({
      key: words[0],
      document: `${words[0]} (${partOfSpeech}): ${examples.join("; ")}.`,
      response: ` ${definition}`,
    }));
}
