/** Bands of the vocabulary by rank, the most frequent token of the training text having rank 1. */

/** Ranks from `first` to `last`, both included. */
export interface Band {
  readonly name: string;
  readonly first: number;
  readonly last: number;
}

export const bands: readonly Band[] = [
  { name: "top 100", first: 1, last: 100 },
  { name: "101–1 000", first: 101, last: 1000 },
  { name: "1 001–5 000", first: 1001, last: 5000 },
  { name: "rarer", first: 5001, last: Number.POSITIVE_INFINITY },
];

/** The first rank that counts as rare. */
export const firstRareRank = 1001;

/** The position in `bands` of a class; classes are numbered by rank from 0. */
export function bandOf(index: number): number {
  return bands.findIndex(({ first, last }) => index + 1 >= first && index + 1 <= last);
}

/** Whether a class is rare. */
export function isRare(index: number): boolean {
  return index + 1 >= firstRareRank;
}
