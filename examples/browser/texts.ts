/** The texts of the page, read and tokenized where the page is built: a browser gets ids, and needs no tokenizer. */
import { decode } from "gpt-tokenizer/encoding/r50k_base";
import { loadAddresses } from "../corpora/addresses.ts";
import { loadChapters } from "../corpora/mobyDick.ts";
import { documentStream } from "../model/tokenizer.ts";

/** What the page is given. Ids of r50k fit 16 bits; they are written as base64, lowest byte first. */
export interface Texts {
  /** State of the Union addresses of the years in which Moby-Dick was written. */
  readonly pretraining: string;
  /** Moby-Dick from its first chapter on. */
  readonly fineTuning: string;
  /** What the most frequent ids stand for, as pairs of an id and its text. */
  readonly tokens: readonly (readonly [id: number, text: string])[];
}

/** The largest vocabulary that a page can be asked for. */
const largestVocabulary = 4096;

/** So many tokens of each text: more make the page larger, and a run of some hundred steps no better. */
const tokensOfEach = 64_000;

const years = { first: 1841, last: 1860 };

/** Both texts, which are in the public domain (CC0). */
export function readTexts(): Texts {
  const addresses = loadAddresses().filter(({ year }) => year >= years.first && year <= years.last);
  // The first three parts are a table of contents and quotations.
  const chapters = loadChapters().slice(3);
  const [pretraining, fineTuning] = [addresses, chapters].map((documents) =>
    documentStream(documents.map(({ text }) => text)).slice(0, tokensOfEach),
  );
  return {
    pretraining: base64(pretraining),
    fineTuning: base64(fineTuning),
    tokens: mostFrequent([...pretraining, ...fineTuning]).map((id) => [id, decode([id])]),
  };
}

function base64(ids: Int32Array): string {
  return Buffer.from(Uint16Array.from(ids).buffer).toString("base64");
}

function mostFrequent(ids: readonly number[]): readonly number[] {
  const counts = new Map<number, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts.keys()]
    .sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0) || a - b)
    .slice(0, largestVocabulary);
}
