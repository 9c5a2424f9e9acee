import { constant, divide, max, min, multiply, named, subtract, unary } from "../loss/expression.ts";
import { finite, type Schedule, step } from "../loss/schedule.ts";
import { checkOptions } from "./scheduleOptions.ts";

/** Options of `sigmoidRamp`. */
export interface SigmoidRampOptions {
  /** How many steps the ramp takes, at least 0; where it is 0 the schedule is 1 throughout. */
  readonly steps: number;
}

/**
 * A ramp from e^−5, about 0.0067, to 1 in the shape of a sigmoid's lower half: exp(−5 (1 − clip(t, 0, steps) / steps)²) at
 * step t. `multiplySchedules` brings it to another height.
 *
 * @throws LossError where steps is negative or not finite.
 *
 * Source: Laine and Aila, arXiv 1610.02242.
 *
 * @example
 * ```ts
 * import { at, sigmoidRamp } from "lossmith";
 * import { expect } from "expect";
 *
 * const weight = sigmoidRamp({ steps: 80 });
 * expect(at(weight, 0)).toBeCloseTo(Math.exp(-5), 12);
 * expect(at(weight, 40)).toBeCloseTo(Math.exp(-1.25), 12);
 * expect(at(weight, 80)).toBe(1);
 * ```
 */
export function sigmoidRamp(options: SigmoidRampOptions): Schedule {
  checkOptions(options, "sigmoidRamp", "{ steps: 1000 }");
  const steps = finite(options.steps, "sigmoidRamp({ steps })", { lowest: 0 });
  if (steps === 0) return constant(1);
  const left = subtract(constant(1), divide(min(max(step, constant(0)), constant(steps)), constant(steps)));
  return named(`sigmoidRamp(${steps} steps)`, unary("exp", multiply(constant(-5), multiply(left, left))));
}
