import { LossError } from "../loss/error.ts";

/**
 * Kish's effective sample size of weighted tokens, as a share of their number: (Σ c w)² / (Σ c · Σ c w²), where entry id
 * occurs counts[id] times with weight weights[id]. 1 means that all tokens weigh the same; 0.04 that a gradient is as
 * noisy as if 4 of 100 tokens were there.
 *
 * @throws LossError where the lengths differ, or no counted token has a weight.
 *
 * Source: L. Kish, Survey Sampling (1965).
 *
 * @example
 * ```ts
 * import { effectiveSampleSize } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(effectiveSampleSize([1, 1], [9, 1])).toBe(1);
 * expect(effectiveSampleSize([0, 1], [9, 1])).toBeCloseTo(0.1, 12);
 * ```
 */
export function effectiveSampleSize(weights: ArrayLike<number>, counts: ArrayLike<number>): number {
  if (weights.length !== counts.length) {
    throw new LossError(
      "effectiveSampleSize",
      `${weights.length} weights for ${counts.length} counts`,
      "Give one of each for each entry of the vocabulary",
    );
  }
  let tokens = 0;
  let first = 0;
  let second = 0;
  for (let id = 0; id < weights.length; id++) {
    tokens += counts[id];
    first += counts[id] * weights[id];
    second += counts[id] * weights[id] ** 2;
  }
  if (!(tokens * second > 0)) {
    throw new LossError(
      "effectiveSampleSize",
      "no counted token has a weight",
      "Give weights and counts that meet above 0",
    );
  }
  return first ** 2 / (tokens * second);
}
