/**
 * What a loss may read of the ids that stand beside a row's label: sums over candidates, ids of a row whose probabilities count
 * one by one, and where the label stands among the others. They need integer labels.
 */
import { LossError } from "./error.ts";
import type { Expression } from "./expression.ts";
import type { ClassAtom, ColumnAtom } from "./loss.ts";

/**
 * Which ids are a row's candidates: the labels at earlier valid positions of its sequence, which is the last axis of the
 * labels; or what the batch gives as `candidates`. Each id counts once.
 */
export type Candidates = "earlierLabels" | "given";

/** The sum of `body` over the row's candidates but its own label: a number a row. */
export interface CandidateSumAtom {
  readonly kind: "candidateSum";
  readonly candidates: Candidates;
  readonly body: Expression<ClassAtom>;
}

/** A number of the row, 0 or 1, that labels alone tell. */
export type LabelFact =
  /** Whether the row's label is among its candidates. */
  | { readonly kind: "isCandidate"; readonly candidates: Candidates }
  /**
   * Whether the row is part of `length` consecutive valid rows of its sequence whose labels stood in this order before,
   * beginning at an earlier position.
   */
  | { readonly kind: "inRepeat"; readonly length: number };

/** Throws where a source of candidates is none. */
export function checkCandidateSource(candidates: unknown, where: string): asserts candidates is Candidates {
  if (candidates === "earlierLabels" || candidates === "given") return;
  throw new LossError(where, `got ${JSON.stringify(candidates)}`, 'Give "earlierLabels" or "given"');
}

/** Which ids beside the label a loss reads. */
export interface LabelReading {
  readonly candidates: readonly Candidates[];
  readonly repeats: boolean;
}

export function labelReadingOfAtoms(atoms: readonly (ClassAtom | ColumnAtom)[]): LabelReading {
  const read = atoms.flatMap((a) => (a.kind === "candidateSum" || a.kind === "isCandidate" ? [a.candidates] : []));
  return { candidates: [...new Set(read)], repeats: atoms.some(({ kind }) => kind === "inRepeat") };
}

export function readsLabelsOfOthers({ candidates, repeats }: LabelReading): boolean {
  return candidates.length > 0 || repeats;
}

// --------------------------------------------------------------------------------------------------------- meaning

/** The labels of the rows, in sequences of one length. */
export interface Sequences {
  readonly labels: ArrayLike<number>;
  readonly isValid: (row: number) => boolean;
  readonly length: number;
}

/** Visits the rows in order with the distinct labels at earlier valid positions; the list is the visitor's to read alone. */
export function visitEarlierLabels(
  { labels, isValid, length }: Sequences,
  visit: (row: number, earlier: readonly number[], isCandidate: boolean) => void,
): void {
  let earlier: number[] = [];
  let seen = new Set<number>();
  for (let row = 0; row < labels.length; row++) {
    if (row % length === 0) {
      earlier = [];
      seen = new Set();
    }
    const label = labels[row];
    visit(row, earlier, seen.has(label));
    if (!isValid(row) || seen.has(label)) continue;
    seen.add(label);
    earlier.push(label);
  }
}

/** For each row whether it is part of a repeat, 0 or 1. */
export function repeatsOf({ labels, isValid, length }: Sequences, ofLength: number): Float32Array {
  const inRepeat = new Float32Array(labels.length);
  for (let first = 0; first < labels.length; first += length) {
    const seen = new Set<string>();
    let validBefore = 0;
    for (let row = first; row < first + length; row++) {
      validBefore = isValid(row) ? validBefore + 1 : 0;
      if (validBefore < ofLength) continue;
      const start = row - ofLength + 1;
      const words: number[] = [];
      for (let i = start; i <= row; i++) words.push(labels[i]);
      const key = words.join();
      if (seen.has(key)) inRepeat.fill(1, start, row + 1);
      seen.add(key);
    }
  }
  return inRepeat;
}
