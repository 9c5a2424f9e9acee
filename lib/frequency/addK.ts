import { finite } from "../loss/schedule.ts";
import { checkFrequencies, type Frequencies } from "./frequencies.ts";

/**
 * Add-k smoothing: every entry, seen or not, gets k tokens more, so that p = (c + k) / (N + k V).
 *
 * @param k a finite number of at least 0; 1 is Laplace's rule.
 * @throws LossError where k is negative or not finite.
 *
 * @example
 * ```ts
 * import { addK, fromCounts, pipe } from "lossmith";
 * import { expect } from "expect";
 *
 * expect([...pipe(fromCounts([3, 0]), addK(1)).counts]).toEqual([4, 1]);
 * ```
 */
export function addK(k: number): (frequencies: Frequencies) => Frequencies {
  finite(k, "addK(k)", { lowest: 0 });
  return (frequencies) => {
    checkFrequencies(frequencies, "addK");
    return { kind: "frequencies", counts: frequencies.counts.map((count) => count + k) };
  };
}
