/** The functions that every program over rows is written with. */
import { arithmetic, twoFloats } from "./arithmetic.ts";
import { cappedEntries, lostEntries } from "./entries.ts";
import type { ViewPlan } from "./plan.ts";

export function prelude(views: readonly ViewPlan[]): string {
  return `
${arithmetic}
${twoFloats}
${lostEntries}
${views.some(({ cap }) => cap !== null) ? cappedEntries : ""}`;
}
