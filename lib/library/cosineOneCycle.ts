import { named } from "../loss/expression.ts";
import type { Schedule } from "../loss/schedule.ts";
import { interpolate } from "./interpolate.ts";
import { type OneCycleOptions, readOneCycle } from "./oneCycle.ts";

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
export function cosineOneCycle(options: OneCycleOptions): Schedule {
  const { steps, peak, pctStart, init, end } = readOneCycle(options, "cosineOneCycle");
  return named(
    `cosineOneCycle(${init} → ${peak} → ${end}, ${steps} steps)`,
    interpolate("cosine", init, [
      { boundary: Math.floor(pctStart * steps), value: peak },
      { boundary: steps, value: end },
    ]),
  );
}
