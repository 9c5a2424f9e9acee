/** What the schedules of one cycle share: up from init to a peak, and down to an end far below init. */
import { type Bounds, finite } from "../loss/schedule.ts";
import { checkOptions, positive } from "./scheduleOptions.ts";

/** Options of a schedule of one cycle. */
export interface OneCycleOptions {
  /** How many steps the whole cycle takes, more than 0. */
  readonly steps: number;
  /** The largest value. */
  readonly peak: number;
  /** The share of the steps after which the value is at its peak, from 0 to 1; 0.3 by default. */
  readonly pctStart?: number;
  /** The first value is peak / divFactor; above 0, 25 by default. */
  readonly divFactor?: number;
  /** The last value is peak / (divFactor · finalDivFactor); above 0, 1e4 by default. */
  readonly finalDivFactor?: number;
}

/** Checked options, and the first and the last value. */
export type OneCycle = Readonly<Record<"steps" | "peak" | "pctStart" | "init" | "end", number>>;

/** A share of the steps. */
export const share: Bounds = { lowest: 0, highest: 1 };

export function readOneCycle(options: OneCycleOptions, name: string): OneCycle {
  checkOptions(options, name, "{ steps: 1000, peak: 1 }");
  const steps = positive(options.steps, `${name}({ steps })`, "number of steps");
  const peak = finite(options.peak, `${name}({ peak })`);
  const pctStart = finite(options.pctStart ?? 0.3, `${name}({ pctStart })`, share);
  const divFactor = positive(options.divFactor ?? 25, `${name}({ divFactor })`, "factor");
  const finalDivFactor = positive(options.finalDivFactor ?? 1e4, `${name}({ finalDivFactor })`, "factor");
  const init = peak / divFactor;
  return { steps, peak, pctStart, init, end: init / finalDivFactor };
}
