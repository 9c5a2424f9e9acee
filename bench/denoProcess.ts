/** The benchmark in a Deno process, which has a WebGPU of its own, where this runtime has none. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import type { BackendName } from "lossmith";
import { type Options, shapeArgument } from "./options.ts";
import type { Results } from "./results.ts";

/** Whether this runtime has WebGPU. */
export function hasWebGPU(): boolean {
  return "gpu" in navigator;
}

/** Measures a backend under Deno; its progress and its messages go to this process's stderr. */
export async function measureUnderDeno(backend: BackendName, { quick, shape }: Options): Promise<Results> {
  const folder = mkdtempSync(join(tmpdir(), "lossmith-bench-"));
  const out = join(folder, "results.json");
  const args = ["--backend", backend, "--out", out];
  if (quick) args.push("--quick");
  if (shape !== null) args.push("--shape", shapeArgument(shape));
  try {
    await runDeno("./crossEntropy.ts", args);
    return JSON.parse(readFileSync(out, "utf8")) as Results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a script of this folder under Deno, and reads the JSON that it prints. */
export async function readFromDeno<T>(script: string): Promise<T> {
  const printed = await runDeno(script, []);
  // tensorflow.js greets on the standard output.
  return JSON.parse(printed.trim().split("\n").at(-1) ?? "") as T;
}

/** What a script of this folder prints under Deno; its progress and its messages go to this process's stderr. */
async function runDeno(script: string, args: readonly string[]): Promise<string> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const deno = spawn(denoPath(), ["run", "--allow-all", path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(deno, "close");
  const printed = await text(deno.stdout);
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`${script} under Deno ended with ${code}`);
  return printed;
}

/** Deno as the package's development dependency, or else as it is installed. */
function denoPath(): string {
  const name = process.platform === "win32" ? "deno.cmd" : "deno";
  const local = fileURLToPath(new URL(`../node_modules/.bin/${name}`, import.meta.url));
  return existsSync(local) ? local : "deno";
}
