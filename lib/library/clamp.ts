import { LossError } from "../loss/error.ts";
import { max, min, named } from "../loss/expression.ts";
import { asSchedule, type Numeric, type Schedule } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/**
 * A schedule kept between two bounds: min(max(s, lo), hi) at every step.
 *
 * Laws: clamp(clamp(s, lo, hi), lo, hi) = clamp(s, lo, hi), and a schedule that stays within the bounds is unchanged.
 *
 * @param schedule a schedule or a number.
 * @param lo the lower bound, a number or a schedule.
 * @param hi the upper bound, a number or a schedule.
 * @throws LossError where a number is not finite, or the number lo is above the number hi.
 *
 * @example
 * ```ts
 * import { at, clamp, linear } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = clamp(linear({ init: 0, end: 1, steps: 10 }), 0.25, 0.75);
 * expect([0, 5, 10].map((t) => at(schedule, t))).toEqual([0.25, 0.5, 0.75]);
 * ```
 */
export function clamp(schedule: Numeric, lo: Numeric, hi: Numeric): Schedule {
  const value = asSchedule(schedule, "clamp(schedule)");
  const lowest = asSchedule(lo, "clamp(lo)");
  const highest = asSchedule(hi, "clamp(hi)");
  if (typeof lo === "number" && typeof hi === "number" && lo > hi) {
    throw new LossError("clamp(lo, hi)", `lo ${lo} is above hi ${hi}`, "Give lo ≤ hi");
  }
  return named(
    `clamp(${showNumeric(schedule)}, ${showNumeric(lo)}, ${showNumeric(hi)})`,
    min(max(value, lowest), highest),
  );
}
