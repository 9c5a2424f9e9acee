/** How far numbers are from what they should be, in any runtime. */

/** All numbers in nested arrays, in order. */
export function flat(nested: unknown): number[] {
  return Array.isArray(nested) ? nested.flatMap(flat) : [nested as number];
}

/**
 * The largest distance between two lists of numbers, relative to the largest entry of `expected`, or to `atLeast` where
 * that is larger: the size of parts whose difference the numbers are.
 */
export function distance(actual: readonly number[], expected: readonly number[], atLeast = 0): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} numbers in place of ${expected.length}`);
  let size = 0;
  let error = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(actual[i], expected[i]) || actual[i] === expected[i]) continue;
    size = Math.max(size, Math.abs(expected[i]));
    error = Math.max(error, Number.isFinite(actual[i] - expected[i]) ? Math.abs(actual[i] - expected[i]) : Infinity);
  }
  const largest = expected.reduce(
    (max, x) => (Number.isFinite(x) ? Math.max(max, Math.abs(x)) : max),
    Math.max(size, atLeast),
  );
  return error === 0 ? 0 : error / largest;
}
