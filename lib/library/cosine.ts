import { add, constant, divide, max, min, multiply, named, pow } from "../loss/expression.ts";
import { finite, type Schedule, step } from "../loss/schedule.ts";
import { falling } from "./halfWave.ts";
import { checkOptions, positive } from "./scheduleOptions.ts";

/** Options of `cosine`. */
export interface CosineOptions {
  /** The value at step 0. */
  readonly init: number;
  /** How many steps the decay takes, more than 0. */
  readonly steps: number;
  /** The last value as a share of `init`; 0 by default. */
  readonly alpha?: number;
  /** The power of the cosine part; 1 by default. */
  readonly exponent?: number;
}

/**
 * Cosine decay: init [(1 − alpha) (½ (1 + cos(π t / steps)))^exponent + alpha] at step t, constant from `steps` on.
 *
 * @throws LossError where an option is not finite, or steps is not above 0.
 *
 * Source: optax's `cosine_decay_schedule`; Loshchilov and Hutter, arXiv 1608.03983.
 *
 * @example
 * ```ts
 * import { at, cosine } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = cosine({ init: 1, steps: 100, alpha: 0.1 });
 * expect(at(schedule, 0)).toBe(1);
 * expect(at(schedule, 50)).toBeCloseTo(0.55, 12);
 * expect(at(schedule, 200)).toBeCloseTo(0.1, 12);
 * ```
 */
export function cosine(options: CosineOptions): Schedule {
  checkOptions(options, "cosine", "{ init: 1, steps: 1000 }");
  const init = finite(options.init, "cosine({ init })");
  const steps = positive(options.steps, "cosine({ steps })", "number of steps");
  const alpha = finite(options.alpha ?? 0, "cosine({ alpha })");
  const exponent = finite(options.exponent ?? 1, "cosine({ exponent })");
  const share = divide(min(max(step, constant(0)), constant(steps)), constant(steps));
  // Rounding can leave the wave a hair below 0 at its end, where a power would be NaN.
  const decay = multiply(constant(1 - alpha), pow(max(falling(share), constant(0)), constant(exponent)));
  return named(
    `cosine(${init} → ${init * alpha}, ${steps} steps)`,
    multiply(constant(init), add(decay, constant(alpha))),
  );
}
