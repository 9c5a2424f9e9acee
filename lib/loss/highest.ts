/**
 * Which rows of a batch are the highest: as many as the share's part of the valid rows, to the nearest whole number, and one
 * at least where there is one. Of rows that tie for the last places the first in the batch have them. NaN counts as the
 * highest of all, so that none is passed over in silence.
 */

/** How many of `valid` rows a share of them is. */
export function countOfShare(share: number, valid: number): number {
  return Math.min(valid, Math.max(1, Math.floor(share * valid + half)));
}

/** Half of the rows of an odd number are rounded up, whichever way share · valid was rounded. */
export const half: number = 0.5 + 1e-5;

/** 1 for the highest of the valid rows, 0 for the others. */
export function highestRows(
  values: ArrayLike<number>,
  isValid: (row: number) => boolean,
  share: number,
): Float32Array<ArrayBuffer> {
  const size = (row: number): number => (Number.isNaN(values[row]) ? Number.POSITIVE_INFINITY : values[row]);
  const rows = Int32Array.from({ length: values.length }, (_, row) => row).filter(isValid);
  const chosen = new Float32Array(values.length);
  if (rows.length === 0) return chosen;
  const sizes = Float64Array.from(rows, size).sort();
  const count = countOfShare(share, rows.length);
  const lowest = sizes[rows.length - count];
  let level = count;
  for (const row of rows) if (size(row) > lowest) level--;
  for (const row of rows) {
    if (size(row) > lowest) chosen[row] = 1;
    else if (size(row) === lowest && level > 0) {
      chosen[row] = 1;
      level--;
    }
  }
  return chosen;
}
