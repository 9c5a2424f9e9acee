import { finite } from "../loss/schedule.ts";
import { backgroundShares, tokensOf } from "./background.ts";
import type { Frequencies } from "./frequencies.ts";

/** Options of `jelinekMercer`. */
export interface JelinekMercerOptions {
  /** The distribution to mix in, such as that of a larger corpus; the uniform one by default. */
  readonly background?: Frequencies;
}

/**
 * Jelinek–Mercer smoothing: p = lambda c / N + (1 − lambda) b, with N tokens and a background distribution b. The result is
 * in tokens, N p, so that the total stays N.
 *
 * @param lambda the share of the counts themselves, from 0 to 1.
 * @throws LossError where lambda is outside [0, 1], all counts are 0, or the background does not fit.
 *
 * Source: F. Jelinek and R. Mercer, Interpolated estimation of Markov source parameters from sparse data (1980).
 *
 * @example
 * ```ts
 * import { fromCounts, jelinekMercer, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * expect([...pipe(fromCounts([6, 2, 0, 0]), jelinekMercer(0.5)).counts]).toEqual([4, 2, 1, 1]);
 * const background = fromCounts([0, 0, 1, 3]);
 * expect([...pipe(fromCounts([6, 2, 0, 0]), jelinekMercer(0.5, { background })).counts]).toEqual([3, 1, 1, 3]);
 * ```
 */
export function jelinekMercer(
  lambda: number,
  options: JelinekMercerOptions = {},
): (frequencies: Frequencies) => Frequencies {
  finite(lambda, "jelinekMercer(lambda)", { lowest: 0, highest: 1 });
  return (frequencies) => {
    const total = tokensOf(frequencies, "jelinekMercer");
    const { counts } = frequencies;
    const shares = backgroundShares(options?.background, counts.length, "jelinekMercer({ background })");
    return {
      kind: "frequencies",
      counts: counts.map((count, id) => lambda * count + (1 - lambda) * total * shares[id]),
    };
  };
}
