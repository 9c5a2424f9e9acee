/** Adds `values` to the entries of rows of a width at their ids, so many a row; nothing where an id is −1. */
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
