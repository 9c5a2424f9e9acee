import type { Schedule } from "../loss/schedule.ts";
import { join } from "./join.ts";
import { linear } from "./linear.ts";

/** A straight line from init to peak over `steps` steps, then `rest`, which sees the steps since then. */
export function warmUp(init: number, peak: number, steps: number, rest: Schedule): Schedule {
  return steps === 0 ? rest : join([linear({ init, end: peak, steps }), rest], [steps]);
}
