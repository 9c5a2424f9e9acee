import { LossError } from "../loss/error.ts";
import { finite } from "../loss/schedule.ts";
import { tokensOf } from "./background.ts";
import type { Frequencies } from "./frequencies.ts";

/** Options of `goodTuring`. */
export interface GoodTuringOptions {
  /**
   * By how many standard deviations a raw estimate has to differ from the smoothed one to be used in its place; 1.96 by
   * default, for a significance of 0.05. Gale's own program has 1.65, for 0.1.
   */
  readonly confidence?: number;
}

/**
 * Simple Good–Turing smoothing. With N tokens and N_r entries seen r times, entries that were never seen share N_1 / N of
 * the whole, evenly; those seen r times count as r* = (r + 1) N_{r+1} / N_r, where N_r is taken from a line through
 * log N_r over log r as soon as the raw N_r tell no more than it, and are scaled to fill the rest.
 *
 * The result is in tokens, with a total of N; where every entry was seen the share of the unseen is left out of it.
 * Entries get nothing for being unseen where no entry was seen once.
 *
 * @throws LossError where a count is not whole, or fewer than two different counts occur.
 *
 * Source: W. Gale and G. Sampson, Good–Turing frequency estimation without tears (1995).
 *
 * @example
 * ```ts
 * import { fromCounts, goodTuring, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * const counted = fromCounts([1, 1, 2, 3, 4, 4, 4, 5, 5, 6, 6, 6, 7, 7, 8, 9, 10, 0]);
 * const { counts } = pipe(counted, goodTuring());
 * expect(counts[0] / 88).toBeCloseTo(0.0176498, 7);
 * expect(counts[17] / 88).toBeCloseTo(0.0227273, 7);
 * ```
 */
export function goodTuring(options: GoodTuringOptions = {}): (frequencies: Frequencies) => Frequencies {
  const confidence = finite(options?.confidence ?? 1.96, "goodTuring({ confidence })", { lowest: 0 });
  return (frequencies) => {
    const total = tokensOf(frequencies, "goodTuring");
    const entries = entriesByCount(frequencies.counts);
    const unseen = entries.get(0) ?? 0;
    entries.delete(0);
    const unseenShare = (entries.get(1) ?? 0) / total;
    const estimates = reestimate(entries, confidence);
    const sum = [...entries].reduce((all, [r, n]) => all + n * (estimates.get(r) as number), 0);
    const seenScale = (total * (1 - unseenShare)) / sum;
    const ofUnseen = unseen === 0 ? 0 : (total * unseenShare) / unseen;
    return {
      kind: "frequencies",
      counts: frequencies.counts.map((r) => (r === 0 ? ofUnseen : seenScale * (estimates.get(r) as number))),
    };
  };
}

/** N_r by r, in ascending order of r. */
function entriesByCount(counts: Float64Array): Map<number, number> {
  const entries = new Map<number, number>();
  counts.forEach((count, id) => {
    if (!Number.isInteger(count)) {
      throw new LossError(
        "goodTuring",
        `the count of id ${id} is ${count}`,
        "Give whole counts, before other smoothing",
      );
    }
    entries.set(count, (entries.get(count) ?? 0) + 1);
  });
  return new Map([...entries].sort(([a], [b]) => a - b));
}

/** r* by r. */
function reestimate(entries: ReadonlyMap<number, number>, confidence: number): ReadonlyMap<number, number> {
  const slope = slopeOfLogs(entries);
  const estimates = new Map<number, number>();
  let raw = true;
  for (const [r, n] of entries) {
    const smoothed = (r + 1) * ((r + 1) / r) ** slope;
    const above = entries.get(r + 1);
    if (raw && above !== undefined) {
      const turing = ((r + 1) * above) / n;
      const deviation = ((r + 1) / n) * Math.sqrt(above * (1 + above / n));
      raw = Math.abs(turing - smoothed) > confidence * deviation;
      estimates.set(r, raw ? turing : smoothed);
    } else {
      // Once the line is used, it is for all larger counts.
      raw = false;
      estimates.set(r, smoothed);
    }
  }
  return estimates;
}

/** The slope of the line through log Z_r over log r, with Z_r = N_r spread over the gap between its neighbours. */
function slopeOfLogs(entries: ReadonlyMap<number, number>): number {
  const rs = [...entries.keys()];
  if (rs.length < 2) {
    throw new LossError(
      "goodTuring",
      `every entry that was seen was seen ${rs[0]} times, and a line needs two different counts`,
      "Count a larger corpus, or use addK(1)",
    );
  }
  const points = rs.map((r, i) => {
    const below = i === 0 ? 0 : rs[i - 1];
    const next = i === rs.length - 1 ? 2 * r - below : rs[i + 1];
    return [Math.log(r), Math.log((2 * (entries.get(r) as number)) / (next - below))] as const;
  });
  const mean = (axis: 0 | 1): number => points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  const covariance = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return covariance / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}
