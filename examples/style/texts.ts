/** The texts whose styles the example knows. */
import { loadAddresses } from "../corpora/addresses.ts";
import { loadChapters } from "../corpora/mobyDick.ts";

/** A text in documents that belong together: addresses, chapters. */
export interface Text {
  /** What it is, for the report. */
  readonly about: string;
  readonly documents: readonly { readonly key: string; readonly text: string }[];
}

/** The last year of the addresses that are called old, and the first of the recent ones. */
const [oldUntil, recentFrom] = [1899, 1982];

function addresses(about: string, isIn: (year: number) => boolean): Text {
  const documents = loadAddresses()
    .filter(({ year }) => isIn(year))
    .map(({ year, name, text }) => ({ key: `${year} ${name}`, text }));
  return { about: `State of the Union addresses, ${about} (CC0)`, documents };
}

/** Loads each text, by the name that options have for it. */
export const texts: Readonly<Record<string, () => Text>> = {
  "old-addresses": () => addresses(`up to ${oldUntil}`, (year) => year <= oldUntil),
  "recent-addresses": () => addresses(`from ${recentFrom} on`, (year) => year >= recentFrom),
  "moby-dick": () => ({
    about: "Herman Melville's Moby-Dick by chapters (CC0)",
    documents: loadChapters().map(({ title, text }) => ({ key: title, text })),
  }),
};
