/** The benchmark of cross entropy: progress goes to stderr, tables to stdout, numbers into bench/results. */
import { writeFileSync } from "node:fs";
import process from "node:process";
import * as tf from "@tensorflow/tfjs";
import { quickShapes, randomBatch, shapes } from "./batches.ts";
import { compositionShapes } from "./compositions.ts";
import { describeMachine, thisMachine } from "./machine.ts";
import { measure, type Scope, stagesOf } from "./measure.ts";
import { type Options, parseOptions, usage } from "./options.ts";
import { progressOver } from "./progress.ts";
import { asJson, type Results, saveResults } from "./results.ts";
import { tablesOf } from "./resultTables.ts";
import { renderText } from "./tables.ts";
import { startTorch, type Torch } from "./torch.ts";

function scopeOf({ quick, backends }: Options): Scope {
  return quick
    ? {
        backends,
        shapes: quickShapes,
        compositionShapes: compositionShapes.slice(0, 1),
        rounds: { fewest: 1, most: 3, budgetMilliseconds: 3000 },
      }
    : { backends, shapes, compositionShapes, rounds: { fewest: 3, most: 41, budgetMilliseconds: 8000 } };
}

async function benchmark(scope: Scope, torch: Torch | null): Promise<Results> {
  const version = (await torch?.load(randomBatch({ rows: 2, classes: 2 }))) ?? null;
  const machine = thisMachine(version);
  const progress = progressOver(stagesOf(scope));
  const measured = await measure(scope, torch, progress);
  progress.end();
  return {
    machine,
    backends: measured.map(({ plain }) => plain),
    compositions: measured.flatMap(({ compositions }) => compositions),
  };
}

async function run(options: Options): Promise<void> {
  // Without it tensorflow.js advertises its Node package.
  tf.enableProdMode();
  const torch = startTorch();
  try {
    const results = await benchmark(scopeOf(options), torch);
    console.log(describeMachine(results.machine));
    for (const { title, table } of tablesOf(results)) console.log(`\n${title}\n\n${renderText(table)}`);
    if (options.out !== null) writeFileSync(options.out, asJson(results));
    else if (!options.quick && options.backends.length > 1) saveResults(results);
  } finally {
    torch?.close();
  }
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    process.stderr.write(`bench: ${error.message}\n`);
    return 2;
  }
  if (options.help) process.stdout.write(usage);
  else await run(options);
  return 0;
}

process.exitCode = await main();
