import { finite } from "../loss/schedule.ts";
import { checkFrequencies, type Frequencies } from "./frequencies.ts";

/**
 * Raises every count below k to k: c ↦ max(c, k). An entry that was never seen counts as seen k times.
 *
 * @param k a finite number of at least 0; 1 by default.
 * @throws LossError where k is negative or not finite.
 *
 * @example
 * ```ts
 * import { floor, fromCounts, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * expect([...pipe(fromCounts([9, 2, 0]), floor(3)).counts]).toEqual([9, 3, 3]);
 * ```
 */
export function floor(k = 1): (frequencies: Frequencies) => Frequencies {
  finite(k, "floor(k)", { lowest: 0 });
  return (frequencies) => {
    checkFrequencies(frequencies, "floor");
    return { kind: "frequencies", counts: frequencies.counts.map((count) => Math.max(count, k)) };
  };
}
