/** Finding a GPU: the runtime's own WebGPU, or that of an optional package. */
import { LossError } from "../../loss/error.ts";
import { type Host, hostOf } from "../host.ts";
import type { Adapter, BackendOptions } from "../options.ts";
import { isSoftware } from "../software.ts";
import { importOptional } from "./optional.ts";

export const where = 'useBackend("webgpu")';

export interface FoundAdapter extends EntryPoint {
  readonly adapter: GPUAdapter;
  readonly description: Adapter;
}

/** Something that may have WebGPU. */
interface Source {
  readonly name: string;
  /** null where it is not installed. */
  readonly load: () => Promise<EntryPoint | null>;
}

interface EntryPoint {
  readonly gpu: GPU;
  /** The constants and classes that tensorflow.js expects to be global, where the runtime does not bring them. */
  readonly globals: object;
  /** Another that is better for a software driver. */
  readonly forSoftware?: () => GPU;
}

const own: Source = {
  name: "this runtime's own WebGPU",
  load: async () => {
    const gpu = (globalThis.navigator as { readonly gpu?: GPU | null } | undefined)?.gpu ?? null;
    return gpu === null ? null : { gpu, globals: {} };
  },
};

/**
 * SwiftShader leaves the clearing of workgroup memory to one instruction a word, which makes up most of the time in which
 * it compiles a program with a few thousand words. With this Dawn writes it as a loop.
 */
const clearingByLoops = "disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension";

/** Dawn, as the npm package webgpu brings it. */
const dawn: Source = {
  name: "webgpu",
  load: async () => {
    const module = (await importOptional("webgpu")) as DawnModule | null;
    if (module === null) return null;
    return { gpu: module.create([]), globals: module.globals, forSoftware: () => module.create([clearingByLoops]) };
  },
};

/** Dawn by Bun's foreign function interface. */
const bunDawn: Source = {
  name: "bun-webgpu",
  load: async () => {
    const module = (await importOptional("bun-webgpu")) as BunDawnModule | null;
    return module === null ? null : { gpu: await module.createGPUInstance(), globals: module.globalConstructors };
  },
};

interface DawnModule {
  create(options: readonly string[]): GPU;
  readonly globals: object;
}

interface BunDawnModule {
  createGPUInstance(): Promise<GPU>;
  readonly globalConstructors: object;
}

/** In the order in which they are tried. */
const sources: Readonly<Record<Host, readonly Source[]>> = {
  Bun: [own, dawn, bunDawn],
  Deno: [own],
  Node: [own, dawn],
  browser: [own],
};

/** The first adapter that computes; rejects with what is missing. */
export async function findAdapter({ powerPreference = "high-performance" }: BackendOptions): Promise<FoundAdapter> {
  const host = hostOf();
  const failures: string[] = [];
  let installed = false;
  for (const { name, load } of sources[host]) {
    try {
      const entry = await load();
      if (entry === null) continue;
      installed = true;
      const adapter = await entry.gpu.requestAdapter({ powerPreference });
      if (adapter === null) failures.push(`${name} has no adapter: it found no GPU with a driver that it can use`);
      else if (isNull(adapter)) failures.push(`${name} has only a Null adapter, which computes nothing`);
      else return (await foundForSoftware(entry, adapter, powerPreference)) ?? found(entry, adapter);
    } catch (error) {
      failures.push(`${name} does not start (${error instanceof Error ? error.message : String(error)})`);
    }
  }
  if (failures.length === 0) throw new LossError(where, ...whatIsMissing(host));
  throw new LossError(where, failures.join("; "), installed ? driverRemedy(host) : whatIsMissing(host)[1]);
}

function found(entry: EntryPoint, adapter: GPUAdapter): FoundAdapter {
  return { ...entry, adapter, description: describe(adapter.info) };
}

/** The same adapter of the entry point that is better for a software driver; null where it is none. */
async function foundForSoftware(
  entry: EntryPoint,
  { info }: GPUAdapter,
  powerPreference: GPUPowerPreference,
): Promise<FoundAdapter | null> {
  if (entry.forSoftware === undefined || !describe(info).isSoftware) return null;
  const gpu = entry.forSoftware();
  const adapter = await gpu.requestAdapter({ powerPreference });
  return adapter === null || isNull(adapter) ? null : found({ ...entry, gpu }, adapter);
}

/** Dawn's Null adapter accepts all commands and computes garbage without an error. */
function isNull({ info }: GPUAdapter): boolean {
  return info.device === "null-backend";
}

function describe(info: GPUAdapterInfo): Adapter {
  const names = [info.vendor, info.architecture, info.device, info.description].filter((name) => name !== "");
  const description = info.description === "" ? names.join(" ") : info.description;
  const { isFallbackAdapter } = info as { readonly isFallbackAdapter?: boolean };
  return { description, isSoftware: isFallbackAdapter === true || isSoftware(names.join(" ")) };
}

function whatIsMissing(host: Host): [what: string, remedy: string] {
  if (host === "Deno") {
    return ["this Deno has no WebGPU", "Update Deno, or run it with --unstable-webgpu, or use another backend"];
  }
  if (host === "Node") {
    return [
      "Node has no WebGPU of its own, and the package webgpu is not installed",
      'Install it: npm install webgpu (about 133 MB), or use another backend: useBackend("wasm")',
    ];
  }
  if (host === "Bun") {
    return [
      "Bun has no WebGPU of its own, and neither the package webgpu nor bun-webgpu is installed",
      'Install one: bun add webgpu (about 133 MB), or use another backend: useBackend("wasm")',
    ];
  }
  if ((globalThis as { readonly isSecureContext?: boolean }).isSecureContext === false) {
    return ["this page has no WebGPU, since it is not served over https", "Serve it over https or from localhost"];
  }
  return [
    "this browser has no WebGPU",
    'Use one that has (Chrome on Linux needs --enable-unsafe-webgpu), or another backend: useBackend("wasm")',
  ];
}

function driverRemedy(host: Host): string {
  if (host === "browser") {
    return "Turn on hardware acceleration, or start Chrome with --enable-unsafe-webgpu (on Linux also --enable-features=Vulkan)";
  }
  if (host === "Deno") {
    return "Install the GPU's Vulkan driver, or a software one (Debian: apt-get install mesa-vulkan-drivers)";
  }
  return (
    "Install the GPU's driver (on Linux a Vulkan one, with libvulkan1), or let VK_DRIVER_FILES name the file " +
    "vk_swiftshader_icd.json of an installed Chromium, a software driver (Mesa's is not accepted)"
  );
}
