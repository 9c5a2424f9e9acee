/** The demo: `npm run demo`. Progress goes to stderr, results to stdout, the report and the picture into a folder. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { runProgram, startBackend } from "../command/program.ts";
import { loadAddresses } from "../corpora/addresses.ts";
import { environmentOf } from "../report/environment.ts";
import { renderText } from "../report/tables.ts";
import { drawPicture } from "./charts.ts";
import { type Results, runExperiment, type Settings } from "./experiment.ts";
import { findings } from "./findings.ts";
import { fineTuningSteps, heldOutTokensPerStep, type Options, parseCommand, usage } from "./options.ts";
import { progressOn } from "./progress.ts";
import { notes, renderReport } from "./report.ts";
import { resultTable, samplesOf } from "./resultTables.ts";

function settingsOf({ alpha, steps, seed, linear }: Options): Settings {
  return {
    seed,
    alpha,
    sizes: { vocabulary: 8192, width: 64, heads: 2, blocks: 1, window: 64 },
    windowsPerBatch: 4,
    pretraining: { steps, learningRate: 0.01 },
    fineTuning: { steps: fineTuningSteps(steps), learningRate: 0.005 },
    heldOutTokens: heldOutTokensPerStep * steps,
    sampling: { prompts: 16, promptTokens: 24, newTokens: 40, temperature: 0.8, topTokens: 40 },
    linear,
  };
}

async function demo(options: Options): Promise<void> {
  const start = performance.now();
  // Before the work, so that a folder that cannot be written is known at once.
  await mkdir(options.out, { recursive: true });
  const backend = await startBackend(options.backend);
  const results = await runExperiment(settingsOf(options), loadAddresses(), progressOn(process.stderr));
  const environment = await environmentOf(backend, start);
  process.stdout.write(`\n${resultText(results)}\n\n`);

  const report = join(options.out, "report.md");
  const picture = join(options.out, "picture.svg");
  await writeFile(picture, await drawPicture(results));
  await writeFile(report, renderReport(results, environment, "picture.svg"));
  process.stdout.write(`Report: ${report}\nPicture: ${picture}\n`);
  process.stdout.write(`Total time: ${environment.seconds.toFixed(0)} s (${environment.runtime}, ${backend})\n`);
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

process.exitCode = await runProgram("demo", parseCommand(process.argv.slice(2)), usage, demo);
