import { LossError } from "../loss/error.ts";
import { constant, divide, max, multiply, named, select, subtract, unary } from "../loss/expression.ts";
import { finite, type Schedule, step } from "../loss/schedule.ts";
import { rising } from "./halfWave.ts";
import { checkOptions, oneOf, positive } from "./scheduleOptions.ts";

/** The shape of a cycle's ramp, as a function of v from 0 to 1: v, 1 / (1 + e^−(12 v − 6)) or ½ (1 − cos π v). */
export type RampShape = "linear" | "sigmoid" | "cosine";

/** Options of `cyclical`. */
export interface CyclicalOptions {
  /** How many steps all cycles take together, more than 0. */
  readonly steps: number;
  /** M, the number of cycles, whole and at least 1; 4 by default. */
  readonly cycles?: number;
  /** R, the share of each cycle in which the value rises, above 0 and at most 1; 0.5 by default. */
  readonly ratio?: number;
  /** "linear" by default. */
  readonly shape?: RampShape;
}

/**
 * Cyclical annealing from 0 to 1: in each of M cycles of steps / M steps the value rises for the share R of the cycle and
 * is 1 for the rest. With τ the share of the cycle that has passed, it is f(τ / R) where τ ≤ R and 1 where τ > R, with
 * f(v) = v, 1 / (1 + e^−(12 v − 6)) or ½ (1 − cos π v). It is 1 from `steps` on. `multiplySchedules` brings it to another
 * height.
 *
 * @throws LossError where an option is not finite, steps is not above 0, cycles is no whole number above 0, ratio is not
 * above 0 and at most 1, or the shape is another.
 *
 * Source: Fu et al., arXiv 1903.10145, and its code for the shapes.
 *
 * @example
 * ```ts
 * import { at, cyclical } from "lossmith";
 * import { expect } from "expect";
 *
 * const weight = cyclical({ steps: 400 });
 * expect([0, 25, 50, 99, 100, 125, 399, 400].map((t) => at(weight, t))).toEqual([0, 0.5, 1, 1, 0, 0.5, 1, 1]);
 * ```
 */
export function cyclical(options: CyclicalOptions): Schedule {
  checkOptions(options, "cyclical", "{ steps: 1000 }");
  const steps = positive(options.steps, "cyclical({ steps })", "number of steps");
  const cycles = finite(options.cycles ?? 4, "cyclical({ cycles })");
  const ratio = finite(options.ratio ?? 0.5, "cyclical({ ratio })");
  const shape = oneOf(options.shape ?? "linear", "cyclical({ shape })", ["linear", "sigmoid", "cosine"]);
  if (!Number.isInteger(cycles) || cycles < 1) {
    throw new LossError("cyclical({ cycles })", `got ${cycles}`, "Give a whole number of at least 1");
  }
  if (ratio <= 0 || ratio > 1) {
    throw new LossError("cyclical({ ratio })", `got ${ratio}`, "Give a share above 0 and at most 1");
  }
  // One rounding, so that a cycle begins exactly at its step.
  const passed = divide(multiply(max(step, constant(0)), constant(cycles)), constant(steps));
  const share = subtract(passed, unary("floor", passed));
  const ramp = ramps[shape](divide(share, constant(ratio)));
  return named(
    `cyclical(${cycles} × ${shape}, ratio ${ratio}, ${steps} steps)`,
    select(step, constant(steps), select(constant(ratio), share, constant(1), ramp), constant(1)),
  );
}

/** The value, given the share of the ramp that has passed. */
const ramps: Readonly<Record<RampShape, (v: Schedule) => Schedule>> = {
  linear: (v) => v,
  sigmoid: (v) => unary("sigmoid", subtract(multiply(constant(12), v), constant(6))),
  cosine: rising,
};
