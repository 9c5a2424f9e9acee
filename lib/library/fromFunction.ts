import { LossError } from "../loss/error.ts";
import { atom, named } from "../loss/expression.ts";
import { type Schedule, type Step, step } from "../loss/schedule.ts";

/**
 * A schedule from a function of the step. It holds the function, so it shows itself by the function's name alone, is
 * equal only to schedules of the same function, and cannot be saved; the other schedules are plain data.
 *
 * @param value gives the number at each step; a LossError is thrown at a step where it is not finite.
 * @throws LossError where `value` is no function.
 *
 * @example
 * ```ts
 * import { at, fromFunction } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(at(fromFunction((step) => 1 / (1 + step)), 3)).toBe(0.25);
 * ```
 */
export function fromFunction(value: (step: number) => number): Schedule {
  if (typeof value !== "function") {
    throw new LossError("fromFunction", `got ${String(value)}`, "Give a function of the step, (step) => number");
  }
  const name = `fromFunction(${value.name || "step"})`;
  return named(name, atom<Step>({ kind: "step", of: { name, value, at: step } }));
}
