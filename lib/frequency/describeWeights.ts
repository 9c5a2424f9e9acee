import { LossError } from "../loss/error.ts";
import { evaluateField } from "../loss/field.ts";
import { type AnyLoss, checkLoss } from "../loss/loss.ts";
import { finite } from "../loss/schedule.ts";
import { showField } from "../loss/show.ts";
import { type Band, bandsOf, rankedIds } from "./describeCounts.ts";
import { effectiveSampleSize } from "./effectiveSampleSize.ts";
import { type Warning, weightWarnings } from "./weightWarnings.ts";

/** A smallest and a largest weight. */
export interface WeightRange {
  readonly lowest: number;
  readonly highest: number;
}

/** What can be read off a field, its laws and its counts. Shares are from 0 to 1. */
export interface WeightsDescription {
  /** The field and its laws: powerLaw(0.5) ∘ freqWeights. */
  readonly name: string;
  readonly entries: number;
  readonly weights: WeightRange;
  /** The weights of the entries that were seen; null where the field has no counts, or none was. */
  readonly ofSeen: WeightRange | null;
  /** The weights of the entries that were never seen; null where there are none. */
  readonly ofUnseen: WeightRange | null;
  readonly unseen: number;
  /** See `effectiveSampleSize`; null where it is not defined. */
  readonly effectiveSampleSize: number | null;
  /** Bands of ranks, with the share of the tokens, that of the weighted mass Σ c w, and the weights. */
  readonly bands: readonly (Band & { readonly mass: number; readonly weights: WeightRange })[];
  readonly special: readonly {
    readonly name: string;
    readonly id: number;
    readonly count: number;
    readonly weight: number;
    /** Its weight over that of the mean token. */
    readonly timesMean: number;
    readonly mass: number;
  }[];
  readonly warnings: readonly Warning[];
}

/** Options of `describeWeights`. */
export interface DescribeWeightsOptions {
  /** The step at which schedules are evaluated; 0 by default. */
  readonly step?: number;
  /** The ids of special tokens by name, such as `counts.vocabulary.special`. */
  readonly special?: Readonly<Record<string, number>>;
}

/**
 * Describes the weights that a loss's laws make of its counts: their range, the effective sample size, the share of the
 * weighted mass by bands of ranks, what entries that were never seen and special tokens get, and what would ruin a
 * run, with the remedy.
 *
 * @param loss a loss with a weight field; the one that was attached last is described.
 * @throws LossError for a loss without a weight field, and for weights that are negative or not finite.
 *
 * @example
 * ```ts
 * import { crossEntropy, freqWeights, pipe, powerLaw } from "lossmith";
 * import { describeWeights, fromCounts } from "lossmith/frequency";
 * import { expect } from "expect";
 *
 * const pdl = pipe(crossEntropy, freqWeights(fromCounts([900, 90, 10, 0])), powerLaw(1));
 * const { weights, bands, effectiveSampleSize: share } = describeWeights(pdl);
 * expect(weights.highest).toBeCloseTo(1, 6);
 * expect(bands[0].mass).toBe(1);
 * expect(share).toBeCloseTo(3 ** 2 / (1000 * (1 / 900 + 1 / 90 + 1 / 10)), 6);
 * ```
 */
export function describeWeights(loss: AnyLoss, options: DescribeWeightsOptions = {}): WeightsDescription {
  const step = finite(options.step ?? 0, "describeWeights({ step })", { lowest: 0 });
  checkLoss(loss, "describeWeights");
  const field = loss.focus;
  if (field === null) {
    throw new LossError("describeWeights", "the loss has no weight field", "Attach one: freqWeights(frequencies)");
  }
  const weights = evaluateField(field, step);
  const { counts } = field.source;
  const special = Object.entries(options.special ?? {});
  for (const [name, id] of special) {
    if (Number.isInteger(id) && id >= 0 && id < weights.length) continue;
    throw new LossError(
      "describeWeights({ special })",
      `"${name}" has the id ${String(id)}`,
      `Give ids from 0 to ${weights.length - 1}`,
    );
  }
  const nameOf = (id: number): string => {
    const name = special.find(([, of]) => of === id)?.[0];
    return name === undefined ? `id ${id}` : `${name} (id ${id})`;
  };
  const ranked = counts === null ? new Int32Array(0) : rankedIds(counts);
  const sum = (of: (id: number) => number): number => ranked.reduce((total, id) => total + of(id), 0);
  const tokens = sum((id) => counts?.[id] ?? 0);
  const mass = sum((id) => (counts?.[id] ?? 0) * weights[id]);
  const share = (part: number, whole: number): number => (whole > 0 ? part / whole : 0);
  const all = [...weights.keys()];
  const unseen = counts === null ? [] : all.filter((id) => counts[id] === 0);
  return {
    name: showField(field),
    entries: weights.length,
    weights: rangeOf(weights, all) as WeightRange,
    ofSeen: rangeOf(weights, ranked),
    ofUnseen: rangeOf(weights, unseen),
    unseen: unseen.length,
    effectiveSampleSize: counts !== null && mass > 0 ? effectiveSampleSize(weights, counts) : null,
    bands: bandsOf(ranked).map(({ first, last, ids }) => ({
      first,
      last,
      share: share(
        ids.reduce((total, id) => total + (counts?.[id] ?? 0), 0),
        tokens,
      ),
      mass: share(
        ids.reduce((total, id) => total + (counts?.[id] ?? 0) * weights[id], 0),
        mass,
      ),
      weights: rangeOf(weights, ids) as WeightRange,
    })),
    special: special.map(([name, id]) => {
      const count = counts?.[id] ?? 0;
      const timesMean = mass > 0 ? (weights[id] * tokens) / mass : Number.NaN;
      return { name, id, count, weight: weights[id], timesMean, mass: share(count * weights[id], mass) };
    }),
    warnings: weightWarnings(weights, counts, nameOf),
  };
}

function rangeOf(weights: Float64Array, ids: ArrayLike<number>): WeightRange | null {
  if (ids.length === 0) return null;
  let [lowest, highest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < ids.length; i++) {
    lowest = Math.min(lowest, weights[ids[i]]);
    highest = Math.max(highest, weights[ids[i]]);
  }
  return { lowest, highest };
}
