/** The benchmark of cross entropy: progress goes to stderr, tables to stdout, numbers into bench/results. */
import { writeFileSync } from "node:fs";
import process from "node:process";
import * as tf from "@tensorflow/tfjs";
import type { BackendName } from "lossmith";
import { backendNames } from "./backends/all.ts";
import { randomBatch } from "./batches.ts";
import { PagePlace } from "./browser/pagePlace.ts";
import { runMain } from "./commandLine.ts";
import { hasWebGPU, measureUnderDeno } from "./denoProcess.ts";
import { LocalPlace } from "./localPlace.ts";
import { describeMachine, thisMachine } from "./machine.ts";
import { type Measured, measureBackend, type Scope, stagesOf } from "./measure.ts";
import { type Options, usage } from "./options.ts";
import type { Place } from "./place.ts";
import { progressOver } from "./progress.ts";
import { asJson, saveResults } from "./resultFiles.ts";
import type { Results } from "./results.ts";
import { tablesOf } from "./resultTables.ts";
import { scopeOf } from "./scope.ts";
import { renderText } from "./tables.ts";
import { startTorch, type Torch } from "./torch.ts";

/** Where the calls of a backend are made, or a rejection that says what is missing. */
async function openPlace(backend: BackendName): Promise<Place & { readonly close?: () => Promise<void> }> {
  return backend === "webgl" ? PagePlace.start() : LocalPlace.start(backend);
}

/** Measures a backend, or says what it would need; on CI it has to be there. */
async function measureHere(backend: BackendName, scope: Scope, torch: Torch | null): Promise<Measured | null> {
  const place = await openPlace(backend).catch((error: Error) => error);
  if (place instanceof Error) {
    if (process.env["CI"] !== undefined) throw new Error(`${backend} does not start; on CI it must`, { cause: place });
    process.stderr.write(`Without ${backend} in the comparison: ${place.message}\n`);
    return null;
  }
  const progress = progressOver(stagesOf(scope));
  try {
    return await measureBackend(backend, place, scope, torch, progress);
  } finally {
    progress.end();
    await place.close?.();
  }
}

async function benchmark(options: Options, torch: Torch | null): Promise<Results> {
  const version = (await torch?.load(randomBatch({ rows: 2, classes: 2 }))) ?? null;
  const machine = thisMachine(version);
  const scope = scopeOf(options);
  const found: Pick<Results, "backends" | "compositions">[] = [];
  for (const backend of options.backends) {
    if (backend === "webgpu" && !hasWebGPU()) {
      found.push(await measureUnderDeno(backend, options));
      continue;
    }
    const measured = await measureHere(backend, scope, torch);
    if (measured !== null) found.push({ backends: [measured.plain], compositions: measured.compositions });
  }
  return {
    machine,
    backends: found.flatMap(({ backends }) => backends),
    compositions: found.flatMap(({ compositions }) => compositions),
  };
}

async function run(options: Options): Promise<void> {
  // Without it tensorflow.js advertises its Node package.
  tf.enableProdMode();
  const torch = startTorch();
  try {
    const results = await benchmark(options, torch);
    console.log(describeMachine(results.machine));
    for (const { title, table } of tablesOf(results)) console.log(`\n${title}\n\n${renderText(table)}`);
    const isWhole = !options.quick && options.shape === null && options.backends.length > 1;
    if (options.out !== null) writeFileSync(options.out, asJson(results));
    else if (isWhole) saveResults(results);
  } finally {
    torch?.close();
  }
}

await runMain(run, usage, backendNames);
