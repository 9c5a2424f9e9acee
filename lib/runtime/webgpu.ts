/**
 * Starts tensorflow.js's webgpu backend on the runtime's own WebGPU (Deno, browsers), and turns what it does in silence
 * into errors: a program that the device refused, a buffer that is too large, a tensor read without waiting, a lost
 * device.
 */
import * as tf from "@tensorflow/tfjs";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { LossError } from "../loss/error.ts";

const where = 'useBackend("webgpu")';

/** What the backend may use of an adapter; a device has the lowest of each otherwise. */
const limits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
] as const;

const features = ["timestamp-query", "subgroups", "shader-f16"] as const;

/** Makes webgpu the backend; rejects with what is missing. */
export async function startWebGPU(): Promise<void> {
  const adapter = await requestAdapter();
  const { WebGPUBackend: Backend } = await importBackend();
  const device = await adapter.requestDevice({
    requiredLimits: Object.fromEntries(limits.map((name) => [name, adapter.limits[name]])),
    requiredFeatures: features.filter((name) => adapter.features.has(name as GPUFeatureName)) as GPUFeatureName[],
  });
  const backend = guard(new Backend(device, adapter.info));
  tf.removeBackend("webgpu");
  tf.registerBackend("webgpu", () => backend);
  await tf.setBackend("webgpu");
}

async function requestAdapter(): Promise<GPUAdapter> {
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu as GPU | undefined;
  if (gpu === undefined) {
    throw new LossError(
      where,
      "this runtime has no WebGPU of its own",
      'Use Deno or a browser with WebGPU, or another backend: useBackend("wasm")',
    );
  }
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) {
    throw new LossError(
      where,
      "there is no adapter: no GPU with a Vulkan, Metal or Direct3D driver was found",
      "Install the GPU's driver, or a software one (Debian: apt-get install mesa-vulkan-drivers)",
    );
  }
  // It computes garbage without an error.
  if (adapter.info.device === "null-backend") {
    throw new LossError(where, "the only adapter is a Null one, which computes nothing", "Install the GPU's driver");
  }
  return adapter;
}

async function importBackend(): Promise<typeof import("@tensorflow/tfjs-backend-webgpu")> {
  return await import("@tensorflow/tfjs-backend-webgpu").catch((cause: unknown) => {
    throw new LossError(
      where,
      `@tensorflow/tfjs-backend-webgpu cannot be loaded (${String(cause)})`,
      "Install it beside @tensorflow/tfjs: npm install @tensorflow/tfjs-backend-webgpu",
    );
  });
}

/** The same backend, whose reads throw what the device reported. */
function guard(backend: WebGPUBackend): WebGPUBackend {
  const { device } = backend;
  const reported: string[] = [];
  let lost: string | null = null;
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    reported.push((event as GPUUncapturedErrorEvent).error.message);
  });
  device.lost.then(({ reason, message }) => {
    if (reason !== "destroyed") lost = message || "no reason is given";
  });
  const throwReported = (): void => {
    if (lost !== null) {
      throw new LossError("webgpu", `the device was lost: ${lost}`, `Call ${where} again and make the tensors anew`);
    }
    if (reported.length === 0) return;
    const messages = reported.splice(0).join("; ");
    throw new LossError(
      "webgpu",
      `the device refused a command: ${messages}`,
      "Numbers read since are not to be trusted",
    );
  };
  const { read, readSync } = backend;
  backend.read = async (dataId) => {
    throwReported();
    const values = await read.call(backend, dataId);
    throwReported();
    return values;
  };
  backend.readSync = (dataId) => {
    const { values, dtype } = backend.tensorMap.get(dataId);
    if (values !== undefined && values !== null) return readSync.call(backend, dataId);
    throw new LossError(
      "webgpu",
      `a ${dtype} tensor was read without waiting for the device`,
      "Use await tensor.data() in place of tensor.dataSync()",
    );
  };
  const largest = Math.min(device.limits.maxStorageBufferBindingSize, device.limits.maxBufferSize);
  const { acquireBuffer } = backend.bufferManager;
  backend.bufferManager.acquireBuffer = (size, ...rest) => {
    if (size > largest) {
      throw new LossError(
        "webgpu",
        `a tensor needs a buffer of ${size} bytes, and the device binds ${largest} at most`,
        "Make the batch smaller, or split the tensor",
      );
    }
    return acquireBuffer.call(backend.bufferManager, size, ...rest);
  };
  return backend;
}
