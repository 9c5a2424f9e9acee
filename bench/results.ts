/** What the benchmark found. */
import type { BackendName } from "lossmith";
import type { Shape } from "./batches.ts";
import type { CompositionName } from "./compositions.ts";
import type { FormName } from "./forms.ts";
import type { Interleaved } from "./interleaved.ts";
import type { KernelCounts } from "./kernelCounts.ts";
import type { Machine } from "./machine.ts";
import type { PassName } from "./passes.ts";
import type { OfForms, Surroundings } from "./place.ts";

/** Who is timed: the forms of tensorflow.js, PyTorch, and a copy of the logits as the machine's limit. */
export type ContenderName = FormName | "pytorch" | "copy";

/** Memory beside the logits, in bytes for each byte of the logits; the gradient makes it 1 at least. */
export interface Memory {
  /** The most that tensors held at once. */
  readonly peakBytesPerLogitsByte: number;
  /** What the heap of a fresh backend grew by; null where it has none. */
  readonly heapGrowthBytesPerLogitsByte: number | null;
}

/** Plain cross entropy on one backend. */
export interface BackendResult extends Surroundings {
  readonly backend: BackendName;
  readonly kernels: OfForms<KernelCounts>;
  readonly cases: readonly CaseResult[];
}

/** Plain cross entropy in one shape. */
export interface CaseResult extends Shape {
  readonly timings: Readonly<Record<PassName, Interleaved<ContenderName>>>;
  readonly memory: OfForms<Memory>;
}

/** Compositions on one backend, in one shape: forward and backward. */
export interface CompositionResult extends Shape, Interleaved<CompositionName> {
  readonly backend: BackendName;
  readonly kernels: Readonly<Record<CompositionName, KernelCounts>>;
}

/** Plain cross entropy against its contenders: the file cross-entropy.json. */
export interface CrossEntropyResults {
  readonly machine: Machine;
  readonly backends: readonly BackendResult[];
}

/** What composition costs: the file composition.json. */
export interface CompositionResults {
  readonly machine: Machine;
  readonly compositions: readonly CompositionResult[];
}

/** Both. */
export type Results = CrossEntropyResults & CompositionResults;
