import { LossError } from "../loss/error.ts";
import { named } from "../loss/expression.ts";
import { finite, type Schedule } from "../loss/schedule.ts";
import { cosine } from "./cosine.ts";
import { join } from "./join.ts";
import { linear } from "./linear.ts";
import { checkOptions } from "./scheduleOptions.ts";

/** Options of `warmupCosine`. */
export interface WarmupCosineOptions {
  /** The value at step 0, where there is a warm-up. */
  readonly init: number;
  /** The value at the end of the warm-up. */
  readonly peak: number;
  /** How many steps the warm-up takes, at least 0. */
  readonly warmup: number;
  /** How many steps the whole schedule takes, the warm-up included: more than `warmup`. */
  readonly decay: number;
  /** The value from step `decay` on; 0 by default. Where peak is 0 the schedule ends at 0, whatever `end` is. */
  readonly end?: number;
  /** The power of the cosine part; 1 by default. */
  readonly exponent?: number;
}

/**
 * A linear warm-up from init to peak over `warmup` steps, then cosine decay to `end` over `decay − warmup` steps:
 * join([linear, cosine], [warmup]) with cosine's alpha = end / peak.
 *
 * @throws LossError where an option is not finite, warmup is negative, or decay is not above warmup.
 *
 * Source: optax's `warmup_cosine_decay_schedule`; Loshchilov and Hutter, arXiv 1608.03983.
 *
 * @example
 * ```ts
 * import { at, warmupCosine } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = warmupCosine({ init: 0, peak: 1, warmup: 10, decay: 110, end: 0.1 });
 * expect([0, 5, 10].map((t) => at(schedule, t))).toEqual([0, 0.5, 1]);
 * expect(at(schedule, 60)).toBeCloseTo(0.55, 12);
 * expect(at(schedule, 500)).toBeCloseTo(0.1, 12);
 * ```
 */
export function warmupCosine(options: WarmupCosineOptions): Schedule {
  checkOptions(options, "warmupCosine", "{ init: 0, peak: 1, warmup: 100, decay: 1000 }");
  const init = finite(options.init, "warmupCosine({ init })");
  const peak = finite(options.peak, "warmupCosine({ peak })");
  const warmup = finite(options.warmup, "warmupCosine({ warmup })", { lowest: 0 });
  const decay = finite(options.decay, "warmupCosine({ decay })");
  const end = finite(options.end ?? 0, "warmupCosine({ end })");
  const exponent = finite(options.exponent ?? 1, "warmupCosine({ exponent })");
  if (decay <= warmup) {
    throw new LossError(
      "warmupCosine({ decay })",
      `decay ${decay} is not above warmup ${warmup}`,
      "Give the length of the whole schedule, the warm-up included",
    );
  }
  const alpha = peak === 0 ? 0 : end / peak;
  return named(
    `warmupCosine(${init} → ${peak} → ${peak * alpha}, ${warmup} of ${decay} steps)`,
    join(
      [linear({ init, end: peak, steps: warmup }), cosine({ init: peak, steps: decay - warmup, alpha, exponent })],
      [warmup],
    ),
  );
}
