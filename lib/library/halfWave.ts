import { add, constant, multiply, subtract, unary } from "../loss/expression.ts";
import type { Schedule } from "../loss/schedule.ts";

/** Half a wave from 0 to 1, given the share s of the way: ½ (1 − cos π s). */
export function rising(share: Schedule): Schedule {
  return multiply(constant(0.5), subtract(constant(1), wave(share)));
}

/** Half a wave from 1 to 0: ½ (1 + cos π s). */
export function falling(share: Schedule): Schedule {
  return multiply(constant(0.5), add(constant(1), wave(share)));
}

function wave(share: Schedule): Schedule {
  return unary("cos", multiply(constant(Math.PI), share));
}
