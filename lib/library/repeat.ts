import { constant, divide, max, multiply, named, subtract, unary } from "../loss/expression.ts";
import { asSchedule, type Numeric, retimed, type Schedule, step } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";
import { positive } from "./scheduleOptions.ts";

/**
 * The first steps of a schedule again and again: its value at t − steps · ⌊t / steps⌋ at step t.
 *
 * Laws: repeat(s, n) at t + n is repeat(s, n) at t, for 0 ≤ t < n it is s at t, and repeat(repeat(s, n), n) = repeat(s, n).
 *
 * @param schedule a schedule or a number.
 * @param steps how many of its steps are repeated, more than 0.
 * @throws LossError where steps is not above 0 or not finite, or the schedule is none.
 *
 * @example
 * ```ts
 * import { at, linear, repeat } from "lossmith";
 * import { expect } from "expect";
 *
 * const saw = repeat(linear({ init: 0, end: 1, steps: 10 }), 10);
 * expect([0, 5, 9, 10, 15, 1000].map((t) => at(saw, t))).toEqual([0, 0.5, 0.9, 0, 0.5, 0]);
 * ```
 */
export function repeat(schedule: Numeric, steps: number): Schedule {
  const repeated = asSchedule(schedule, "repeat(schedule)");
  const length = positive(steps, "repeat(steps)", "number of steps");
  const whole = multiply(constant(length), unary("floor", divide(step, constant(length))));
  // Where length is a fraction, rounding can count one repetition too many.
  const elapsed = max(subtract(step, whole), constant(0));
  return named(`repeat(${showNumeric(schedule)}, ${length})`, retimed(repeated, elapsed));
}
