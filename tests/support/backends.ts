import * as tf from "@tensorflow/tfjs";
import { type BackendName, useBackend } from "lossmith";
import { hasWebGPU } from "./webgpu.ts";

/**
 * The backends that tests run on wherever their own part is, but under Deno: there they are those that only it has, and cpu
 * and wasm are the matter of its cells of the matrix.
 */
export const backends: readonly ("cpu" | "wasm")[] = "Deno" in globalThis ? [] : ["cpu", "wasm"];

/** webgpu where the runtime has an adapter; its tensors are awaited. That one is there is the kernel's own test's matter. */
export const gpuBackends: readonly BackendName[] = (await hasWebGPU()) ? ["webgpu"] : [];

/** Starts a backend for the tests of a block: `beforeAll(startBackend("wasm"))`. */
export function startBackend(name: BackendName): () => Promise<void> {
  return async () => {
    await useBackend(name);
  };
}

const glass = "cpu-behind-glass";
let hasKernels = false;

/** Runs `body` on a backend that the library does not know, as if the host could not read it without waiting. */
export async function behindGlass(body: () => Promise<void>): Promise<void> {
  await useBackend("cpu");
  const cpu = tf.backend();
  tf.registerBackend(glass, () => Object.create(cpu) as tf.KernelBackend);
  if (!hasKernels) tf.copyRegisteredKernels("cpu", glass);
  hasKernels = true;
  await tf.setBackend(glass);
  try {
    await body();
  } finally {
    await useBackend("cpu");
    tf.removeBackend(glass);
  }
}
