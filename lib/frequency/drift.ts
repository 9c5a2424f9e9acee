import { LossError } from "../loss/error.ts";
import type { DecayedCounts } from "./decayedCounts.ts";
import { checkFrequencies, type Frequencies, totalCount } from "./frequencies.ts";

/** How far two distributions of tokens are apart. */
export interface Drift {
  /** Jensen–Shannon divergence in nats, from 0 to log 2: ½ KL(p ‖ m) + ½ KL(q ‖ m) with m = ½ (p + q). */
  readonly jensenShannon: number;
  /** Total variation, from 0 to 1: ½ Σ |p − q|, the share of tokens that would have to be others. */
  readonly totalVariation: number;
  /** The share of the tokens that were trained on lately, from 0 to 1, that the stored counts never saw. */
  readonly unseen: number;
}

/**
 * How far the tokens that are trained on have drifted from the stored counts that the weights are made of. A number to
 * log while training: where it grows, the weights are of another corpus.
 *
 * @param lately counts of what is trained on: `decayedCounts`, or any frequencies.
 * @throws LossError where the vocabularies differ in size, or one of the two has counted nothing.
 *
 * Source of the divergence: J. Lin, Divergence measures based on the Shannon entropy (1991).
 *
 * @example
 * ```ts
 * import { decayedCounts, drift, fromCounts } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * const stored = fromCounts([6, 2, 0]);
 * const lately = decayedCounts(stored, { decay: 0.5 });
 * expect(drift(lately, stored)).toEqual({ jensenShannon: 0, totalVariation: 0, unseen: 0 });
 * lately.update([2, 2, 2, 2]);
 * const { totalVariation, unseen } = drift(lately, stored);
 * expect([totalVariation, unseen]).toEqual([0.5, 0.5]);
 * ```
 */
export function drift(lately: Frequencies | DecayedCounts, stored: Frequencies): Drift {
  const current = lately?.kind === "decayed counts" ? lately.frequencies() : lately;
  checkFrequencies(current, "drift(lately)");
  checkFrequencies(stored, "drift(stored)");
  const [ofLately, ofStored] = [current.counts, stored.counts];
  if (ofLately.length !== ofStored.length) {
    throw new LossError(
      "drift",
      `counts of ${ofLately.length} entries beside ones of ${ofStored.length}`,
      "Count both with the same tokenizer and vocabSize",
    );
  }
  const [tokens, storedTokens] = [totalCount(current), totalCount(stored)];
  if (!(tokens > 0 && storedTokens > 0)) {
    const which = tokens > 0 ? "the stored counts" : "the counts of what was trained on lately";
    throw new LossError("drift", `${which} are all 0`, "Count something first");
  }
  let [divergence, variation, unseen] = [0, 0, 0];
  for (let id = 0; id < ofLately.length; id++) {
    const [p, q] = [ofLately[id] / tokens, ofStored[id] / storedTokens];
    const mean = (p + q) / 2;
    divergence += term(p, mean) + term(q, mean);
    variation += Math.abs(p - q) / 2;
    if (q === 0) unseen += p;
  }
  return { jensenShannon: Math.max(0, divergence), totalVariation: variation, unseen };
}

function term(share: number, mean: number): number {
  return share > 0 ? (share / 2) * Math.log(share / mean) : 0;
}
