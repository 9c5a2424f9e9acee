/** What the benchmark asks of a backend beside running ops. */
import * as tf from "@tensorflow/tfjs";
import type { BackendName } from "lossmith";
import type { KernelSets } from "./kernelSets.ts";
import type { Meter } from "./meters.ts";

/** Copies a tensor's entries to other memory of the same kind. */
export interface Copier {
  /** Copies, or tells the device to. */
  readonly copy: () => void;
  /** Waits for the copies. */
  readonly finish: () => Promise<void>;
  readonly dispose: () => void;
}

/** The method of a GPU's backend that runs a program; all of its kernels, ours among them, go through it. */
export type ProgramMethod = "runWebGPUProgram" | "runWebGLProgram";

/** What is particular to a GPU. */
export interface Device {
  /** The device's name, as its driver has it. */
  readonly describe: () => Promise<string>;
  readonly programMethod: ProgramMethod;
}

/** A backend to measure on. */
export interface MeasuredBackend {
  readonly name: BackendName;
  /** Starts it, and what of its kernels `useBackend` replaced; null where that is nothing that is measured here. */
  readonly start: () => Promise<KernelSets | null>;
  /** Null where the processor computes. */
  readonly device: Device | null;
  readonly copierOf: (logits: tf.Tensor2D) => Copier;
  readonly meter: () => Meter;
  /** The bytes of the heap that tensors are in; null where there is no heap of the backend's own. */
  readonly heapBytes: (() => number) | null;
}

/** Starts a backend with a heap of its initial size, since a heap only grows. Its tensors are lost. */
export async function restart({ name, start }: MeasuredBackend): Promise<void> {
  const factory = tf.findBackendFactory(name);
  tf.removeBackend(name);
  tf.registerBackend(name, factory);
  await start();
}
