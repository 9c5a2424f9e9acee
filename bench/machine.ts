/** Where numbers were measured. */
import { readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import process from "node:process";
import * as tf from "@tensorflow/tfjs";

/** A machine, what ran on it, and when. */
export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly system: string;
  /** How many processes wanted to run, on the average of a minute before; 0 on Windows. Above 1, others disturbed. */
  readonly loadBefore: number;
  /** Names and versions. */
  readonly versions: Readonly<Record<string, string>>;
  /** The day, as 2026-01-31. */
  readonly date: string;
}

/** This machine; `pytorch` is its version where it takes part. */
export function thisMachine(pytorch: string | null): Machine {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    system: `${process.platform} ${process.arch}`,
    loadBefore: loadavg()[0],
    versions: {
      lossmith: packageVersion(),
      "@tensorflow/tfjs": tf.version.tfjs,
      ...(pytorch === null ? {} : { pytorch }),
    },
    date: new Date().toISOString().slice(0, 10),
  };
}

/** The machine in a sentence. */
export function describeMachine({ processor, cores, system, loadBefore, versions, date }: Machine): string {
  const packages = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${processor}, ${cores} cores, ${system}, load ${loadBefore.toFixed(1)} before; ${packages.join(", ")}; ${date}`;
}

function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  return (manifest as { readonly version: string }).version;
}
