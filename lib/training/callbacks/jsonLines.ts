import { LossError } from "../../loss/error.ts";
import { appender } from "../file.ts";
import type { TrainingCallback } from "./trainingCallback.ts";

/** Options of `jsonLines`. */
export interface JSONLinesOptions {
  /** The time in milliseconds since 1970; Date.now by default. */
  readonly now?: () => number;
}

/**
 * A log of JSON, a line each: { time, batch, …logs } after each batch and { time, epoch, …logs } after each epoch, time in
 * ISO 8601. JSON has no NaN and no infinities; they are written as the strings "NaN", "Infinity" and "-Infinity".
 *
 * @param to the path of a file, which is appended to, a new line first where a killed process has left half of one; or a
 * function that takes each line, its newline with it.
 *
 * @example
 * ```ts
 * import { jsonLines } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const lines: string[] = [];
 * const log = jsonLines((line) => void lines.push(line), { now: () => 0 });
 * await log.onTrainBegin();
 * await log.onBatchEnd(0, { loss: Number.NaN, tokens: 512 });
 * await log.onTrainEnd();
 * expect(lines).toEqual(['{"time":"1970-01-01T00:00:00.000Z","batch":0,"loss":"NaN","tokens":512}\n']);
 * ```
 */
export function jsonLines(
  to: string | ((line: string) => void | Promise<void>),
  options: JSONLinesOptions = {},
): TrainingCallback {
  const { now = Date.now } = options;
  const where = "jsonLines(to)";
  if (typeof to !== "string" && typeof to !== "function") {
    throw new LossError(where, `got ${String(to)}`, "Give the path of a file, or a function of a line");
  }
  const append = typeof to === "string" ? appender(to, where) : async (line: string) => to(line);
  const write = (about: object, logs: Readonly<Record<string, unknown>> = {}): Promise<void> => {
    const entry = { time: new Date(now()).toISOString(), ...about };
    const numbers = Object.entries(logs).filter(([name, value]) => typeof value === "number" && !(name in entry));
    return append(`${JSON.stringify({ ...entry, ...Object.fromEntries(numbers.map(asJSON)) })}\n`);
  };
  return {
    onTrainBegin: async () => {},
    onBatchEnd: (batch, logs) => write({ batch }, logs),
    onEpochEnd: (epoch, logs) => write({ epoch }, logs),
    onTrainEnd: async () => {},
  };
}

function asJSON([name, value]: [string, unknown]): [string, unknown] {
  return [name, Number.isFinite(value) ? value : String(value)];
}
