import { add, constant, divide, max, multiply, select, subtract } from "../loss/expression.ts";
import { type Schedule, step } from "../loss/schedule.ts";
import { rising } from "./halfWave.ts";

/** How a schedule goes from one value to the next: in a straight line, or in half a wave. */
export type Interpolation = "linear" | "cosine";

/** A value, and the step at which a schedule has it. */
export interface Waypoint {
  readonly boundary: number;
  readonly value: number;
}

/**
 * The schedule that goes from `init` at step 0 through the waypoints, given in ascending order, and stays at the last.
 * Where boundaries fall together the last of them counts.
 */
export function interpolate(kind: Interpolation, init: number, waypoints: readonly Waypoint[]): Schedule {
  const all: readonly Waypoint[] = [{ boundary: 0, value: init }, ...waypoints];
  return waypoints.reduceRight<Schedule>(
    (later, to, i) => select(step, constant(to.boundary), between(kind, all[i], to), later),
    constant(all[all.length - 1].value),
  );
}

function between(kind: Interpolation, from: Waypoint, to: Waypoint): Schedule {
  const length = to.boundary - from.boundary;
  if (length <= 0) return constant(from.value);
  const share = divide(max(subtract(step, constant(from.boundary)), constant(0)), constant(length));
  const passed = kind === "linear" ? share : rising(share);
  return add(constant(from.value), multiply(constant(to.value - from.value), passed));
}
