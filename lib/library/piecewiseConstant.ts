import { constant, multiply, named, select } from "../loss/expression.ts";
import { finite, type Schedule, step } from "../loss/schedule.ts";
import { stairsOf } from "./stairs.ts";

/**
 * A staircase: init times every scale whose boundary has been reached. At step t that is init · Π_{b ≤ t} scales[b]; the
 * scales multiply, so `{ 100: 0.1, 200: 0.1 }` ends at a hundredth of init.
 *
 * @param scales the factor, at least 0, for each boundary, a step.
 * @throws LossError where init, a boundary or a scale is not finite, or a scale is negative.
 *
 * Source: optax's `piecewise_constant_schedule`.
 *
 * @example
 * ```ts
 * import { at, piecewiseConstant } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = piecewiseConstant(1, { 100: 0.5, 200: 0.25 });
 * expect([99, 100, 199, 200, 1000].map((t) => at(schedule, t))).toEqual([1, 0.5, 0.5, 0.125, 0.125]);
 * ```
 */
export function piecewiseConstant(init: number, scales: Readonly<Record<number, number>>): Schedule {
  const start = finite(init, "piecewiseConstant(init)");
  const stairs = stairsOf(scales, "piecewiseConstant");
  const shown = stairs.map(({ boundary, scale }) => `, × ${scale} from ${boundary}`);
  return named(
    `piecewiseConstant(${start}${shown.join("")})`,
    stairs.reduce<Schedule>(
      (value, { boundary, scale }) => multiply(value, select(step, constant(boundary), constant(1), constant(scale))),
      constant(start),
    ),
  );
}
