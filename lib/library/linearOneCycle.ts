import { LossError } from "../loss/error.ts";
import { named } from "../loss/expression.ts";
import { finite, type Schedule } from "../loss/schedule.ts";
import { interpolate } from "./interpolate.ts";
import { type OneCycleOptions, readOneCycle, share } from "./oneCycle.ts";

/** Options of `linearOneCycle`. */
export interface LinearOneCycleOptions extends OneCycleOptions {
  /** The share of the steps after which the value is back at its start, from pctStart to 1; 0.85 by default. */
  readonly pctFinal?: number;
}

/**
 * One cycle of three straight lines: from peak / divFactor at step 0 up to peak at step ⌊pctStart · steps⌋, down to
 * peak / divFactor at step ⌊pctFinal · steps⌋, and on to peak / (divFactor · finalDivFactor) at `steps` and after it.
 * Where these steps fall together the later value counts.
 *
 * @throws LossError where an option is not finite, steps or a factor is not above 0, or the shares are not in order
 * between 0 and 1.
 *
 * Source: optax's `linear_onecycle_schedule`; Smith and Topin, arXiv 1708.07120.
 *
 * @example
 * ```ts
 * import { at, linearOneCycle } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = linearOneCycle({ steps: 100, peak: 50 });
 * expect([0, 15, 30, 85].map((t) => at(schedule, t))).toEqual([2, 26, 50, 2]);
 * expect(at(schedule, 100)).toBeCloseTo(2e-4, 12);
 * ```
 */
export function linearOneCycle(options: LinearOneCycleOptions): Schedule {
  const { steps, peak, pctStart, init, end } = readOneCycle(options, "linearOneCycle");
  const pctFinal = finite(options.pctFinal ?? 0.85, "linearOneCycle({ pctFinal })", share);
  if (pctFinal < pctStart) {
    throw new LossError(
      "linearOneCycle({ pctFinal })",
      `pctFinal ${pctFinal} is below pctStart ${pctStart}`,
      "Give pctStart ≤ pctFinal",
    );
  }
  return named(
    `linearOneCycle(${init} → ${peak} → ${init} → ${end}, ${steps} steps)`,
    interpolate("linear", init, [
      { boundary: Math.floor(pctStart * steps), value: peak },
      { boundary: Math.floor(pctFinal * steps), value: init },
      { boundary: steps, value: end },
    ]),
  );
}
