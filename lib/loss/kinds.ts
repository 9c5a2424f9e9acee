/**
 * Kinds of vocabulary entries: entries of a kind have the same numbers, so what is computed from the numbers is computed
 * once a kind. A corpus has far fewer different counts than tokens (by Zipf's law about the square root of the largest).
 */
export interface Kinds {
  /** The kind of each entry. */
  readonly of: Int32Array;
  /** An entry of each kind. */
  readonly first: Int32Array;
  /** How many entries each kind has. */
  readonly sizes: Float64Array;
}

/** The kinds of `size` entries, told apart by their number in each column, and each of `alone` a kind of its own. */
export function kindsOf(size: number, columns: readonly Float64Array[], alone: readonly number[]): Kinds {
  let of: Int32Array = new Int32Array(size);
  let count = size === 0 ? 0 : 1;
  for (const column of columns) [of, count] = refine(of, column);
  const marks = new Float64Array(size);
  alone.forEach((entry, i) => {
    marks[entry] = i + 1;
  });
  if (alone.length > 0) [of, count] = refine(of, marks);
  const first = new Int32Array(count);
  const sizes = new Float64Array(count);
  for (let entry = size - 1; entry >= 0; entry--) {
    first[of[entry]] = entry;
    sizes[of[entry]]++;
  }
  return { of, first, sizes };
}

/** Each of `size` entries as a kind of its own. */
export function eachAlone(size: number): Kinds {
  const of = Int32Array.from({ length: size }, (_, entry) => entry);
  return { of, first: of, sizes: new Float64Array(size).fill(1) };
}

/** Splits kinds by a column, and counts them. */
function refine(of: Int32Array, column: Float64Array): [Int32Array, number] {
  const known = new Map<number, Map<number, number>>();
  let count = 0;
  const refined = of.map((kind, entry) => {
    const within = known.get(kind) ?? new Map<number, number>();
    known.set(kind, within);
    const value = column[entry];
    const seen = within.get(value);
    if (seen !== undefined) return seen;
    within.set(value, count);
    return count++;
  });
  return [refined, count];
}

/** The number of each kind in a column of the entries. */
export function byKind(column: Float64Array, { first }: Kinds): Float64Array {
  // A loop: this runs at each step of a schedule, and Float64Array.from calls a function for each kind.
  const values = new Float64Array(first.length);
  for (let kind = 0; kind < values.length; kind++) values[kind] = column[first[kind]];
  return values;
}
