import { LossError } from "../loss/error.ts";

/** The number of the training step, which scheduled parameters read. */
export interface StepClock {
  /** 0 before the first step has been taken. */
  readonly step: number;
  /** Moves on by one step. */
  advance(): void;
  /** Sets the clock, as after loading a checkpoint. */
  set(step: number): void;
}

/**
 * A clock for training steps. Loops that share one share their schedules.
 *
 * @param start the step that it shows at first, a whole number of at least 0; 0 by default.
 * @throws LossError for a step that is no such number.
 *
 * @example
 * ```ts
 * import { stepClock } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const clock = stepClock();
 * clock.advance();
 * expect(clock.step).toBe(1);
 * ```
 */
export function stepClock(start = 0): StepClock {
  let step = checkStep(start, "stepClock(start)");
  return {
    get step() {
      return step;
    },
    advance: () => {
      step++;
    },
    set: (to) => {
      step = checkStep(to, "stepClock().set(step)");
    },
  };
}

function checkStep(step: number, where: string): number {
  if (Number.isSafeInteger(step) && step >= 0) return step;
  throw new LossError(where, `got ${String(step)}`, "Give the number of a step, 0 at the first");
}
