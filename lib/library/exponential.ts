import { constant, divide, max, min, multiply, named, pow, select, subtract, unary } from "../loss/expression.ts";
import { finite, type Schedule, step } from "../loss/schedule.ts";
import { checkOptions } from "./scheduleOptions.ts";

/** Options of `exponential`. */
export interface ExponentialOptions {
  /** The value at `begin` and before. */
  readonly init: number;
  /** In how many steps the value is multiplied by `rate`; where it is 0 or less the schedule stays at `init`. */
  readonly steps: number;
  /** The factor, at least 0: below 1 the value decays, above 1 it grows; at 0 the schedule stays at `init`. */
  readonly rate: number;
  /** The step at which the decay begins; 0 by default, and below 0 it counts as 0. */
  readonly begin?: number;
  /** Whether the value changes once in `steps` steps, all at once; false by default. */
  readonly staircase?: boolean;
  /** A lower bound of the value where rate is below 1, an upper bound otherwise; none by default. */
  readonly end?: number;
}

/**
 * Exponential decay or growth: init · rate^((t − begin) / steps) at step t, with the exponent rounded down where
 * `staircase` is set, init up to `begin`, and all of it clipped at `end`.
 *
 * @throws LossError where an option is not finite, or rate is negative; growth without `end` overflows in time, which is
 * a LossError at that step.
 *
 * Source: optax's `exponential_decay`.
 *
 * @example
 * ```ts
 * import { at, exponential } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = exponential({ init: 8, steps: 10, rate: 0.5, end: 3 });
 * expect([0, 10, 20, 30].map((t) => at(schedule, t))).toEqual([8, 4, 3, 3]);
 * const stairs = exponential({ init: 8, steps: 10, rate: 0.5, staircase: true });
 * expect([0, 9, 10, 19, 20].map((t) => at(stairs, t))).toEqual([8, 8, 4, 4, 2]);
 * ```
 */
export function exponential(options: ExponentialOptions): Schedule {
  checkOptions(options, "exponential", "{ init: 1, steps: 1000, rate: 0.5 }");
  const init = finite(options.init, "exponential({ init })");
  const steps = finite(options.steps, "exponential({ steps })");
  const rate = finite(options.rate, "exponential({ rate })", { lowest: 0 });
  const begin = Math.max(0, finite(options.begin ?? 0, "exponential({ begin })"));
  const end = options.end === undefined ? null : finite(options.end, "exponential({ end })");
  const { staircase = false } = options;
  if (steps <= 0 || rate === 0) return constant(init);
  const elapsed = subtract(step, constant(begin));
  const share = divide(elapsed, constant(steps));
  const decayed = multiply(constant(init), pow(constant(rate), staircase ? unary("floor", share) : share));
  const value = select(constant(0), elapsed, decayed, constant(init));
  const clipped = end === null ? value : rate < 1 ? max(value, constant(end)) : min(value, constant(end));
  const shown = [
    `${init}`,
    `× ${rate} every ${steps} steps${begin === 0 ? "" : ` from ${begin}`}`,
    ...(staircase ? ["staircase"] : []),
    ...(end === null ? [] : [`until ${end}`]),
  ];
  return named(`exponential(${shown.join(", ")})`, clipped);
}
