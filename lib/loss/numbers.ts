import { LossError } from "./error.ts";

/**
 * A float64 copy of an array of finite numbers of at least 0, one for each class. `noun` is what one of them is called.
 */
export function nonNegativeNumbers(entries: ArrayLike<number>, where: string, noun: string): Float64Array {
  if (typeof entries !== "object" || entries === null || !(entries.length > 0)) {
    const got = Array.isArray(entries) || ArrayBuffer.isView(entries) ? "an empty array" : String(entries);
    throw new LossError(where, `got ${got}`, `Give an array with one ${noun} for each class`);
  }
  for (let id = 0; id < entries.length; id++) {
    const entry: unknown = entries[id];
    if (typeof entry === "number" && entry >= 0 && Number.isFinite(entry)) continue;
    const shown = typeof entry === "number" ? String(entry) : `${String(entry)}, a ${typeof entry}`;
    throw new LossError(where, `the ${noun} of id ${id} is ${shown}`, `Give finite numbers of at least 0`);
  }
  return Float64Array.from(entries);
}

/** `value` if it is a whole number of at least 0, else a LossError. */
export function wholeNumber(value: number, where: string): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new LossError(where, `got ${String(value)}`, "Give a whole number of at least 0");
}
