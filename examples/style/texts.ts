/** The texts whose styles the example knows. */
import { loadAddresses } from "../corpora/addresses.ts";
import { loadChapters } from "../corpora/mobyDick.ts";

/** A text in documents that belong together: addresses, chapters. */
export interface Text {
  readonly name: string;
  /** What it is, for the report. */
  readonly about: string;
  readonly documents: readonly { readonly key: string; readonly text: string }[];
}

/** The last year of the addresses that are called old, and the first of the recent ones. */
const [oldUntil, recentFrom] = [1899, 1982];

function addresses(age: "old" | "recent"): Text {
  const years = age === "old" ? `up to ${oldUntil}` : `from ${recentFrom} on`;
  const isIn = (year: number): boolean => (age === "old" ? year <= oldUntil : year >= recentFrom);
  const documents = loadAddresses()
    .filter(({ year }) => isIn(year))
    .map(({ year, name, text }) => ({ key: `${year} ${name}`, text }));
  return {
    name: `${age} State of the Union addresses`,
    about: `State of the Union addresses, ${years} (CC0)`,
    documents,
  };
}

/** Loads each text, by the name that options have for it. */
export const texts: Readonly<Record<string, () => Text>> = {
  "old-addresses": () => addresses("old"),
  "recent-addresses": () => addresses("recent"),
  "moby-dick": () => ({
    name: "Moby-Dick",
    about: "Herman Melville's Moby-Dick by chapters (CC0)",
    documents: loadChapters().map(({ title, text }) => ({ key: title, text })),
  }),
};
