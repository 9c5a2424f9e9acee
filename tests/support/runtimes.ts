/** Programs of the tests as processes of their own, under Bun, Deno and Node. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { keepsFreedMemory } from "./allocator.ts";
import { denoAPIs } from "./denoAPIs.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

export type Runtime = "Bun" | "Deno" | "Node";

const commands: Readonly<Record<Runtime, readonly string[]>> = {
  Bun: [join(root, "node_modules", ".bin", "bun")],
  Deno: [join(root, "node_modules", ".bin", "deno"), "run", "--allow-all", "--no-check"],
  Node: ["node"],
};

export const programs: string = join(root, "tests", "runtime", "programs");

export interface Program {
  readonly runtime: Runtime;
  readonly path: string;
  readonly arguments?: readonly string[];
  /** The description of a Vulkan driver that is used in place of the machine's own. */
  readonly driver?: string | null;
  /** More of its environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** How long it may take, in milliseconds. */
  readonly timeout?: number;
  /** Gets each line that it prints, as it prints it. */
  readonly watch?: (line: string) => void;
}

export interface Ended {
  readonly code: number | null;
  /** What ended it from outside, such as a crash or the end of its time. */
  readonly signal: string | null;
  readonly output: string;
}

const runtimeFolder = mkdtempSync(join(tmpdir(), "lossmith-xdg-"));

export function run(program: Program): Promise<Ended> {
  const { runtime, path, arguments: more = [], driver, timeout = 60_000, watch } = program;
  const [command, ...first] = commands[runtime];
  // Vulkan's loader warns of a missing XDG_RUNTIME_DIR.
  const shared = { XDG_RUNTIME_DIR: runtimeFolder, ...denoAPIs, ...keepsFreedMemory, ...process.env };
  const environment: NodeJS.ProcessEnv = { ...shared, ...program.environment };
  if (driver) environment.VK_DRIVER_FILES = driver;
  const child = spawn(command, [...first, path, ...more], { cwd: root, env: environment, timeout });
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => chunks.push(chunk));
  }
  if (watch !== undefined) createInterface({ input: child.stdout }).on("line", watch);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, output: chunks.join("") }));
  });
}

/** What a program printed as JSON after the word "results". */
export async function resultsOf<T>(program: Program): Promise<T> {
  const { code, signal, output } = await run(program);
  const line = output.split("\n").find((text) => text.startsWith("results "));
  if (code !== 0 || line === undefined) {
    throw new Error(`${program.path} under ${program.runtime} ended with ${code ?? signal}: ${output.slice(-3000)}`);
  }
  return JSON.parse(line.slice("results ".length)) as T;
}

/** Where Chromium and Chrome keep the description of their software driver. */
const swiftShaders = [
  "/usr/lib/chromium/vk_swiftshader_icd.json",
  "/usr/lib/chromium-browser/vk_swiftshader_icd.json",
  "/usr/lib64/chromium-browser/vk_swiftshader_icd.json",
  "/opt/google/chrome/vk_swiftshader_icd.json",
];

/** A driver by which webgpu starts: undefined for the machine's own, else a software one's description. */
export type Driver = { readonly driver: string | undefined } | { readonly missing: string };

/**
 * Dawn, which Bun and Node use, refuses Mesa's software driver and takes Chromium's. A driver is one that has an adapter:
 * if webgpu does not start by it, or computes wrong, that is a failure.
 */
export async function driverFor(runtime: Runtime): Promise<Driver> {
  const candidates = runtime === "Deno" ? [undefined] : [undefined, ...swiftShaders.filter((path) => existsSync(path))];
  const path = join(programs, "adapter.mjs");
  for (const driver of candidates) {
    const { adapter } = await resultsOf<{ adapter: string | null }>({ runtime, path, driver: driver ?? null });
    if (adapter !== null) return { driver };
  }
  const missing =
    runtime === "Deno"
      ? "no GPU and no software driver was found: Debian has one, apt-get install mesa-vulkan-drivers"
      : "no GPU and no software driver was found: Chromium has one, apt-get install chromium libvulkan1";
  return { missing };
}

/** The driver by which webgpu starts in a runtime, for tests: null where there is none, and they are skipped. */
export async function findDriver(runtime: Runtime): Promise<string | undefined | null> {
  const found = await driverFor(runtime);
  if ("driver" in found) return found.driver;
  if (process.env.CI !== undefined && process.env.CI !== "") {
    throw new Error(`webgpu under ${runtime}: ${found.missing}`);
  }
  console.warn(`Tests of webgpu under ${runtime} are skipped: ${found.missing}.`);
  return null;
}
