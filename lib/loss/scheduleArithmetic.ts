/**
 * Arithmetic on schedules, step by step: `at(addSchedules(a, b), t)` is `at(a, t) + at(b, t)`, and so on. Either side
 * may be a plain number.
 */
import { LossError } from "./error.ts";
import { add, divide, type Expression, isConstant, max, min, multiply, pow, subtract } from "./expression.ts";
import { asSchedule, type Numeric, type Schedule, type Step } from "./schedule.ts";

type Operator = (left: Expression<Step>, right: Expression<Step>) => Expression<Step>;

function combine(name: string, operator: Operator, left: Numeric, right: Numeric): Schedule {
  const whole = operator(asSchedule(left, `${name}(left)`), asSchedule(right, `${name}(right)`));
  if (whole.kind === "constant" && !Number.isFinite(whole.value)) {
    throw new LossError(name, `the result is ${whole.value}`, "Give numbers whose result is finite");
  }
  return whole;
}

/**
 * The sum of two schedules at every step.
 *
 * @throws LossError where a number is not finite.
 *
 * @example
 * ```ts
 * import { addSchedules, at, linear } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(at(addSchedules(linear({ init: 0, end: 1, steps: 10 }), 0.5), 5)).toBe(1);
 * ```
 */
export function addSchedules(left: Numeric, right: Numeric): Schedule {
  return combine("addSchedules", add, left, right);
}

/**
 * The left schedule less the right one at every step.
 *
 * @throws LossError where a number is not finite.
 *
 * @example
 * ```ts
 * import { at, linear, subtractSchedules } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(at(subtractSchedules(1, linear({ init: 0, end: 1, steps: 10 })), 4)).toBe(0.6);
 * ```
 */
export function subtractSchedules(left: Numeric, right: Numeric): Schedule {
  return combine("subtractSchedules", subtract, left, right);
}

/**
 * The product of two schedules at every step.
 *
 * @throws LossError where a number is not finite.
 *
 * @example
 * ```ts
 * import { at, linear, multiplySchedules } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(at(multiplySchedules(linear({ init: 0, end: 1, steps: 10 }), 0.5), 5)).toBe(0.25);
 * ```
 */
export function multiplySchedules(left: Numeric, right: Numeric): Schedule {
  return combine("multiplySchedules", multiply, left, right);
}

/**
 * The left schedule over the right one at every step. The number 0 over anything is 0.
 *
 * @throws LossError where a number is not finite or the right one is 0; at a step where the right schedule is 0, when it
 * is evaluated there.
 *
 * @example
 * ```ts
 * import { at, divideSchedules, linear } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(at(divideSchedules(1, linear({ init: 1, end: 5, steps: 8 })), 2)).toBe(0.5);
 * ```
 */
export function divideSchedules(left: Numeric, right: Numeric): Schedule {
  const divisor = asSchedule(right, "divideSchedules(right)");
  if (isConstant(divisor, 0)) {
    throw new LossError("divideSchedules(right)", "got 0", "Give a divisor other than 0");
  }
  return combine("divideSchedules", divide, left, right);
}

/**
 * The left schedule to the power of the right one at every step. Anything to the power of the number 0 is 1.
 *
 * @throws LossError where a number is not finite, or the power of two numbers is not; at a step where the power is not
 * finite, such as a fractional power of a negative number, when it is evaluated there.
 *
 * @example
 * ```ts
 * import { at, linear, powSchedules } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(at(powSchedules(linear({ init: 0, end: 1, steps: 10 }), 2), 5)).toBe(0.25);
 * ```
 */
export function powSchedules(left: Numeric, right: Numeric): Schedule {
  return combine("powSchedules", pow, left, right);
}

/**
 * The smaller of two schedules at every step.
 *
 * @throws LossError where a number is not finite.
 *
 * @example
 * ```ts
 * import { at, linear, minSchedules } from "lossmith";
 * import { expect } from "expect";
 *
 * const capped = minSchedules(linear({ init: 0, end: 1, steps: 8 }), 0.5);
 * expect([2, 8].map((t) => at(capped, t))).toEqual([0.25, 0.5]);
 * ```
 */
export function minSchedules(left: Numeric, right: Numeric): Schedule {
  return combine("minSchedules", min, left, right);
}

/**
 * The larger of two schedules at every step.
 *
 * @throws LossError where a number is not finite.
 *
 * @example
 * ```ts
 * import { at, linear, maxSchedules } from "lossmith";
 * import { expect } from "expect";
 *
 * const floored = maxSchedules(linear({ init: 1, end: 0, steps: 10 }), 0.5);
 * expect([0, 8].map((t) => at(floored, t))).toEqual([1, 0.5]);
 * ```
 */
export function maxSchedules(left: Numeric, right: Numeric): Schedule {
  return combine("maxSchedules", max, left, right);
}
