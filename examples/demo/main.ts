/** The demo: `npm run demo`. Progress goes to stderr, results to stdout, the report and the picture into a folder. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import * as tf from "@tensorflow/tfjs";
import { LossError, useBackend } from "lossmith";
import { drawPicture } from "./charts.ts";
import { loadAddresses } from "./corpus.ts";
import { type Results, runExperiment, type Settings } from "./experiment.ts";
import { findings } from "./findings.ts";
import { fineTuningSteps, heldOutTokensPerStep, type Options, parseCommand, usage } from "./options.ts";
import { progressOn } from "./progress.ts";
import { notes, renderReport } from "./report.ts";
import { resultTable, samplesOf } from "./resultTables.ts";
import { renderText } from "./tables.ts";

function settingsOf({ alpha, steps, seed }: Options): Settings {
  return {
    seed,
    alpha,
    sizes: { vocabulary: 8192, width: 64, heads: 2, blocks: 1, window: 64 },
    windowsPerBatch: 4,
    pretraining: { steps, learningRate: 0.01 },
    fineTuning: { steps: fineTuningSteps(steps), learningRate: 0.005 },
    heldOutTokens: heldOutTokensPerStep * steps,
    sampling: { prompts: 16, promptTokens: 24, newTokens: 40, temperature: 0.8, topTokens: 40 },
  };
}

async function demo(options: Options): Promise<void> {
  const start = performance.now();
  // Before the work, so that a folder that cannot be written is known at once.
  await mkdir(options.out, { recursive: true });
  const backend = await useBackend(options.backend);
  if (backend === "cpu") {
    process.stderr.write(
      "The cpu backend is some hundred times slower than wasm: expect ten seconds or more a step, " +
        "and choose a very small --steps.\n",
    );
  }
  const results = await runExperiment(settingsOf(options), loadAddresses(), progressOn(process.stderr));
  const seconds = (performance.now() - start) / 1000;
  const environment = { runtime: runtimeName(), backend, packages: await packageVersions(), seconds };
  process.stdout.write(`\n${resultText(results)}\n\n`);

  const report = join(options.out, "report.md");
  const picture = join(options.out, "picture.svg");
  await writeFile(picture, await drawPicture(results));
  await writeFile(report, renderReport(results, environment, "picture.svg"));
  process.stdout.write(`Report: ${report}\nPicture: ${picture}\n`);
  process.stdout.write(`Total time: ${seconds.toFixed(0)} s (${environment.runtime}, ${backend})\n`);
}

/** Table, samples and findings for the terminal. */
function resultText(results: Results): string {
  const samples = samplesOf(results, 2).map(({ prompt, crossEntropy, powerLawDecay }, i) =>
    [`Sample ${i + 1}: … ${prompt} …`, `  cross entropy: ${crossEntropy}`, `  PDL: ${powerLawDecay}`].join("\n"),
  );
  const seen = findings(results).map((sentence) => `- ${sentence}`);
  return [
    renderText(resultTable(results)),
    notes(results).join("\n"),
    ...samples,
    ["What was seen", ...seen].join("\n"),
  ].join("\n\n");
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

async function main(): Promise<number> {
  const command = parseCommand(process.argv.slice(2));
  switch (command.kind) {
    case "help":
      process.stdout.write(usage());
      return 0;
    case "error":
      process.stderr.write(`demo: ${command.message}\n`);
      return 2;
    case "run":
      // Without it tensorflow.js advertises its Node package.
      tf.enableProdMode();
      try {
        await demo(command.options);
        return 0;
      } catch (error) {
        // What the user can act on takes one line; anything else is a bug, and its stack is wanted.
        if (!(error instanceof LossError) && !isSystemError(error)) throw error;
        process.stderr.write(`demo: ${error.message}\n`);
        return 1;
      }
  }
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && "syscall" in error;
}

process.exitCode = await main();
