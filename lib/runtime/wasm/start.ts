/** tensorflow.js's wasm backend, with what it lacks for training. */
import * as tf from "@tensorflow/tfjs";
import { registerWasmKernels } from "../../kernels/wasm/register.ts";
import { LossError } from "../../loss/error.ts";
import { keepInBundle } from "../bundle.ts";
import { type Registration, registrationOf, replaceBackend, startedBackend } from "../engine.ts";
import type { BackendOptions } from "../options.ts";
import { carriedFile, where } from "./files.ts";

type Package = typeof import("@tensorflow/tfjs-backend-wasm");

/** How tensorflow.js itself makes the backend. */
let original: Registration | undefined;

export async function startWasm({ wasmPaths }: BackendOptions): Promise<void> {
  const backendPackage = await import("@tensorflow/tfjs-backend-wasm").catch((cause: unknown) => {
    throw new LossError(
      where,
      `@tensorflow/tfjs-backend-wasm cannot be loaded (${String(cause)})`,
      "Install it beside @tensorflow/tfjs: npm install @tensorflow/tfjs-backend-wasm",
    );
  });
  if (startedBackend("wasm") === undefined) {
    original ??= registrationOf("wasm");
    if (original === undefined) {
      throw new LossError(
        where,
        "@tensorflow/tfjs-backend-wasm has not registered its backend with this copy of tensorflow.js",
        "Install one version of @tensorflow/tfjs and of its backends",
      );
    }
    const backend = await make(original, backendPackage, wasmPaths);
    replaceBackend("wasm", { ...original, factory: () => backend });
  }
  // Some of the kernels are those of cpu.
  await keepInBundle("cpu", () => import("@tensorflow/tfjs-backend-cpu"));
  await tf.setBackend("wasm");
  registerWasmKernels();
}

/** Removes the backend with all that is on it, its memory and its threads. */
export function disposeWasm(): void {
  replaceBackend("wasm", original);
}

/** Made here, since tensorflow.js prints why it does not start, and tells its caller only that. */
async function make(
  { factory }: Registration,
  { setWasmPaths, version_wasm: version }: Package,
  wasmPaths: BackendOptions["wasmPaths"],
): Promise<tf.KernelBackend> {
  const carried = wasmPaths === undefined ? await carriedFile(version) : null;
  try {
    if (wasmPaths !== undefined) setWasmPaths(wasmPaths as string | Record<string, string>);
    if (carried !== null) {
      // The file with threads is another.
      tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
      setWasmPaths(carried.files, true);
    }
    return await factory();
  } catch (cause) {
    throw new LossError(
      where,
      `the backend's .wasm file does not start (${(cause as Partial<Error>)?.message ?? String(cause)})`,
      "Serve the .wasm files of @tensorflow/tfjs-backend-wasm and give their folder, { wasmPaths }",
    );
  } finally {
    carried?.release();
  }
}
