/** The sizes at which the linear form is measured, and the results. */
import type { Machine } from "./machine.ts";

export interface LinearShape {
  /** N. */
  readonly rows: number;
  /** D. */
  readonly width: number;
  /** V. */
  readonly classes: number;
}

export const linearShapes: readonly LinearShape[] = [
  { rows: 1024, width: 256, classes: 50257 },
  { rows: 1024, width: 768, classes: 50257 },
];

/** Where no dense form fits the 4 GiB of WebAssembly: the logits alone are 2.1 GB. */
export const largestShape: LinearShape = { rows: 4096, width: 256, classes: 128256 };

/** Its logits are 206 MB, and its kernel 103 MB: the one is above the 128 MiB of a binding by default, the other below. */
export const shapeOnWebGPU: LinearShape = { rows: 1024, width: 512, classes: 50257 };

/** The forms that are compared; the first is what ratios are to. */
export const linearForms = ["linear", "linear, half of the rows ignored", "dense", "tensorflow.js"] as const;
export type LinearForm = (typeof linearForms)[number];

/** What was measured of all forms at one size. */
export interface LinearMeasured extends LinearShape {
  readonly rounds: number;
  readonly milliseconds: Readonly<Partial<Record<LinearForm, number>>>;
  /** How many times as long as the linear form, the median of the rounds. */
  readonly ratios: Readonly<Partial<Record<LinearForm, number>>>;
  /** The most bytes held beside the inputs and their gradients. */
  readonly peakBytes: Readonly<Partial<Record<LinearForm, number>>>;
}

/** One step of the linear form, where there is no other. */
export interface LinearAlone extends LinearShape {
  readonly milliseconds: number;
  readonly peakBytes: number;
}

/** What was measured on WebGPU. */
export interface LinearOnWebGPU extends LinearAlone {
  readonly device: string;
  /** The bytes that a binding may have. */
  readonly binding: number;
  /** The distance from float64, relative to the value and to the largest entry of a gradient. */
  readonly error: { readonly value: number; readonly hidden: number; readonly kernel: number };
  /** What the dense form's refusal says; null where it computes. */
  readonly refused: string | null;
}

export interface LinearResults {
  readonly machine: Machine;
  readonly shapes: readonly LinearMeasured[];
  readonly largest: LinearAlone;
  readonly webgpu: LinearOnWebGPU;
}
