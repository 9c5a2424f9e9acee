/** PyTorch as a live oracle, in a Python process. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface TorchCase {
  readonly logits: unknown;
  readonly labels: unknown;
  /** With a teacher, the case is T² kl_div of its softmax, without the labels. */
  readonly teacher?: unknown;
  readonly temperature?: number;
  /** Whether the labels are a weight for each class. */
  readonly soft: boolean;
  readonly weight: readonly number[] | null;
  readonly ignoreIndex: number;
  readonly reduction: "none" | "sum" | "mean";
  readonly labelSmoothing: number;
}

/** A loss over values; `values` names one of the script's. */
export interface TorchValuesCase {
  readonly values: string;
  readonly predictions: unknown;
  readonly targets: unknown;
  readonly option: number | null;
  readonly reduction: "none" | "sum" | "mean" | "batchmean";
  /** Whether the gradient of the targets is asked for too. */
  readonly learnsTargets: boolean;
}

/** A loss over rows by its name in the oracle. */
export interface NamedTorchCase {
  readonly loss: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly logits: unknown;
  readonly labels: unknown;
  readonly soft: boolean;
}

/** A loss on preferences by its name in the oracle. */
export interface TorchPreferenceCase {
  readonly preference: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Log-probabilities [N, 2], or with labels [2, N, T] the logits that they come from, [2, N, T, V]. */
  readonly policy: unknown;
  readonly reference: unknown;
  readonly labels?: unknown;
  readonly per?: "sum" | "mean";
}

/** PyTorch's triplet margin loss; the gradients come one after the other. */
export interface TorchTripletCase {
  /** Anchors, positives and negatives, [3, N, D]. */
  readonly triplets: unknown;
  readonly margin: number;
  /** null for infinity. */
  readonly p: number | null;
  readonly swap: boolean;
}

/** Steps of training with a mean squared error a task over weights that they share. */
export interface SeveralTorchCase {
  readonly several: "grad norm" | "uncertainty";
  readonly x: unknown;
  readonly shared: unknown;
  readonly targets: readonly unknown[];
  readonly scales: readonly number[];
  readonly steps: number;
  readonly rate: number;
  readonly weightRate: number;
  readonly alpha?: number;
  readonly init?: number;
}

type AnyTorchCase =
  | TorchCase
  | NamedTorchCase
  | TorchValuesCase
  | TorchPreferenceCase
  | TorchTripletCase
  | SeveralTorchCase;
export interface TorchAnswer {
  readonly value: readonly number[];
  readonly gradient: readonly number[];
  /** null for NaN. */
  readonly labelsGradient: readonly (number | null)[] | null;
}

/** Whether there is PyTorch, which takes seconds to import. */
const looks = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)";

/** The Python that has PyTorch, or null. */
export const torchPython: string | null =
  ["/usr/bin/python3", "python3"].find((python) => spawnSync(python, ["-c", looks]).status === 0) ?? null;

/** Whether tests against PyTorch run. On CI they must; elsewhere one line says what to install. */
export function hasTorch(): boolean {
  if (torchPython !== null || process.env["CI"] !== undefined) return true;
  console.warn("Skipped: PyTorch is not installed (Debian: apt-get install python3-torch; else: pip install torch).");
  return false;
}

/** PyTorch's answers, in order. */
export function askTorch(cases: readonly AnyTorchCase[]): readonly TorchAnswer[] {
  if (torchPython === null) throw new Error("PyTorch is not installed: apt-get install python3-torch");
  const script = fileURLToPath(new URL("../oracle/torch_oracle.py", import.meta.url));
  const { status, stdout, stderr } = spawnSync(torchPython, [script], {
    input: JSON.stringify(cases),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`PyTorch failed: ${stderr}`);
  return JSON.parse(stdout) as readonly TorchAnswer[];
}
