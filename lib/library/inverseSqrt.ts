import { add, constant, divide, max, multiply, named, pow } from "../loss/expression.ts";
import { finite, type Schedule, step } from "../loss/schedule.ts";
import { checkOptions, positive } from "./scheduleOptions.ts";
import { warmUp } from "./warmUp.ts";

/** Options of `inverseSqrt`. */
export interface InverseSqrtOptions {
  /** How many steps the warm-up takes, at least 0. */
  readonly warmup: number;
  /** The value at the end of the warm-up; 1 by default. */
  readonly peak?: number;
  /** After how many further steps the value is peak / √2; above 0. `warmup` by default, and 10 000 without a warm-up. */
  readonly timescale?: number;
}

/**
 * A linear warm-up from 0 to peak, then decay by the inverse square root of the step: peak · t / warmup at step t before
 * `warmup`, and peak / √((t + timescale − warmup) / timescale) from there on, without an end.
 *
 * @throws LossError where an option is not finite, warmup is negative, or timescale is not above 0.
 *
 * Source: Hugging Face's `get_inverse_sqrt_schedule`.
 *
 * @example
 * ```ts
 * import { at, inverseSqrt } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = inverseSqrt({ warmup: 100, peak: 6 });
 * expect([0, 50, 100].map((t) => at(schedule, t))).toEqual([0, 3, 6]);
 * expect(at(schedule, 400)).toBeCloseTo(3, 12);
 * expect(at(schedule, 900)).toBeCloseTo(2, 12);
 * ```
 */
export function inverseSqrt(options: InverseSqrtOptions): Schedule {
  checkOptions(options, "inverseSqrt", "{ warmup: 1000 }");
  const warmup = finite(options.warmup, "inverseSqrt({ warmup })", { lowest: 0 });
  const peak = finite(options.peak ?? 1, "inverseSqrt({ peak })");
  const fallback = warmup === 0 ? 10_000 : warmup;
  const timescale = positive(options.timescale ?? fallback, "inverseSqrt({ timescale })", "number of steps");
  const since = divide(max(step, constant(0)), constant(timescale));
  const decay = multiply(constant(peak), pow(add(constant(1), since), constant(-0.5)));
  const shown = timescale === fallback ? "" : `, timescale ${timescale}`;
  return named(`inverseSqrt(0 → ${peak}, ${warmup} steps${shown})`, warmUp(0, peak, warmup, decay));
}
