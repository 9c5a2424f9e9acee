/** The GPU that is measured, by name, and whether it is one. */

/** What an adapter says of itself. Some runtimes give numbers for names, or nothing. */
export interface Adapter {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  /** A driver that computes on the processor. */
  readonly isSoftware: boolean;
}

/** The drivers that compute on the processor: Mesa's, Chromium's and Windows's. */
const softwareNames = /llvmpipe|lavapipe|softpipe|swrast|swiftshader|basic render|\bwarp\b/i;

/** The adapter that `useBackend` will take. @throws Error, with what to install in a line. */
export async function findAdapter(): Promise<Adapter> {
  const gpu = navigator.gpu as GPU | undefined;
  if (gpu === undefined) throw new Error("this runtime has no WebGPU; install Deno and use npm run bench:gpu");
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) {
    throw new Error(
      "there is no adapter; install the GPU's driver, and on Linux the Vulkan loader too (Debian: apt-get install libvulkan1)",
    );
  }
  return describe(adapter.info);
}

/** An adapter's description as plain data. */
export function describe(info: GPUAdapterInfo): Adapter {
  const { vendor, architecture, device, description, isFallbackAdapter } = info;
  const isSoftware = isFallbackAdapter || softwareNames.test([vendor, device, description].join(" "));
  return { vendor, architecture, device, description, isSoftware };
}

/** A device's name as a part of a file's name. */
export function slugOf(device: string): string {
  return device
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");
}
