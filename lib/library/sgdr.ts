import { LossError } from "../loss/error.ts";
import { named } from "../loss/expression.ts";
import type { Schedule } from "../loss/schedule.ts";
import { showNumeric } from "../loss/show.ts";
import { join } from "./join.ts";
import { type WarmupCosineOptions, warmupCosine } from "./warmupCosine.ts";

/**
 * Cosine decay with warm restarts: a `warmupCosine` for each cycle, one after another. A cycle begins where the one before
 * it has taken its `decay` steps, and sees the steps since then; the last one stays at its end.
 *
 * @param cycles the options of each cycle's `warmupCosine`, at least one.
 * @throws LossError where there is no cycle, or `warmupCosine` refuses one.
 *
 * Source: optax's `sgdr_schedule`; Loshchilov and Hutter, arXiv 1608.03983.
 *
 * @example
 * ```ts
 * import { at, sgdr } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = sgdr([
 *   { init: 0, peak: 1, warmup: 10, decay: 50 },
 *   { init: 0, peak: 0.5, warmup: 10, decay: 100 },
 * ]);
 * expect([0, 10, 50, 55, 60].map((t) => at(schedule, t))).toEqual([0, 1, 0, 0.25, 0.5]);
 * expect(at(schedule, 150)).toBeCloseTo(0, 12);
 * ```
 */
export function sgdr(cycles: readonly WarmupCosineOptions[]): Schedule {
  if (!Array.isArray(cycles) || cycles.length === 0) {
    throw new LossError("sgdr(cycles)", "got no cycles", "Give an array of at least one warmupCosine's options");
  }
  const parts = cycles.map(cycleOf);
  const ends: number[] = [];
  for (const { decay } of cycles) ends.push((ends.at(-1) ?? 0) + decay);
  return named(`sgdr(${parts.map(showNumeric).join(", ")})`, join(parts, ends.slice(0, -1)));
}

function cycleOf(options: WarmupCosineOptions, i: number): Schedule {
  try {
    return warmupCosine(options);
  } catch (error) {
    if (!(error instanceof LossError)) throw error;
    throw new LossError(`sgdr(cycles[${i}])`, `${error.where}: ${error.what}`, error.remedy);
  }
}
