/** What laws read of all counts together. Counts are never written in place, so each is computed once. */

const known = new WeakMap<Float64Array, { readonly ranks: Float64Array; readonly median: number }>();

/** The rank of each entry by its count: 1 for the largest, and the mean of their ranks for equal counts. */
export function ranksOf(counts: Float64Array): Float64Array {
  return ranked(counts).ranks;
}

/** The median of the counts above 0; NaN where there are none. */
export function medianOfSeen(counts: Float64Array): number {
  return ranked(counts).median;
}

function ranked(counts: Float64Array): { readonly ranks: Float64Array; readonly median: number } {
  const result = known.get(counts) ?? rank(counts);
  known.set(counts, result);
  return result;
}

function rank(counts: Float64Array): { readonly ranks: Float64Array; readonly median: number } {
  const ascending = counts.slice().sort();
  const size = ascending.length;
  const rankOf = new Map<number, number>();
  for (let start = 0; start < size; ) {
    const count = ascending[start];
    let end = start;
    while (end < size && ascending[end] === count) end++;
    // The places from the top, size − end + 1 to size − start.
    rankOf.set(count, size - (start + end - 1) / 2);
    start = end;
  }
  const seen = ascending.subarray(ascending.findIndex((count) => count > 0));
  const middle = seen.length / 2;
  const median = (seen[Math.ceil(middle) - 1] + seen[Math.floor(middle)]) / 2;
  return {
    ranks: counts.map((count) => rankOf.get(count) as number),
    median: ascending[size - 1] > 0 ? median : Number.NaN,
  };
}
