/** The files in bench/results. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { CompositionResults, CrossEntropyResults, Results } from "./results.ts";

const folder = new URL("./results/", import.meta.url);

/** Reads a file of results. */
export function loadResult<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, folder), "utf8")) as T;
}

/** Writes a file of results. */
export function saveResult(name: string, text: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(name, folder), text);
}

/** Writes both files of the comparison. */
export function saveResults({ machine, backends, compositions }: Results): void {
  saveResult("cross-entropy.json", asJson({ machine, backends } satisfies CrossEntropyResults));
  saveResult("composition.json", asJson({ machine, compositions } satisfies CompositionResults));
}

/** Reads both files of the comparison. */
export function loadResults(): Results {
  return {
    ...loadResult<CompositionResults>("composition.json"),
    ...loadResult<CrossEntropyResults>("cross-entropy.json"),
  };
}

/** JSON with numbers of four digits, which is more than is known. */
export function asJson(value: unknown): string {
  const rounded = (_key: string, x: unknown): unknown =>
    typeof x === "number" && !Number.isInteger(x) ? Number(x.toPrecision(4)) : x;
  return `${JSON.stringify(value, rounded, 2)}\n`;
}
