import { named } from "../loss/expression.ts";
import { finite, type Schedule } from "../loss/schedule.ts";
import { polynomial } from "./polynomial.ts";
import { checkOptions } from "./scheduleOptions.ts";

/** Options of `linear`. */
export interface LinearOptions {
  /** The value at `begin` and before. */
  readonly init: number;
  /** The value from `begin + steps` on. */
  readonly end: number;
  /** How many steps the way takes; where it is 0 or less the schedule stays at `init`. */
  readonly steps: number;
  /** The step at which the way begins; 0 by default, and below 0 it counts as 0. */
  readonly begin?: number;
}

/**
 * A straight line between two values: (init − end) (1 − clip(t − begin, 0, steps) / steps) + end at step t, the
 * polynomial of power 1.
 *
 * @throws LossError where an option is not finite.
 *
 * Source: optax's `linear_schedule`.
 *
 * @example
 * ```ts
 * import { at, linear } from "lossmith";
 * import { expect } from "expect";
 *
 * const alpha = linear({ init: 0, end: 1, steps: 100, begin: 50 });
 * expect([0, 50, 75, 150, 1000].map((t) => at(alpha, t))).toEqual([0, 0, 0.25, 1, 1]);
 * ```
 */
export function linear(options: LinearOptions): Schedule {
  checkOptions(options, "linear", "{ init: 0, end: 1, steps: 1000 }");
  const init = finite(options.init, "linear({ init })");
  const end = finite(options.end, "linear({ end })");
  const steps = finite(options.steps, "linear({ steps })");
  const begin = Math.max(0, finite(options.begin ?? 0, "linear({ begin })"));
  return named(
    `linear(${init} → ${end}, ${steps} steps${begin === 0 ? "" : ` from ${begin}`})`,
    polynomial({ init, end, power: 1, steps, begin }),
  );
}
