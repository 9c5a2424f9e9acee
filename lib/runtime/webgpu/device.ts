/** A device with all that an adapter offers, and the surroundings that tensorflow.js expects of one. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { LossError } from "../../loss/error.ts";
import { type FoundAdapter, where } from "./adapter.ts";

/** What the backend may use of an adapter; a device has the lowest of each otherwise. */
const limits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
  // Of newer implementations; bun-webgpu gives no device whose compute stage has more than these.
  "maxStorageBuffersInVertexStage",
  "maxStorageBuffersInFragmentStage",
  "maxStorageTexturesInVertexStage",
  "maxStorageTexturesInFragmentStage",
] as const;

const features = ["timestamp-query", "subgroups", "shader-f16"] as const;

/** tensorflow.js's backend on a new device. */
export async function makeBackend({ adapter, gpu, globals }: FoundAdapter): Promise<WebGPUBackend> {
  const { WebGPUBackend: Backend } = await importBackend();
  const device = await requestDevice(adapter);
  setGlobals({ ...classesOf(device), ...globals });
  return withNavigator(gpu, () => new Backend(device, adapter.info));
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

async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const offers = adapter.limits as unknown as Readonly<Record<string, number | undefined>>;
  // A limit that an implementation does not know is undefined, and must not be asked for.
  const known = limits.filter((name) => offers[name] !== undefined);
  return await adapter
    .requestDevice({
      requiredLimits: Object.fromEntries(known.map((name) => [name, offers[name] as number])),
      requiredFeatures: features.filter((name) => adapter.features.has(name as GPUFeatureName)) as GPUFeatureName[],
    })
    .catch((cause: unknown) => {
      throw new LossError(where, `the adapter gives no device (${String(cause)})`, "Update the driver");
    });
}

/** The classes of what a device makes, by which tensorflow.js tells a buffer from a texture. */
function classesOf(device: GPUDevice): object {
  if ("GPUBuffer" in globalThis) return {};
  const buffer = device.createBuffer({ size: 4, usage: 8 });
  const texture = device.createTexture({ size: [1, 1], format: "rgba8unorm", usage: 4 });
  const classes = { GPUBuffer: buffer.constructor, GPUTexture: texture.constructor };
  buffer.destroy();
  texture.destroy();
  return classes;
}

function setGlobals(values: object): void {
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
}

/**
 * Runs `make` while `navigator.gpu` is there, which tensorflow.js looks for. Left there, Dawn's keeps Node from ending.
 */
function withNavigator<T>(gpu: GPU, make: () => T): T {
  const navigator = globalThis.navigator as { readonly gpu?: GPU | null } | undefined;
  if (navigator?.gpu) return make();
  if (navigator === undefined) {
    Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
    try {
      return make();
    } finally {
      Reflect.deleteProperty(globalThis, "navigator");
    }
  }
  Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
  try {
    return make();
  } finally {
    Reflect.deleteProperty(navigator, "gpu");
  }
}
