import { add, constant, divide, max, min, multiply, named, pow, subtract, unary } from "../loss/expression.ts";
import { finite, type Schedule, step } from "../loss/schedule.ts";
import { checkOptions } from "./scheduleOptions.ts";

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
  /** Whether the way starts again where it has ended, each time from a lower value; false by default. */
  readonly cycle?: boolean;
}

/**
 * A polynomial way between two values: (init − end) (1 − clip(t − begin, 0, steps) / steps)^power + end at step t.
 *
 * With `cycle` the way starts again where it has ended: n steps after `begin`, the first multiple of `steps` that is at
 * least n, and at least `steps` itself, stands for `steps`. So just after k · steps the value jumps up to
 * (init − end) / (k + 1)^power + end, and it reaches end again at (k + 1) · steps.
 *
 * @throws LossError where an option is not finite, or power is negative.
 *
 * Source: optax's `polynomial_schedule`; `cycle` is that of Keras's `PolynomialDecay`.
 *
 * @example
 * ```ts
 * import { at, polynomial } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = polynomial({ init: 1, end: 0, power: 2, steps: 10 });
 * expect([0, 5, 10, 1000].map((t) => at(schedule, t))).toEqual([1, 0.25, 0, 0]);
 * const again = polynomial({ init: 1, end: 0, power: 1, steps: 10, cycle: true });
 * expect([0, 5, 10, 15, 20].map((t) => at(again, t))).toEqual([1, 0.5, 0, 0.25, 0]);
 * ```
 */
export function polynomial(options: PolynomialOptions): Schedule {
  checkOptions(options, "polynomial", "{ init: 1, end: 0, power: 2, steps: 1000 }");
  const init = finite(options.init, "polynomial({ init })");
  const end = finite(options.end, "polynomial({ end })");
  const power = finite(options.power, "polynomial({ power })", { lowest: 0 });
  const steps = finite(options.steps, "polynomial({ steps })");
  const begin = Math.max(0, finite(options.begin ?? 0, "polynomial({ begin })"));
  if (steps <= 0) return constant(init);
  const { cycle = false } = options;
  const elapsed = max(subtract(step, constant(begin)), constant(0));
  const whole = cycle ? multiple(elapsed, steps) : constant(steps);
  // Rounding can leave the share of a cycle a hair above 1, where a power would be NaN.
  const left = subtract(constant(1), min(divide(elapsed, whole), constant(1)));
  const shown = `${steps} steps${begin === 0 ? "" : ` from ${begin}`}${cycle ? ", cycle" : ""}`;
  return named(
    `polynomial(${init} → ${end}, power ${power}, ${shown})`,
    add(multiply(constant(init - end), pow(left, constant(power))), constant(end)),
  );
}

/** The first multiple of `steps` that is at least `elapsed`, and at least `steps` itself. */
function multiple(elapsed: Schedule, steps: number): Schedule {
  const begun = unary("floor", divide(elapsed, constant(-steps)));
  return multiply(constant(steps), max(constant(1), subtract(constant(0), begun)));
}
