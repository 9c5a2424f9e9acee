import { checkFrequencies, type Frequencies, totalCount } from "../frequency/frequencies.ts";
import { type Keep, keep } from "../loss/combinator.ts";
import { LossError } from "../loss/error.ts";
import { add, atom, multiply, unary } from "../loss/expression.ts";
import { mapViews } from "../loss/loss.ts";
import { lift, type Numeric } from "../loss/schedule.ts";
import type { BiasAtom } from "../loss/view.ts";

/**
 * Logit adjustment: adds tau · log π_c to the logit of class c in every term built so far, with π the relative
 * frequencies. Terms added later read the plain logits, in the same pass.
 *
 * @param frequencies counts, each above 0 (see `addK`).
 * @param tau 1 by default.
 * @throws LossError where a class was never counted, and where tau is not finite.
 *
 * Source: Menon et al., arXiv 2007.07314.
 *
 * @example
 * ```ts
 * import { crossEntropy, evaluate, fromCounts, logitAdjustment, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, logitAdjustment(fromCounts([3, 1])));
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [1] })).toBeCloseTo(Math.log(4), 12);
 * ```
 */
export function logitAdjustment(frequencies: Frequencies, tau: Numeric = 1): Keep {
  return adjustByPriors("logitAdjustment", frequencies, tau);
}

/** The same under another name. */
export function adjustByPriors(name: string, frequencies: Frequencies, tau: Numeric): Keep {
  checkFrequencies(frequencies, name);
  const unseen = frequencies.counts.indexOf(0);
  if (unseen >= 0) {
    throw new LossError(name, `class ${unseen} was never counted`, "Smooth the counts first, with addK(1)");
  }
  const total = totalCount(frequencies);
  const values = frequencies.counts.map((count) => count / total);
  const source = { name: "relative frequencies", values, counts: frequencies.counts };
  const log = unary<BiasAtom>("log", atom({ kind: "weight", field: { source, laws: [] } }));
  const strength = lift(tau, `${name}(tau)`);
  return keep(name, (loss) =>
    mapViews(loss, (view) => ({ ...view, bias: add(view.bias, multiply<BiasAtom>(strength, log)) })),
  );
}
