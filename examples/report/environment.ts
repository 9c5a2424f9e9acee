/** Where and how a program ran. */
import { readFile } from "node:fs/promises";
import process from "node:process";
import * as tf from "@tensorflow/tfjs";

export interface Environment {
  /** Name and version, such as "Bun 1.4.5". */
  readonly runtime: string;
  readonly backend: string;
  /** Names and versions of the packages that the numbers depend on. */
  readonly packages: Readonly<Record<string, string>>;
  readonly seconds: number;
}

/** The environment of a run that started at `start`, by performance.now(). */
export async function environmentOf(backend: string, start: number): Promise<Environment> {
  const packages = await packageVersions();
  return { runtime: runtimeName(), backend, packages, seconds: (performance.now() - start) / 1000 };
}

/** The environment in lines of a report. */
export function placeOf({ runtime, backend, packages, seconds }: Environment): string[] {
  return [
    `runtime: ${runtime}`,
    `backend: ${backend}`,
    ...Object.entries(packages).map(([name, version]) => `${name}: ${version}`),
    `total time: ${seconds.toFixed(0)} s`,
  ];
}

/** Name and version of the runtime. */
function runtimeName(): string {
  const { bun, deno, node } = process.versions;
  if (bun !== undefined) return `Bun ${bun}`;
  return deno === undefined ? `Node ${node}` : `Deno ${deno}`;
}

async function packageVersions(): Promise<Record<string, string>> {
  const manifest: unknown = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
  const { version } = manifest as { readonly version: string };
  return { lossmith: version, "@tensorflow/tfjs": tf.version.tfjs };
}
