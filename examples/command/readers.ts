/** The options that the demo and the examples have in common. */
import type { Reader } from "./options.ts";

/** A backend that can be asked for; "auto" leaves the choice to `useBackend`. */
export type BackendChoice = "auto" | "wasm" | "cpu" | "webgl" | "webgpu";

export const backends: readonly BackendChoice[] = ["auto", "wasm", "cpu", "webgl", "webgpu"];

export const backendOption: Reader<{ readonly backend: BackendChoice }> = (value) => {
  const backend = backends.find((name) => name === value);
  return backend === undefined ? `one of ${backends.join(", ")}` : { backend };
};

/** A number of steps; `example` is for the message. */
export function stepsOption(example: number): Reader<{ readonly steps: number }> {
  return (value) => {
    const steps = toNumber(value);
    return isWhole(steps, 1, 1_000_000) ? { steps } : `a whole number from 1 to 1000000, such as ${example}`;
  };
}

export const seedOption: Reader<{ readonly seed: number }> = (value) => {
  const seed = toNumber(value);
  return isWhole(seed, 0, 2 ** 32 - 1) ? { seed } : "a whole number from 0 to 4294967295, such as 1";
};

/** The folder of the report; `example` is for the message. */
export function outOption(example: string): Reader<{ readonly out: string }> {
  return (value) => (value.trim() === "" ? `the name of a folder, such as ${example}` : { out: value });
}

export function isWhole(value: number, lowest: number, highest: number): boolean {
  return Number.isInteger(value) && value >= lowest && value <= highest;
}

/** NaN for a blank value, which Number would read as 0. */
export function toNumber(value: string): number {
  return value.trim() === "" ? Number.NaN : Number(value);
}
