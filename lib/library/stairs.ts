import { LossError } from "../loss/error.ts";
import { finite } from "../loss/schedule.ts";

/** A step, and the factor by which a schedule changes there. */
export interface Stair {
  readonly boundary: number;
  readonly scale: number;
}

/** `{ boundary: scale }` in ascending order of the boundaries; `name` is the schedule's. */
export function stairsOf(scales: Readonly<Record<number, number>>, name: string): readonly Stair[] {
  if (typeof scales !== "object" || scales === null || Array.isArray(scales)) {
    throw new LossError(`${name}(scales)`, `got ${String(scales)}`, "Give { boundary: scale }");
  }
  return Object.entries(scales)
    .map(([key, scale]) => ({
      boundary: boundaryOf(key, name),
      scale: finite(scale, `${name}({ ${key} })`, { lowest: 0 }),
    }))
    .sort((a, b) => a.boundary - b.boundary);
}

function boundaryOf(key: string, name: string): number {
  const boundary = key.trim() === "" ? Number.NaN : Number(key);
  if (Number.isFinite(boundary)) return boundary;
  throw new LossError(`${name}(scales)`, `the boundary "${key}" is no step`, "Give steps as keys: { 100: 0.5 }");
}
