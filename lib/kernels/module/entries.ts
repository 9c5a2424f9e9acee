/** Entries of rows of a width at some ids of each row, where the host has them in memory. */

/** Copies them, so many a row; 0 where an id is −1. */
export function copyEntries(from: Float32Array, width: number, ids: Int32Array, to: Float32Array, each: number): void {
  for (let i = 0; i < ids.length; i++) to[i] = ids[i] < 0 ? 0 : from[Math.floor(i / each) * width + ids[i]];
}

/** Adds `values` to them; nothing where an id is −1. */
export function addEntries(
  into: Float32Array,
  width: number,
  ids: Int32Array,
  values: Float32Array,
  each: number,
): void {
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] >= 0) into[Math.floor(i / each) * width + ids[i]] += values[i];
  }
}
