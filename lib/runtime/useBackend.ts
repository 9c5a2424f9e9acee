import * as tf from "@tensorflow/tfjs";
import { testKernel } from "../kernels/choose.ts";
import { registerCpuKernels } from "../kernels/cpu/register.ts";
import { registerWasmKernels } from "../kernels/wasm/register.ts";
import { LossError } from "../loss/error.ts";
import { startWebGPU } from "./webgpu.ts";

/** The backends of tensorflow.js. */
export type BackendName = "webgpu" | "webgl" | "wasm" | "cpu";

const starters: Readonly<Record<BackendName, () => Promise<void>>> = {
  webgpu: async () => {
    await startWebGPU();
    await selfTest("webgpu");
  },
  webgl: () => start("webgl"),
  wasm: async () => {
    await import("@tensorflow/tfjs-backend-wasm").catch((cause: unknown) => {
      throw new LossError(
        "useBackend",
        `@tensorflow/tfjs-backend-wasm cannot be loaded (${String(cause)})`,
        "Install it beside @tensorflow/tfjs: npm install @tensorflow/tfjs-backend-wasm",
      );
    });
    await start("wasm");
    registerWasmKernels();
  },
  cpu: async () => {
    await start("cpu");
    registerCpuKernels();
  },
};

async function start(name: BackendName): Promise<void> {
  const started = await tf.setBackend(name).catch(() => false);
  if (!started)
    throw new LossError("useBackend", `${name} does not start in this runtime`, 'Use "auto", "wasm" or "cpu"');
  await selfTest(name);
}

/** A small product must come back right: a broken driver computes garbage without an error. */
async function selfTest(name: BackendName): Promise<void> {
  const product = tf.tidy(() =>
    tf.matMul(
      tf.tensor2d([
        [1, 2],
        [3, 4],
      ]),
      tf.tensor2d([
        [5, 6],
        [7, 8],
      ]),
    ),
  );
  const values = [...(await product.data())];
  product.dispose();
  if (values.join() !== "19,22,43,50") {
    throw new LossError(
      "useBackend",
      `${name} computes wrong numbers: ${values.join(", ")}`,
      "Update the driver, or use another backend",
    );
  }
}

/**
 * Starts a backend of tensorflow.js and makes it fit for training.
 *
 * "auto" takes the first of wasm and cpu that starts; "webgl" is for browsers, "webgpu" for Deno and browsers that have it.
 * On webgpu a tensor is read by `await tensor.data()`, which throws what the device refused.
 *
 * @returns the name of the backend that passed its self-test.
 * @throws LossError where the backend does not start, with what is missing.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { useBackend } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(await useBackend("cpu")).toBe("cpu");
 * expect(tf.getBackend()).toBe("cpu");
 * ```
 */
export async function useBackend(name: "auto" | BackendName): Promise<BackendName> {
  if (name === "auto") return useBackend("wasm").catch(() => useBackend("cpu"));
  if (!Object.hasOwn(starters, name)) {
    throw new LossError("useBackend", `got ${String(name)}`, 'Give "auto", "webgpu", "webgl", "wasm" or "cpu"');
  }
  await starters[name]();
  await testKernel();
  return name;
}
