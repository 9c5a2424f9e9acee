import { constant as constantExpression } from "../loss/expression.ts";
import { finite, type Schedule } from "../loss/schedule.ts";

/**
 * The schedule that is the same at every step. A plain number does the same wherever a schedule is taken.
 *
 * @throws LossError where the value is not finite.
 *
 * @example
 * ```ts
 * import { at, constant } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(at(constant(0.5), 1000)).toBe(0.5);
 * ```
 */
export function constant(value: number): Schedule {
  return constantExpression(finite(value, "constant(value)"));
}
