/** What the benchmark found, as it is saved. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { BackendName } from "lossmith";
import type { Shape } from "./batches.ts";
import type { CompositionName } from "./compositions.ts";
import type { FormName } from "./forms.ts";
import type { Interleaved } from "./interleaved.ts";
import type { Machine } from "./machine.ts";
import type { Memory } from "./memory.ts";
import type { PassName } from "./passes.ts";
import type { WideKernels } from "./wideKernels.ts";

/** Who is timed: the forms of tensorflow.js, PyTorch, and a copy of the logits as the machine's limit. */
export type ContenderName = FormName | "pytorch" | "copy";

/** Plain cross entropy on one backend. */
export interface BackendResult {
  readonly backend: BackendName;
  readonly wideKernels: Readonly<Record<FormName, WideKernels>>;
  readonly cases: readonly CaseResult[];
}

/** Plain cross entropy in one shape. */
export interface CaseResult extends Shape {
  readonly timings: Readonly<Record<PassName, Interleaved<ContenderName>>>;
  readonly memory: Readonly<Record<FormName, Memory>>;
}

/** Compositions on one backend, in one shape: forward and backward. */
export interface CompositionResult extends Shape, Interleaved<CompositionName> {
  readonly backend: BackendName;
}

/** The file cross-entropy.json. */
export interface CrossEntropyResults {
  readonly machine: Machine;
  readonly backends: readonly BackendResult[];
}

/** The file composition.json. */
export interface CompositionResults {
  readonly machine: Machine;
  readonly compositions: readonly CompositionResult[];
}

/** Both. */
export type Results = CrossEntropyResults & CompositionResults;

const folder = new URL("./results/", import.meta.url);

/** Writes both files of results. */
export function saveResults({ machine, backends, compositions }: Results): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL("cross-entropy.json", folder), asJson({ machine, backends } satisfies CrossEntropyResults));
  writeFileSync(new URL("composition.json", folder), asJson({ machine, compositions } satisfies CompositionResults));
}

/** Reads both files of results. */
export function loadResults(): Results {
  const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, folder), "utf8"));
  return {
    ...(read("composition.json") as CompositionResults),
    ...(read("cross-entropy.json") as CrossEntropyResults),
  };
}

/** JSON with numbers of four digits, which is more than is known. */
export function asJson(value: unknown): string {
  const rounded = (_key: string, x: unknown): unknown =>
    typeof x === "number" && !Number.isInteger(x) ? Number(x.toPrecision(4)) : x;
  return `${JSON.stringify(value, rounded, 2)}\n`;
}

/** Writes the picture beside the results. */
export function savePicture(svg: string): void {
  writeFileSync(new URL("cross-entropy.svg", folder), svg);
}
