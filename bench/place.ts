/** A place where a backend's calls are made: this process, or a page in a browser. */
import type { Shape } from "./batches.ts";
import type { CompositionName } from "./compositions.ts";
import type { FormName } from "./forms.ts";
import type { KernelCounts } from "./kernelCounts.ts";
import type { Outcome, PassName } from "./passes.ts";

/** A number for each form that there is on the backend. */
export type OfForms<T> = Readonly<Partial<Record<FormName, T>>>;

/** What one call computed, and the most bytes of tensors that it held at once. */
export interface FollowedOutcome extends Outcome {
  readonly peakBytes: number;
}

/** Who computes. */
export interface Surroundings {
  /** The runtime and its version. */
  readonly runtime: string;
  /** The GPU, or the software driver in its stead, as it calls itself; null where the processor computes. */
  readonly device: string | null;
}

/**
 * What is asked of a place. Arguments and answers are plain data, since they may travel. One batch, or one batch's
 * compositions, is loaded at a time.
 */
export interface Place {
  surroundings(): Promise<Surroundings>;
  countKernels(): Promise<OfForms<KernelCounts>>;
  load(shape: Shape): Promise<void>;
  /** One call that warms up the ones that are timed. */
  outcome(pass: PassName, form: FormName): Promise<FollowedOutcome>;
  /** The milliseconds of a call. */
  time(pass: PassName, form: FormName): Promise<number>;
  timeCopy(): Promise<number>;
  unload(): Promise<void>;
  /** The bytes that a fresh heap grows by for the loss and its gradient; null where there is no heap. */
  heapGrowth(shape: Shape): Promise<OfForms<number> | null>;
  /** Answers with the kernels of each. */
  loadCompositions(shape: Shape): Promise<Readonly<Record<CompositionName, KernelCounts>>>;
  /** The milliseconds of forward and backward. */
  timeComposition(name: CompositionName): Promise<number>;
  unloadCompositions(): Promise<void>;
}
