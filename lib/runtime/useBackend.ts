import * as tf from "@tensorflow/tfjs";
import { testKernel } from "../kernels/choose.ts";
import { registerCpuKernels } from "../kernels/cpu/register.ts";
import { registerGradients } from "../kernels/gradients.ts";
import { testProducts } from "../kernels/products/choose.ts";
import { LossError } from "../loss/error.ts";
import { keepInBundle } from "./bundle.ts";
import { settled, startedBackend } from "./engine.ts";
import {
  type Adapter,
  type BackendName,
  type BackendOptions,
  type BackendReport,
  backendNames,
  checkOptions,
  type PassedOver,
} from "./options.ts";
import { selfTest } from "./selfTest.ts";
import { inTurn } from "./turn.ts";
import { startWasm } from "./wasm/start.ts";
import { startWebGL } from "./webgl.ts";
import { startWebGPU } from "./webgpu/start.ts";

/** Makes a backend the current one; a software driver in place of a GPU is refused unless it is taken. */
type Start = (options: BackendOptions, takesSoftware: boolean) => Promise<Adapter | null>;

const starts: Readonly<Record<BackendName, Start>> = {
  webgpu: startWebGPU,
  webgl: (_, takesSoftware) => startWebGL(takesSoftware),
  wasm: async (options) => {
    await startWasm(options);
    return null;
  },
  cpu: async () => {
    await keepInBundle("cpu", () => import("@tensorflow/tfjs-backend-cpu"));
    await tf.setBackend("cpu");
    registerCpuKernels();
    return null;
  },
};

/**
 * Starts a backend of tensorflow.js, tests it, and makes it fit for training.
 *
 * "auto" takes the first of webgpu, webgl, wasm and cpu that starts and computes right. It passes over a GPU that is a
 * software driver (SwiftShader, lavapipe), which is slower than wasm; who names the backend gets that one too.
 * webgpu runs in Deno and in browsers that have it, in Bun and Node by the package `webgpu` (in Bun also `bun-webgpu`);
 * webgl runs in browsers, wasm and cpu everywhere. On webgpu a tensor is read by `await tensor.data()`, which throws what
 * the device refused.
 *
 * A backend that runs already is kept, with the tensors on it. One whose device was lost or disposed of is started anew.
 * If nothing starts, the backend that was current before remains so.
 *
 * @returns the name of the backend that passed its self-test; with `{ report: true }` also why earlier ones were passed
 * over, and the GPU.
 * @throws LossError where the backend does not start, with what is missing and what to install or which flag to set.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { useBackend } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(await useBackend("cpu")).toBe("cpu");
 * expect(tf.getBackend()).toBe("cpu");
 *
 * const { backend, passedOver } = await useBackend("auto", { report: true });
 * for (const { backend, because } of passedOver) expect(because).toContain(backend);
 * expect(["webgpu", "webgl", "wasm"]).toContain(backend);
 * ```
 */
export function useBackend(
  name: "auto" | BackendName,
  options: BackendOptions & { readonly report: true },
): Promise<BackendReport>;
export function useBackend(
  name: "auto" | BackendName,
  options?: BackendOptions & { readonly report?: false },
): Promise<BackendName>;
export function useBackend(
  name: "auto" | BackendName,
  options: BackendOptions = {},
): Promise<BackendName | BackendReport> {
  return inTurn(async () => {
    if (name !== "auto" && !backendNames.includes(name)) {
      throw new LossError("useBackend", `got ${String(name)}`, 'Give "auto", "webgpu", "webgl", "wasm" or "cpu"');
    }
    checkOptions(options);
    const report = name === "auto" ? await startFirst(options) : await startNamed(name, options);
    return options.report === true ? report : report.backend;
  });
}

async function startFirst(options: BackendOptions): Promise<BackendReport> {
  const passedOver: PassedOver[] = [];
  for (const backend of backendNames) {
    try {
      return { backend, passedOver, adapter: await start(backend, options, false) };
    } catch (error) {
      passedOver.push({ backend, because: error instanceof Error ? error.message : String(error) });
    }
  }
  throw new LossError(
    "useBackend",
    passedOver.map(({ because }) => because).join("; "),
    "Install one of these backends",
  );
}

async function startNamed(backend: BackendName, options: BackendOptions): Promise<BackendReport> {
  return { backend, passedOver: [], adapter: await start(backend, options, true) };
}

async function start(name: BackendName, options: BackendOptions, takesSoftware: boolean): Promise<Adapter | null> {
  await settled();
  const before = tf.getBackend();
  try {
    const adapter = await starts[name](options, takesSoftware);
    registerGradients();
    await selfTest();
    await testKernel();
    await testProducts();
    return adapter;
  } catch (error) {
    if (startedBackend(before) !== undefined) await tf.setBackend(before);
    throw error;
  }
}
