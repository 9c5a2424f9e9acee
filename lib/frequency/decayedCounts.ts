import { LossError } from "../loss/error.ts";
import { wholeNumber } from "../loss/numbers.ts";
import { at, finite, lift, type Numeric } from "../loss/schedule.ts";
import { countTokens } from "./countTokens.ts";
import { checkFrequencies, type Frequencies } from "./frequencies.ts";

/** Options of `decayedCounts`. */
export interface DecayedCountsOptions {
  /**
   * What each update leaves of the counts before it, from 0 to 1: 0.99 remembers about a hundred updates. A schedule is
   * one over the updates.
   */
  readonly decay: Numeric;
  /** A count that has decayed below this is forgotten: its entry was never seen. 0.5 by default, 0 forgets nothing. */
  readonly forget?: number;
  /** A label that is not a token and is not counted; −100 by default. */
  readonly ignoreIndex?: number;
  /** How many updates there were before, for a run that is resumed: a whole number, 0 by default. */
  readonly updates?: number;
}

/** Counts that are updated while training, and decay. */
export interface DecayedCounts {
  readonly kind: "decayed counts";
  /** How many updates there were. */
  readonly version: number;
  /** The options that they were made with. */
  readonly options: Omit<DecayedCountsOptions, "updates">;
  /** The counts as they are now, which later updates do not reach. */
  frequencies(): Frequencies;
  /** Lets the counts decay once, and adds the tokens of a batch or counts of your own. */
  update(tokens: Iterable<number> | Frequencies): void;
}

/**
 * Counts of the tokens that were trained on lately, for `freqWeights`: each update leaves `decay` of the counts and adds
 * those of a batch. Up to a factor of 1 − decay that is their exponential moving average. A loss sees the counts as they
 * are when it is called: update them between steps, or first in one. `lossToJSON` writes such a loss with their state.
 *
 * A count decays for ever without reaching 0, and would give a law such as `inverseFrequency` no bounds; so one below
 * `forget` becomes 0, to which `freqWeights`' policy for unseen entries applies.
 *
 * @param start the counts to start from; `fromCounts(new Uint32Array(vocabSize))` for none.
 * @throws LossError where the decay is outside [0, 1], forget is negative, updates is no whole number, and, in `update`, for an id outside the
 * vocabulary, or counts of another one.
 *
 * @example
 * ```ts
 * import { crossEntropy, decayedCounts, evaluate, freqWeights, fromCounts, inverseFrequency, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const lately = decayedCounts(fromCounts([4, 4]), { decay: 0.5 });
 * const loss = pipe(crossEntropy, freqWeights(lately), inverseFrequency(1), sum);
 * const batch = { logits: [[0, 0]], labels: [0] };
 * expect(evaluate(loss, batch)).toBeCloseTo(Math.log(2) / 4, 12);
 * lately.update([0, 0, 0, 1]);
 * expect([...lately.frequencies().counts]).toEqual([5, 3]);
 * expect(evaluate(loss, batch)).toBeCloseTo(Math.log(2) / 5, 12);
 * ```
 */
export function decayedCounts(start: Frequencies, options: DecayedCountsOptions): DecayedCounts {
  checkFrequencies(start, "decayedCounts");
  const { decay, forget = 0.5, ignoreIndex, updates = 0 } = options ?? {};
  const kept = lift(decay, "decayedCounts({ decay })", { lowest: 0, highest: 1 });
  finite(forget, "decayedCounts({ forget })", { lowest: 0 });
  const vocabSize = start.counts.length;
  let { counts } = start;
  let version = wholeNumber(updates, "decayedCounts({ updates })");
  const countsOf = (tokens: Iterable<number> | Frequencies): Frequencies => {
    if (typeof tokens === "object" && tokens !== null && "kind" in tokens) {
      checkFrequencies(tokens, "update");
      if (tokens.counts.length === vocabSize) return tokens;
      throw new LossError(
        "update",
        `got counts of ${tokens.counts.length} entries for a vocabulary of ${vocabSize}`,
        "Count with the same tokenizer and vocabSize",
      );
    }
    return countTokens(tokens, { vocabSize, ...(ignoreIndex === undefined ? {} : { ignoreIndex }) });
  };
  return {
    kind: "decayed counts",
    options: { decay, forget, ...(ignoreIndex === undefined ? {} : { ignoreIndex }) },
    get version() {
      return version;
    },
    frequencies: () => ({ kind: "frequencies", counts: counts.slice() }),
    update: (tokens) => {
      const added = countsOf(tokens).counts;
      const factor = at(kept, version);
      // A new array each time: what has read the old one may keep it.
      counts = counts.map((count, id) => {
        const sum = factor * count + added[id];
        return sum < forget ? 0 : sum;
      });
      version++;
    },
  };
}
