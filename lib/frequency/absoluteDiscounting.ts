import { LossError } from "../loss/error.ts";
import { finite } from "../loss/schedule.ts";
import { backgroundShares, tokensOf } from "./background.ts";
import type { Frequencies } from "./frequencies.ts";

/** Options of `absoluteDiscounting`. */
export interface AbsoluteDiscountingOptions {
  /**
   * What is taken from each count, from 0 to 1; by default n₁ / (n₁ + 2 n₂), with n₁ entries seen once and n₂ seen
   * twice.
   */
  readonly discount?: number;
  /** The distribution that gets what was taken; the uniform one by default. */
  readonly background?: Frequencies;
}

/**
 * Interpolated absolute discounting: max(c − d, 0) + D b, where D = Σ min(c, d) is what the discount d takes in all and b
 * is a background distribution. The total stays the same.
 *
 * @throws LossError where the discount is outside [0, 1], where it is to be estimated and no entry was seen once or
 * twice, where all counts are 0, and where the background does not fit.
 *
 * Source: Ney, Essen and Kneser, On structuring probabilistic dependences in stochastic language modelling (1994).
 *
 * @example
 * ```ts
 * import { absoluteDiscounting, fromCounts, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * // One entry seen once and one seen twice: d = 1/3, and the three seen entries give 1 token, 1/4 for each.
 * const { counts } = pipe(fromCounts([5, 2, 1, 0]), absoluteDiscounting());
 * [5, 2, 1, 1 / 3].forEach((c, id) => expect(counts[id]).toBeCloseTo(c - 1 / 3 + 1 / 4, 12));
 * ```
 */
export function absoluteDiscounting(
  options: AbsoluteDiscountingOptions = {},
): (frequencies: Frequencies) => Frequencies {
  const { discount, background } = options ?? {};
  if (discount !== undefined) finite(discount, "absoluteDiscounting({ discount })", { lowest: 0, highest: 1 });
  return (frequencies) => {
    tokensOf(frequencies, "absoluteDiscounting");
    const { counts } = frequencies;
    const d = discount ?? estimatedDiscount(counts);
    const taken = counts.reduce((sum, count) => sum + Math.min(count, d), 0);
    const shares = backgroundShares(background, counts.length, "absoluteDiscounting({ background })");
    return {
      kind: "frequencies",
      counts: counts.map((count, id) => Math.max(count - d, 0) + taken * shares[id]),
    };
  };
}

function estimatedDiscount(counts: Float64Array): number {
  const seen = (times: number): number =>
    counts.reduce((entries, count) => (count === times ? entries + 1 : entries), 0);
  const [once, twice] = [seen(1), seen(2)];
  if (once + twice > 0) return once / (once + 2 * twice);
  throw new LossError(
    "absoluteDiscounting",
    "no entry was seen once or twice, so that the discount cannot be estimated",
    "Give { discount }",
  );
}
