import { add, constant, divide, max, min, multiply, named, pow, subtract } from "../loss/expression.ts";
import { finite, type Schedule, step } from "../loss/schedule.ts";
import { falling } from "./halfWave.ts";
import { join } from "./join.ts";
import { checkOptions, oneOf } from "./scheduleOptions.ts";
import { warmUp } from "./warmUp.ts";

/** The shape of a decay, as a function of the share s of its steps: ½ (1 + cos π s), 1 − s or 1 − √s. */
export type DecayShape = "cosine" | "linear" | "1-sqrt";

/** Options of `warmupStableDecay`. */
export interface WarmupStableDecayOptions {
  /** The value between the warm-up and the decay. */
  readonly peak: number;
  /** How many steps the warm-up takes, at least 0. */
  readonly warmup: number;
  /** How many steps the value stays at its peak, at least 0. */
  readonly stable: number;
  /** How many steps the decay takes, at least 0: the decay alone, unlike `decay` of `warmupCosine`. */
  readonly decay: number;
  /** The value at step 0, where there is a warm-up; `end` by default. */
  readonly init?: number;
  /** The value from the end of the decay on; 0 by default. */
  readonly end?: number;
  /** "cosine" by default. */
  readonly shape?: DecayShape;
}

/**
 * A linear warm-up from init to peak, `stable` steps at the peak, then decay to end: end + (peak − end) f(s) at the share s
 * of the decay's steps, with f(s) = ½ (1 + cos π s), 1 − s or 1 − √s.
 *
 * @throws LossError where an option is not finite, a number of steps is negative, or the shape is another.
 *
 * Source: Hugging Face's `get_wsd_schedule`; Hu et al., arXiv 2404.06395; Hägele et al., arXiv 2405.18392 (1 − √s).
 *
 * @example
 * ```ts
 * import { at, warmupStableDecay } from "lossmith";
 * import { expect } from "expect";
 *
 * const schedule = warmupStableDecay({ peak: 1, warmup: 10, stable: 80, decay: 16, shape: "1-sqrt" });
 * expect([0, 5, 10, 90, 94, 106].map((t) => at(schedule, t))).toEqual([0, 0.5, 1, 1, 0.5, 0]);
 * ```
 */
export function warmupStableDecay(options: WarmupStableDecayOptions): Schedule {
  checkOptions(options, "warmupStableDecay", "{ peak: 1, warmup: 100, stable: 800, decay: 100 }");
  const peak = finite(options.peak, "warmupStableDecay({ peak })");
  const warmup = finite(options.warmup, "warmupStableDecay({ warmup })", { lowest: 0 });
  const stable = finite(options.stable, "warmupStableDecay({ stable })", { lowest: 0 });
  const decay = finite(options.decay, "warmupStableDecay({ decay })", { lowest: 0 });
  const end = finite(options.end ?? 0, "warmupStableDecay({ end })");
  const init = finite(options.init ?? end, "warmupStableDecay({ init })");
  const shape = oneOf(options.shape ?? "cosine", "warmupStableDecay({ shape })", ["cosine", "linear", "1-sqrt"]);
  const share = divide(min(max(step, constant(0)), constant(decay)), constant(decay));
  const decaying = add(constant(end), multiply(constant(peak - end), left[shape](share)));
  return named(
    `warmupStableDecay(${init} → ${peak} → ${end}, ${warmup} + ${stable} + ${decay} steps, ${shape})`,
    warmUp(init, peak, warmup, join([peak, decay === 0 ? end : decaying], [stable])),
  );
}

/** The share of the difference that is left, given the share of the steps. */
const left: Readonly<Record<DecayShape, (share: Schedule) => Schedule>> = {
  cosine: falling,
  linear: (share) => subtract(constant(1), share),
  "1-sqrt": (share) => subtract(constant(1), pow(share, constant(0.5))),
};
