import { expect } from "bun:test";
import { distance, flat } from "./distance.ts";

export { distance, flat };

/** Expects two nested arrays to agree up to `tolerance` times the largest expected entry. */
export function expectClose(actual: unknown, expected: unknown, tolerance: number): void {
  expect(distance(flat(actual), flat(expected))).toBeLessThanOrEqual(tolerance);
}
