import { named } from "../loss/expression.ts";
import { finite, type Schedule } from "../loss/schedule.ts";
import { interpolate } from "./interpolate.ts";
import { checkOptions, positive } from "./scheduleOptions.ts";

/** Options of `cosineOneCycle`. */
export interface CosineOneCycleOptions {
  /** How many steps the whole cycle takes, more than 0. */
  readonly steps: number;
  /** The largest value. */
  readonly peak: number;
  /** The share of the steps after which the value is at its peak, from 0 to 1; 0.3 by default. */
  readonly pctStart?: number;
  /** The first value is peak / divFactor; above 0, 25 by default. */
  readonly divFactor?: number;
  /** The last value is peak / (divFactor · finalDivFactor); above 0, 1e4 by default. */
  readonly finalDivFactor?: number;
}

/**
 * One cycle of two half waves: from peak / divFactor at step 0 up to peak at step ⌊pctStart · steps⌋, and down to
 * peak / (divFactor · finalDivFactor) at `steps` and after it. A half wave from a to b is a + (b − a) ½ (1 − cos π s) at
 * the share s of its steps. Where these steps fall together the later value counts.
 *
 * @throws LossError where an option is not finite, steps or a factor is not above 0, or pctStart is not from 0 to 1.
 *
 * Source: optax's `cosine_onecycle_schedule`; Smith and Topin, arXiv 1708.07120.
 *
 * @example
 * ```ts
 * import { at, cosineOneCycle } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = cosineOneCycle({ steps: 100, peak: 50 });
 * expect([0, 30].map((t) => at(schedule, t))).toEqual([2, 50]);
 * expect(at(schedule, 15)).toBeCloseTo(26, 12);
 * expect(at(schedule, 100)).toBeCloseTo(2e-4, 12);
 * ```
 */
export function cosineOneCycle(options: CosineOneCycleOptions): Schedule {
  checkOptions(options, "cosineOneCycle", "{ steps: 1000, peak: 1 }");
  const steps = positive(options.steps, "cosineOneCycle({ steps })", "number of steps");
  const peak = finite(options.peak, "cosineOneCycle({ peak })");
  const pctStart = finite(options.pctStart ?? 0.3, "cosineOneCycle({ pctStart })", { lowest: 0, highest: 1 });
  const divFactor = positive(options.divFactor ?? 25, "cosineOneCycle({ divFactor })", "factor");
  const finalDivFactor = positive(options.finalDivFactor ?? 1e4, "cosineOneCycle({ finalDivFactor })", "factor");
  const init = peak / divFactor;
  const end = init / finalDivFactor;
  return named(
    `cosineOneCycle(${init} → ${peak} → ${end}, ${steps} steps)`,
    interpolate("cosine", init, [
      { boundary: Math.floor(pctStart * steps), value: peak },
      { boundary: steps, value: end },
    ]),
  );
}
