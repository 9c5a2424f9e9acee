import { linear, type Numeric } from "lossmith";

/** alpha as it comes in over the fine-tuning: cross entropy at the first step, the full exponent at the last. */
export function rampedAlpha(alpha: number, steps: number): Numeric {
  return steps === 1 ? alpha : linear({ init: 0, end: alpha, steps: steps - 1 });
}
