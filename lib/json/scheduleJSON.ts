import { asSchedule, type Numeric, type Schedule } from "../loss/schedule.ts";
import { showScalar } from "../loss/show.ts";
import { object } from "./codec.ts";
import { type Format, fromDocument, type JSONObject, toDocument } from "./document.ts";
import { schedule } from "./scalars.ts";

interface Scheduled {
  readonly schedule: Schedule;
}

const format: Format<Scheduled> = {
  noun: "schedule",
  codec: object<Scheduled>({ schedule }),
  show: (value) => showScalar(value.schedule),
};

/**
 * A schedule, or a number, as JSON: `{ format: "lossmith schedule", version: 1, expression, schedule, shared? }`.
 *
 * @throws LossError for one by `fromFunction`, which holds a function.
 *
 * @example
 * ```ts
 * import { language, scheduleToJSON } from "lossmith";
 * import { expect } from "expect";
 *
 * const { constant, multiply, step } = language;
 * expect(scheduleToJSON(multiply(constant(0.5), step))["schedule"]).toEqual({ multiply: [0.5, "step"] });
 * ```
 */
export function scheduleToJSON(schedule: Numeric): JSONObject {
  return toDocument(format, { schedule: asSchedule(schedule, "scheduleToJSON(schedule)") });
}

/**
 * The schedule that `scheduleToJSON` wrote.
 *
 * @param json what `JSON.parse` gives.
 * @throws LossError whose `where` is the path of what is wrong.
 *
 * @example
 * ```ts
 * import { at, linear, scheduleFromJSON, scheduleToJSON } from "lossmith";
 * import { expect } from "expect";
 *
 * const rise = linear({ init: 0, end: 1, steps: 1000 });
 * expect(at(scheduleFromJSON(scheduleToJSON(rise)), 250)).toBe(0.25);
 * ```
 */
export function scheduleFromJSON(json: unknown): Schedule {
  return fromDocument(format, json).schedule;
}
