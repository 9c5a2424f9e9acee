import { add, constant, divide, max, min, multiply, named, pow, subtract } from "../loss/expression.ts";
import { finite, type Schedule, step } from "../loss/schedule.ts";

/** Options of `polynomial`. */
export interface PolynomialOptions {
  /** The value at `begin` and before. */
  readonly init: number;
  /** The value from `begin + steps` on. */
  readonly end: number;
  /** The power of the share of the way that is left, at least 0; 1 is a straight line. */
  readonly power: number;
  /** How many steps the way takes; where it is 0 or less the schedule stays at `init`. */
  readonly steps: number;
  /** The step at which the way begins; 0 by default, and below 0 it counts as 0. */
  readonly begin?: number;
}

/**
 * A polynomial way between two values: (init − end) (1 − clip(t − begin, 0, steps) / steps)^power + end at step t.
 *
 * @throws LossError where an option is not finite, or power is negative.
 *
 * Source: optax's `polynomial_schedule`.
 *
 * @example
 * ```ts
 * import { at, polynomial } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = polynomial({ init: 1, end: 0, power: 2, steps: 10 });
 * expect([0, 5, 10, 1000].map((t) => at(schedule, t))).toEqual([1, 0.25, 0, 0]);
 * ```
 */
export function polynomial(options: PolynomialOptions): Schedule {
  const init = finite(options.init, "polynomial({ init })");
  const end = finite(options.end, "polynomial({ end })");
  const power = finite(options.power, "polynomial({ power })", { lowest: 0 });
  const steps = finite(options.steps, "polynomial({ steps })");
  const begin = Math.max(0, finite(options.begin ?? 0, "polynomial({ begin })"));
  if (steps <= 0) return constant(init);
  const elapsed = min(max(subtract(step, constant(begin)), constant(0)), constant(steps));
  const left = subtract(constant(1), divide(elapsed, constant(steps)));
  return named(
    `polynomial(${init} → ${end}, power ${power}, ${steps} steps${begin === 0 ? "" : ` from ${begin}`})`,
    add(multiply(constant(init - end), pow(left, constant(power))), constant(end)),
  );
}
