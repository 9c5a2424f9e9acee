import { named } from "../loss/expression.ts";
import { finite, type Schedule } from "../loss/schedule.ts";
import { type Interpolation, interpolate, type Waypoint } from "./interpolate.ts";
import { oneOf } from "./scheduleOptions.ts";
import { stairsOf } from "./stairs.ts";

/**
 * A way through the values of `piecewiseConstant` at its boundaries: v_0 = init at step 0, and v_k = v_{k−1} times the k-th
 * scale at the k-th boundary b_k. Between two boundaries, with the share s = (t − b_{k−1}) / (b_k − b_{k−1}) at step t, it
 * is v_{k−1} + (v_k − v_{k−1}) s where kind is "linear", and v_{k−1} + (v_k − v_{k−1}) ½ (1 − cos π s) where it is
 * "cosine". It stays at the last value. A boundary of 0 changes the value at step 0 at once.
 *
 * @param kind "linear" or "cosine".
 * @param init the value at step 0.
 * @param scales the factor, at least 0, for each boundary, a step.
 * @throws LossError for another kind, where init, a boundary or a scale is not finite, or a scale is negative.
 *
 * Source: optax's `piecewise_interpolate_schedule`.
 *
 * @example
 * ```ts
 * import { at, piecewiseInterpolate } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = piecewiseInterpolate("linear", 200, { 5: 1.5, 10: 0.25 });
 * expect([0, 1, 5, 6, 10, 1000].map((t) => at(schedule, t))).toEqual([200, 220, 300, 255, 75, 75]);
 * ```
 */
export function piecewiseInterpolate(
  kind: Interpolation,
  init: number,
  scales: Readonly<Record<number, number>>,
): Schedule {
  oneOf(kind, "piecewiseInterpolate(kind)", ["linear", "cosine"]);
  const start = finite(init, "piecewiseInterpolate(init)");
  const stairs = stairsOf(scales, "piecewiseInterpolate");
  const waypoints: Waypoint[] = [];
  let value = start;
  for (const { boundary, scale } of stairs) {
    value *= scale;
    waypoints.push({ boundary, value });
  }
  const shown = stairs.map(({ boundary, scale }) => `, × ${scale} at ${boundary}`);
  return named(`piecewiseInterpolate(${kind}, ${start}${shown.join("")})`, interpolate(kind, start, waypoints));
}
