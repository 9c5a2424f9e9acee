/** tensorflow.js's wasm backend, with what it lacks for training. */
import * as tf from "@tensorflow/tfjs";
import { registerWasmKernels } from "../../kernels/wasm/register.ts";
import { LossError } from "../../loss/error.ts";
import { registrationOf, replaceBackend, startedBackend } from "../engine.ts";
import type { BackendOptions } from "../options.ts";

const where = 'useBackend("wasm")';

export async function startWasm({ wasmPaths }: BackendOptions): Promise<void> {
  const { setWasmPaths } = await import("@tensorflow/tfjs-backend-wasm").catch((cause: unknown) => {
    throw new LossError(
      where,
      `@tensorflow/tfjs-backend-wasm cannot be loaded (${String(cause)})`,
      "Install it beside @tensorflow/tfjs: npm install @tensorflow/tfjs-backend-wasm",
    );
  });
  if (startedBackend("wasm") === undefined) {
    if (wasmPaths !== undefined) setWasmPaths(wasmPaths);
    await make();
  }
  await tf.setBackend("wasm");
  registerWasmKernels();
}

/** Makes the backend here, since tensorflow.js prints why it does not start, and tells its caller only that. */
async function make(): Promise<void> {
  const registration = registrationOf("wasm");
  if (registration === undefined) throw new LossError(where, "?", "?");
  const backend = await Promise.resolve(registration.factory()).catch((cause: unknown) => {
    throw new LossError(where, String(cause), "?");
  });
  replaceBackend("wasm", { ...registration, factory: () => backend });
}
