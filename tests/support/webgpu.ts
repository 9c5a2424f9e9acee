/** Starts the webgpu backend of tensorflow.js by hand, where the runtime has a GPU or a software driver for one. */
import process from "node:process";
import * as tf from "@tensorflow/tfjs";
import { denoAPIs } from "./denoAPIs.ts";

// Deno looks at it when an adapter is requested for the first time.
for (const [name, value] of Object.entries(denoAPIs)) process.env[name] ??= value;

/** Errors that the device reported since the last look. */
const reported: string[] = [];

/** As the backend itself asks for: eight storage buffers for a program remain the most. */
const limits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
] as const;

export async function hasWebGPU(): Promise<boolean> {
  if (typeof navigator === "undefined" || !("gpu" in navigator) || !navigator.gpu) return false;
  return (await navigator.gpu.requestAdapter().catch(() => null)) !== null;
}

export async function startWebGPU(): Promise<void> {
  if (!(await hasWebGPU())) throw new Error("this runtime has no WebGPU adapter");
  const { WebGPUBackend } = await import("@tensorflow/tfjs-backend-webgpu");
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new Error("the adapter is gone");
  const device = await adapter.requestDevice({
    requiredLimits: Object.fromEntries(limits.map((name) => [name, adapter.limits[name]])),
  });
  device.addEventListener("uncapturederror", ({ error }) => {
    reported.push(error.message);
  });
  // The package's own start asks for other limits.
  tf.removeBackend("webgpu");
  tf.registerBackend("webgpu", () => new WebGPUBackend(device, adapter.info));
  await tf.setBackend("webgpu");
}

/** Broken shaders and buffers that are too large come back as zeros: whoever reads a tensor looks here next. */
export function expectNoDeviceErrors(): void {
  if (reported.length > 0) throw new Error(`the device reported: ${reported.splice(0).join("; ")}`);
}
