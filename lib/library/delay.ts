import { constant, max, named, subtract } from "../loss/expression.ts";
import { asSchedule, finite, type Numeric, retimed, type Schedule, step } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/**
 * A schedule that begins later: its value at max(t − steps, 0) at step t, so it stays at its first value until then. For
 * another value before it begins, use `join`.
 *
 * Laws, at steps of at least 0: delay(s, 0) = s, and delay(delay(s, a), b) = delay(s, a + b).
 *
 * @param schedule a schedule or a number.
 * @param steps how many steps later it begins, at least 0.
 * @throws LossError where steps is negative or not finite, or the schedule is none.
 *
 * @example
 * ```ts
 * import { at, delay, linear } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = delay(linear({ init: 0, end: 1, steps: 10 }), 100);
 * expect([0, 100, 105, 110, 200].map((t) => at(schedule, t))).toEqual([0, 0, 0.5, 1, 1]);
 * ```
 */
export function delay(schedule: Numeric, steps: number): Schedule {
  const later = asSchedule(schedule, "delay(schedule)");
  const begin = finite(steps, "delay(steps)", { lowest: 0 });
  const elapsed = max(subtract(step, constant(begin)), constant(0));
  return named(`delay(${showNumeric(schedule)}, ${begin})`, retimed(later, elapsed));
}
