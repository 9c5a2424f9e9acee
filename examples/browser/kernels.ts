/** What runs: the backend, and what reads a loss's logits on it, as `explain` says. */
import { type AnyLoss, type BackendReport, explain } from "lossmith";

/** How a loss is computed on the current backend. */
export interface LossKernels {
  /** Whether a kernel of lossmith's own reads the logits; it passed its self-test on this device then. */
  readonly isFused: boolean;
  /** In a sentence: which kernel, and how often it reads the logits. */
  readonly reads: string;
  /** The formula, the weights and the whole plan. */
  readonly explanation: string;
}

export function kernelsOf(loss: AnyLoss): LossKernels {
  const explanation = explain(loss);
  const reads = /^ *row statistics: (.*)$/m.exec(explanation)?.[1] ?? "no logits are read";
  return { isFused: reads.startsWith("fused"), reads, explanation };
}

/** The backend in a sentence, and its processor where there is one. */
export function describeBackend({ backend, adapter }: BackendReport): string {
  if (adapter === null) return backend;
  return `${backend}, on ${adapter.description}${adapter.isSoftware ? " (a program in place of a GPU: slow)" : ""}`;
}
