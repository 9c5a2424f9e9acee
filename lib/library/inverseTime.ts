import { add, constant, divide, max, multiply, named, unary } from "../loss/expression.ts";
import { finite, type Schedule, step } from "../loss/schedule.ts";
import { checkOptions, positive } from "./scheduleOptions.ts";

/** Options of `inverseTime`. */
export interface InverseTimeOptions {
  /** The value at step 0. */
  readonly init: number;
  /** In how many steps the divisor grows by `rate`, more than 0. */
  readonly steps: number;
  /** By how much the divisor grows, at least 0. */
  readonly rate: number;
  /** Whether the value changes once in `steps` steps, all at once; false by default. */
  readonly staircase?: boolean;
}

/**
 * Decay by the inverse of the step: init / (1 + rate · t / steps) at step t, with t / steps rounded down where `staircase`
 * is set.
 *
 * @throws LossError where an option is not finite, steps is not above 0, or rate is negative.
 *
 * Source: Keras's `InverseTimeDecay`.
 *
 * @example
 * ```ts
 * import { at, inverseTime } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = inverseTime({ init: 6, steps: 10, rate: 1 });
 * expect([0, 5, 10, 20].map((t) => at(schedule, t))).toEqual([6, 4, 3, 2]);
 * const stairs = inverseTime({ init: 6, steps: 10, rate: 1, staircase: true });
 * expect([0, 9, 10, 19, 20].map((t) => at(stairs, t))).toEqual([6, 6, 3, 3, 2]);
 * ```
 */
export function inverseTime(options: InverseTimeOptions): Schedule {
  checkOptions(options, "inverseTime", "{ init: 1, steps: 1000, rate: 0.5 }");
  const init = finite(options.init, "inverseTime({ init })");
  const steps = positive(options.steps, "inverseTime({ steps })", "number of steps");
  const rate = finite(options.rate, "inverseTime({ rate })", { lowest: 0 });
  const { staircase = false } = options;
  const share = divide(max(step, constant(0)), constant(steps));
  const divisor = add(constant(1), multiply(constant(rate), staircase ? unary("floor", share) : share));
  const shown = `inverseTime(${init}, rate ${rate} every ${steps} steps${staircase ? ", staircase" : ""})`;
  return named(shown, divide(constant(init), divisor));
}
