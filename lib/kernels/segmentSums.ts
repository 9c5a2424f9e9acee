/** The array types that kernels of ours read and write. */
export type Values = Float32Array | Int32Array | Uint8Array;

/**
 * Adds row i of `values`, of the given width, to row ids[i] of `sums`. Negative ids are dropped, as in TensorFlow; ids
 * outside are an error.
 */
export function addSegments(values: Values, ids: Values, width: number, sums: Values): void {
  const segments = width === 0 ? Number.POSITIVE_INFINITY : sums.length / width;
  for (let row = 0; row < ids.length; row++) {
    const id = ids[row];
    if (id < 0) continue;
    if (id >= segments) throw new Error(`UnsortedSegmentSum: id ${id} is not below ${segments}`);
    for (let j = 0, from = row * width, to = id * width; j < width; j++) sums[to + j] += values[from + j];
  }
}
