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
    tell(`${found.missing}. WordNet takes their place: glosses, to be summed up in their words.`);
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
      "text: WordNet 3.1, each synset's gloss and what it sums up to, its words; WordNet's licence. There were no package descriptions on this machine",
    ],
    pairs: wordsOfGlosses(await loadSynsets()),
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

/** Glosses, and the words that they are the glosses of. */
export function wordsOfGlosses(synsets: readonly Synset[]): Pair[] {
  return synsets.map(({ words, definition }) => ({
    key: words[0],
    document: definition,
    response: ` ${words.join(", ")}`,
  }));
}
