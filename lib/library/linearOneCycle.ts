import { LossError } from "../loss/error.ts";
import { named } from "../loss/expression.ts";
import { finite, type Schedule } from "../loss/schedule.ts";
import { interpolate } from "./interpolate.ts";
import { checkOptions, positive } from "./scheduleOptions.ts";

/** Options of `linearOneCycle`. */
export interface LinearOneCycleOptions {
  /** How many steps the whole cycle takes, more than 0. */
  readonly steps: number;
  /** The largest value. */
  readonly peak: number;
  /** The share of the steps after which the value is at its peak, from 0 to 1; 0.3 by default. */
  readonly pctStart?: number;
  /** The share of the steps after which the value is back at its start, from pctStart to 1; 0.85 by default. */
  readonly pctFinal?: number;
  /** The first value is peak / divFactor; above 0, 25 by default. */
  readonly divFactor?: number;
  /** The last value is peak / (divFactor · finalDivFactor); above 0, 1e4 by default. */
  readonly finalDivFactor?: number;
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
  checkOptions(options, "linearOneCycle", "{ steps: 1000, peak: 1 }");
  const steps = positive(options.steps, "linearOneCycle({ steps })", "number of steps");
  const peak = finite(options.peak, "linearOneCycle({ peak })");
  const share = { lowest: 0, highest: 1 };
  const pctStart = finite(options.pctStart ?? 0.3, "linearOneCycle({ pctStart })", share);
  const pctFinal = finite(options.pctFinal ?? 0.85, "linearOneCycle({ pctFinal })", share);
  const divFactor = positive(options.divFactor ?? 25, "linearOneCycle({ divFactor })", "factor");
  const finalDivFactor = positive(options.finalDivFactor ?? 1e4, "linearOneCycle({ finalDivFactor })", "factor");
  if (pctFinal < pctStart) {
    throw new LossError(
      "linearOneCycle({ pctFinal })",
      `pctFinal ${pctFinal} is below pctStart ${pctStart}`,
      "Give pctStart ≤ pctFinal",
    );
  }
  const init = peak / divFactor;
  const end = init / finalDivFactor;
  return named(
    `linearOneCycle(${init} → ${peak} → ${init} → ${end}, ${steps} steps)`,
    interpolate("linear", init, [
      { boundary: Math.floor(pctStart * steps), value: peak },
      { boundary: Math.floor(pctFinal * steps), value: init },
      { boundary: steps, value: end },
    ]),
  );
}
