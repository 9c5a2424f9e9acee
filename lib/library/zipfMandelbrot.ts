import { type LawCombinator, law } from "../loss/combinator.ts";
import { add, constant, pow, subtract } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { rank } from "../loss/language.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/** Options of `zipfMandelbrot`. */
export interface ZipfMandelbrotOptions {
  /** The exponent; 1 by default. */
  readonly s?: Numeric;
  /** The shift of the ranks, at least 0; 2.7 by default, 0 is Zipf's law. */
  readonly q?: Numeric;
}

/**
 * The Zipf–Mandelbrot law by rank: the entry of rank r becomes (r + q)^−s, with r = 1 for the most frequent. That is an
 * idealised frequency, up to a factor, so it falls with the rank: let a decay such as `powerLaw(alpha)` follow, or give a
 * negative s, for weights that favour rare entries.
 *
 * It reads the ranks of the raw counts, whatever laws came before. Entries of one count share the mean of their ranks.
 *
 * @throws LossError where q is negative, a parameter is not finite, and for a field without counts.
 *
 * Source: B. Mandelbrot, An informational theory of the statistical structure of language (1953); the defaults as in S.
 * T. Piantadosi, Zipf's word frequency law in natural language (2014).
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, pipe, powerLaw, sum, zipfMandelbrot } from "lossmith";
 * import { expect } from "expect";
 *
 * const ranked = pipe(crossEntropy, freqWeights(fromCounts([5, 900, 1])), zipfMandelbrot({ s: 1, q: 2 }));
 * const batch = { logits: [[0, 0, 0]], labels: [0] };
 * // The second most frequent of the three.
 * expect(evaluate(pipe(ranked, sum), batch)).toBeCloseTo(Math.log(3) / 4, 12);
 * expect(evaluate(pipe(ranked, powerLaw(1, { epsilon: 0 }), sum), batch)).toBeCloseTo(4 * Math.log(3), 12);
 * ```
 */
export function zipfMandelbrot(options: ZipfMandelbrotOptions = {}): LawCombinator {
  const { s = 1, q = 2.7 } = options ?? {};
  const exponent = lift(s, "zipfMandelbrot({ s })");
  const shift = lift(q, "zipfMandelbrot({ q })", { lowest: 0 });
  return law({
    name: `zipfMandelbrot({ s: ${showNumeric(s)}, q: ${showNumeric(q)} })`,
    map: pow<VocabularyAtom>(add<VocabularyAtom>(rank, shift), subtract(constant(0), exponent)),
  });
}
