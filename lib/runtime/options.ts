import { LossError } from "../loss/error.ts";

/** The backends of tensorflow.js. */
export type BackendName = "webgpu" | "webgl" | "wasm" | "cpu";

/** In the order in which "auto" tries them. */
export const backendNames: readonly BackendName[] = ["webgpu", "webgl", "wasm", "cpu"];

/** How `useBackend` starts a backend; what does not concern the one that starts is not looked at. */
export interface BackendOptions {
  /** Whether to tell what was started and why "auto" passed over others; the name alone otherwise. */
  readonly report?: boolean;
  /** Which of several GPUs webgpu takes: "high-performance" unless told otherwise. */
  readonly powerPreference?: "high-performance" | "low-power";
  /**
   * Where the .wasm files of @tensorflow/tfjs-backend-wasm are served: their folder, or each file's address by its
   * name. It takes the place of `setWasmPaths`. Without it the package's own copy is used.
   */
  readonly wasmPaths?: string | Readonly<Record<string, string>>;
}

/** The processor that a backend on a GPU runs on. */
export interface Adapter {
  /** As the driver names it. */
  readonly description: string;
  /** Whether it is a program that stands in for a GPU, such as SwiftShader or lavapipe. */
  readonly isSoftware: boolean;
}

/** A backend that "auto" tried before the one that it started. */
export interface PassedOver {
  readonly backend: BackendName;
  /** Why it was not taken, and what would change that. */
  readonly because: string;
}

/** What `useBackend(name, { report: true })` resolves to. */
export interface BackendReport {
  /** The backend that passed its self-test. */
  readonly backend: BackendName;
  /** In the order in which they were tried; empty for a named backend. */
  readonly passedOver: readonly PassedOver[];
  /** null on wasm and cpu. */
  readonly adapter: Adapter | null;
}

const known: Readonly<Record<keyof BackendOptions, (value: unknown) => boolean>> = {
  report: (value) => typeof value === "boolean",
  powerPreference: (value) => value === "high-performance" || value === "low-power",
  wasmPaths: (value) =>
    typeof value === "string"
      ? value !== ""
      : isPlain(value) && Object.values(value).every((address) => typeof address === "string"),
};

function isPlain(value: unknown): value is object {
  return Object.prototype.toString.call(value) === "[object Object]";
}

/** Refuses options that are misspelt or of another type. */
export function checkOptions(options: BackendOptions): void {
  if (!isPlain(options)) {
    throw new LossError(
      "useBackend",
      `got ${String(options)} as options`,
      `Give an object of ${Object.keys(known).join(", ")}`,
    );
  }
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(known, name)) {
      throw new LossError("useBackend", `got an option ${name}`, `The options are ${Object.keys(known).join(", ")}`);
    }
    if (value !== undefined && !known[name as keyof BackendOptions](value)) {
      throw new LossError("useBackend", `got ${String(value)} as ${name}`, remedies[name as keyof BackendOptions]);
    }
  }
}

const remedies: Readonly<Record<keyof BackendOptions, string>> = {
  report: "Give true or false",
  powerPreference: 'Give "high-performance" or "low-power"',
  wasmPaths: "Give the address of a folder, or an object from a file's name to its address",
};
