import { type LawCombinator, law } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { add, constant, divide, type Expression, unary } from "../loss/expression.ts";
import type { VocabularyAtom } from "../loss/field.ts";
import { count, overVocabulary } from "../loss/language.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";
import { seenCount } from "./seenCount.ts";

/** Options of `idf`. */
export interface IdfOptions {
  /** true (default): as if there were one more document, which holds every entry once. */
  readonly smooth?: boolean;
  /**
   * The number of documents n, where the counts are numbers of documents. By default each token is a document of its
   * own: n is the sum of the counts.
   */
  readonly documents?: Numeric;
}

/**
 * Inverse document frequency, for an entry that c of n documents hold: log((1 + n) / (1 + c)) + 1, or
 * log(n / c) + 1 where not smooth.
 *
 * It reads the raw counts, whatever laws came before. Smoothed, an entry that was never seen weighs log(1 + n) + 1;
 * otherwise it counts as seen once.
 *
 * @throws LossError for a bad option, for a field without counts, and, for a batch, where more documents hold an entry
 * than there are, so that a weight is negative.
 *
 * Source: scikit-learn's `TfidfTransformer`, K. Spärck Jones, A statistical interpretation of term specificity (1972).
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, freqWeights, fromCounts, idf, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const held = freqWeights(fromCounts([6, 1, 2]));
 * const loss = pipe(crossEntropy, held, idf({ documents: 6 }), sum);
 * const weight = (label: number) => evaluate(loss, { logits: [[0, 0, 0]], labels: [label] }) / Math.log(3);
 * expect(weight(0)).toBeCloseTo(1, 12);
 * expect(weight(1)).toBeCloseTo(2.252762968495368, 12);
 * ```
 */
export function idf(options: IdfOptions = {}): LawCombinator {
  const { smooth = true, documents } = options ?? {};
  if (typeof smooth !== "boolean") {
    throw new LossError("idf({ smooth })", `got ${String(smooth)}`, "Give true or false");
  }
  const n: Expression<VocabularyAtom> =
    documents === undefined
      ? overVocabulary("sum", count)
      : lift(documents, "idf({ documents })", { lowest: Number.MIN_VALUE });
  const one = constant(1);
  const ratio = smooth ? divide(add<VocabularyAtom>(one, n), add<VocabularyAtom>(one, count)) : divide(n, seenCount);
  const shown = [
    ...(smooth ? [] : ["smooth: false"]),
    ...(documents === undefined ? [] : [`documents: ${showNumeric(documents)}`]),
  ];
  return law({
    name: `idf(${shown.length === 0 ? "" : `{ ${shown.join(", ")} }`})`,
    map: add(unary("log", ratio), one),
  });
}
