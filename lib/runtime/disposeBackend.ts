import * as tf from "@tensorflow/tfjs";
import { LossError } from "../loss/error.ts";
import { registrationOf, replaceBackend, settled, startedBackend } from "./engine.ts";
import { type BackendName, backendNames } from "./options.ts";
import { inTurn } from "./turn.ts";
import { disposeWasm } from "./wasm/start.ts";
import { disposeWebGPU } from "./webgpu/start.ts";

/**
 * Frees a backend, the current one unless it is named, and its device with all tensors on it: what is being read is
 * still read, and any later use of those tensors is an error. `useBackend` starts it again. Nothing happens if it was
 * not started.
 *
 * A program need not call this before it ends.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { disposeBackend, useBackend } from "lossmith";
 * import { expect } from "expect";
 *
 * await useBackend("wasm");
 * const before = tf.backend();
 * await disposeBackend();
 * await useBackend("wasm");
 * expect(tf.backend()).not.toBe(before);
 * ```
 */
export function disposeBackend(name?: BackendName): Promise<void> {
  return inTurn(async () => {
    if (name !== undefined && !backendNames.includes(name)) {
      throw new LossError("disposeBackend", `got ${String(name)}`, 'Give "webgpu", "webgl", "wasm", "cpu", or nothing');
    }
    await settled();
    const given = name ?? tf.getBackend();
    if (startedBackend(given) === undefined) return;
    if (given === "webgpu") await disposeWebGPU();
    else if (given === "wasm") disposeWasm();
    else replaceBackend(given, registrationOf(given));
  });
}
