import { LossError } from "../loss/error.ts";
import { constant, named, select, subtract } from "../loss/expression.ts";
import { asSchedule, finite, type Numeric, retimed, type Schedule, step } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";

/**
 * Schedules one after another: schedules[0] before step boundaries[0], then schedules[i + 1] from boundaries[i] on. Each
 * sees the steps since its own boundary: its value is that at t − boundaries[i].
 *
 * @param schedules at least one schedule or number.
 * @param boundaries one step fewer than there are schedules, in ascending order.
 * @throws LossError for no schedule, another number of boundaries, or boundaries that are not finite or descend.
 *
 * Source: optax's `join_schedules`.
 *
 * @example
 * ```ts
 * import { at, cosine, join, linear } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = join([linear({ init: 0, end: 1, steps: 10 }), cosine({ init: 1, steps: 20 }), 0.1], [10, 30]);
 * expect([5, 10, 30].map((t) => at(schedule, t))).toEqual([0.5, 1, 0.1]);
 * expect(at(schedule, 20)).toBeCloseTo(0.5, 12);
 * ```
 */
export function join(schedules: readonly Numeric[], boundaries: readonly number[]): Schedule {
  if (!Array.isArray(schedules) || schedules.length === 0) {
    throw new LossError("join(schedules)", "got no schedules", "Give an array of at least one schedule");
  }
  if (!Array.isArray(boundaries) || boundaries.length !== schedules.length - 1) {
    throw new LossError(
      "join(boundaries)",
      `got ${Array.isArray(boundaries) ? boundaries.length : String(boundaries)} for ${schedules.length} schedules`,
      `Give ${schedules.length - 1}: the step at which each schedule after the first begins`,
    );
  }
  boundaries.forEach((boundary, i) => {
    finite(boundary, `join(boundaries[${i}])`);
    if (i > 0 && boundary < boundaries[i - 1]) {
      throw new LossError(
        `join(boundaries[${i}])`,
        `${boundary} comes after ${boundaries[i - 1]}`,
        "Give boundaries in ascending order",
      );
    }
  });
  const [first, ...rest] = schedules.map((schedule, i) => asSchedule(schedule, `join(schedules[${i}])`));
  const shown = schedules.map(
    (schedule, i) => `${showNumeric(schedule)}${i === 0 ? "" : ` from ${boundaries[i - 1]}`}`,
  );
  return named(
    `join(${shown.join(", ")})`,
    rest.reduce((before, next, i) => {
      return select(step, constant(boundaries[i]), before, retimed(next, subtract(step, constant(boundaries[i]))));
    }, first),
  );
}
