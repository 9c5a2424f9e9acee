import { type LawCombinator, law } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { add, constant, divide, type Expression, multiply, subtract, unary } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { medianCount, overVocabulary } from "../loss/language.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";
import { seenCount } from "./seenCount.ts";

/** Options of `tlat`. */
export interface TlatOptions {
  /** How fast the weights fall with the count, at least 0; 1.75 by default. */
  readonly t?: Numeric;
}

type E = Expression<VocabularyAtom>;

const relative: E = divide(seenCount, medianCount);

/** v, given exp(−t n). */
const forms = {
  exponential: (decay: E): E => decay,
  k2: (decay: E): E => multiply(multiply(relative, relative), decay),
} as const satisfies Record<string, (decay: E) => E>;

/**
 * The weights of token-level adaptive training (TLAT): 1 + (e − 1) v / max v, from 1 to e, with n = c / median c and
 * - "exponential": v = exp(−t n), the more the rarer;
 * - "k2" (chi-square): v = n² exp(−t n), the most at 2 / t medians, so that the rarest, often noise, weigh little.
 *
 * It reads the raw counts, whatever laws came before. The median is of the entries that were seen; one that was not
 * counts as seen once.
 *
 * @throws LossError for another form, where t is negative or not finite, and for a field without counts.
 *
 * Source: Gu et al., arXiv 2010.04380, and its code, which at random weighs a tenth of the tokens by 1; this does not.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, pipe, sum, tlat } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, freqWeights(fromCounts([1, 2, 3])), tlat("exponential", { t: 1 }), sum);
 * const weight = (label: number) => evaluate(loss, { logits: [[0, 0, 0]], labels: [label] }) / Math.log(3);
 * expect(weight(0)).toBeCloseTo(Math.E, 12);
 * expect(weight(2)).toBeCloseTo(1 + (Math.E - 1) * Math.exp(-1), 12);
 * ```
 */
export function tlat(form: "exponential" | "k2", options: TlatOptions = {}): LawCombinator {
  if (!Object.hasOwn(forms, form)) {
    throw new LossError("tlat(form)", `got ${String(form)}`, 'Give "exponential" or "k2"');
  }
  const { t = 1.75 } = options ?? {};
  const rate = lift(t, "tlat({ t })", { lowest: 0 });
  const v = forms[form](unary("exp", subtract(constant(0), multiply<VocabularyAtom>(rate, relative))));
  return law({
    name: `tlat("${form}", { t: ${showNumeric(t)} })`,
    map: add(constant(1), multiply(constant(Math.E - 1), divide(v, overVocabulary("max", v)))),
  });
}
