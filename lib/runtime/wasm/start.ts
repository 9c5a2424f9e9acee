/** tensorflow.js's wasm backend, with what it lacks for training. */
import * as tf from "@tensorflow/tfjs";
import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import { registerWasmKernels } from "../../kernels/wasm/register.ts";
import { LossError } from "../../loss/error.ts";
import { keepInBundle } from "../bundle.ts";
import { type Registration, registrationOf, replaceBackend, startedBackend } from "../engine.ts";
import { hostOf } from "../host.ts";
import type { BackendOptions } from "../options.ts";
import { carriedFile, type FileName, servedFiles, where } from "./files.ts";
import { refuseMissingMemory } from "./memory.ts";
import { unlessWorkerFails } from "./threads.ts";

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
  original ??= registrationOf("wasm");
  if (startedBackend("wasm") === undefined) {
    if (original === undefined) {
      throw new LossError(
        where,
        "@tensorflow/tfjs-backend-wasm has not registered its backend with this copy of tensorflow.js",
        "Install one version of @tensorflow/tfjs and of its backends",
      );
    }
    const backend = await make(original, backendPackage, wasmPaths);
    refuseMissingMemory(backend as BackendWasm);
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
  const given = wasmPaths === undefined ? await carriedFile(version) : await servedFiles(wasmPaths, await fileName());
  const threads = await tf.env().getAsync(hasThreads);
  try {
    // The file with threads is another than the one that is carried.
    if (wasmPaths === undefined && given !== null) tf.env().set(hasThreads, false);
    if (given !== null) setWasmPaths(given.files, given.fetched);
    return await unlessWorkerFails(() => withDirectory(factory));
  } catch (cause) {
    const message = (cause as Partial<Error>)?.message ?? String(cause);
    throw /already initialized/.test(message)
      ? new LossError(
          where,
          "tensorflow.js failed to load its .wasm file before, and does not try again",
          'Start the program anew, with useBackend("wasm") in place of tf.setBackend("wasm")',
        )
      : new LossError(
          where,
          `the backend's .wasm file does not start (${message})`,
          /thread/.test(message)
            ? "Leave @tensorflow/tfjs-backend-wasm unminified, or do without wasmPaths and threads"
            : "Serve the .wasm files of @tensorflow/tfjs-backend-wasm and give their folder, { wasmPaths }",
        );
  } finally {
    tf.env().set(hasThreads, threads);
    given?.release();
  }
}

const hasThreads = "WASM_HAS_MULTITHREAD_SUPPORT";

/** Which of its files the backend loads here. */
async function fileName(): Promise<FileName> {
  if (!(await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT"))) return "tfjs-backend-wasm.wasm";
  return (await tf.env().getAsync(hasThreads)) ? "tfjs-backend-wasm-threaded-simd.wasm" : "tfjs-backend-wasm-simd.wasm";
}

/**
 * Runs `start` where there is a `__dirname`, which tensorflow.js reads under Node and does not need here; a bundle that is
 * an ES module has none.
 */
async function withDirectory<T>(start: () => T | Promise<T>): Promise<T> {
  if (hostOf() === "browser" || "__dirname" in globalThis) return await start();
  Object.defineProperty(globalThis, "__dirname", { value: "/", configurable: true });
  try {
    return await start();
  } finally {
    Reflect.deleteProperty(globalThis, "__dirname");
  }
}
