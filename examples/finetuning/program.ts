/** An example as a program: progress goes to stderr, results to stdout, the report, its pictures and logs into a folder. */
import { rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { lossToJSON } from "lossmith";
import { jsonLines, progressBar } from "lossmith/training";
import { runProgram, startBackend } from "../command/program.ts";
import { environmentOf } from "../report/environment.ts";
import { renderText } from "../report/tables.ts";
import { drawBands, drawCurves } from "./charts.ts";
import { type Corpus, type Preset, type Results, runExperiment, type Settings, type Watch } from "./experiment.ts";
import { findings } from "./findings.ts";
import { chosenLoss, fileName } from "./losses.ts";
import { type AllOptions, type CommandLine, type PresetName, parseExample, usage } from "./options.ts";
import { pictures, renderReport } from "./report.ts";
import { notes, resultTable, samplesOf } from "./resultTables.ts";

/** What an example has of its own. */
export interface Example extends CommandLine {
  /** How the report's title begins. */
  readonly title: string;
  readonly presets: Readonly<Record<PresetName, Preset>>;
  /** Loads the text; what is worth knowing before it is told by `tell`. */
  readonly load: (options: AllOptions, tell: (line: string) => void) => Corpus | Promise<Corpus>;
}

/** Only so many of the likeliest tokens can be drawn. */
const topTokens = 40;

/** Runs an example for its command line, and gives the exit code. */
export function runExample(example: Example): Promise<number> {
  return runProgram(
    example.name,
    parseExample(example, process.argv.slice(2)),
    () => usage(example),
    (options) => program(example, options),
  );
}

async function program(example: Example, options: AllOptions): Promise<void> {
  const start = performance.now();
  // Before the work, so that a folder that cannot be written and a file without a loss are known at once.
  await mkdir(options.out, { recursive: true });
  const settings = await settingsOf(example, options);
  const backend = await startBackend(options.backend);
  const tell = (line: string): void => void process.stderr.write(`${example.name}: ${line}\n`);
  const corpus = await example.load(options, tell);
  const results = await runExperiment(settings, corpus, await watching(options.out, tell));
  const environment = await environmentOf(backend, start);
  process.stdout.write(`\n${resultText(results)}\n\n`);

  const report = join(options.out, "report.md");
  const title = `${example.title}: losses compared on ${corpus.subject}`;
  await writeFile(join(options.out, pictures.curves), await drawCurves(title, results));
  await writeFile(join(options.out, pictures.bands), await drawBands(title, results));
  await writeFile(report, renderReport(title, results, environment));
  await mkdir(join(options.out, "losses"), { recursive: true });
  for (const { name, loss } of results.contenders) {
    await writeFile(join(options.out, "losses", `${fileName(name)}.json`), JSON.stringify(lossToJSON(loss)));
  }
  process.stdout.write(`Report: ${report}\n`);
  process.stdout.write(`Total time: ${environment.seconds.toFixed(0)} s (${environment.runtime}, ${backend})\n`);
}

/** The settings that a command line makes of a preset. */
export async function settingsOf(example: Example, options: AllOptions): Promise<Settings> {
  const preset = example.presets[options.preset];
  const steps = options.steps ?? preset.pretraining.steps;
  const share = steps / preset.pretraining.steps;
  // A short run is a quick look, and measures little.
  const some = (count: number, least: number): number => Math.max(least, Math.round(count * Math.min(1, share)));
  return {
    preset: {
      ...preset,
      pairsPerBatch: options.batch ?? preset.pairsPerBatch,
      pretraining: { ...preset.pretraining, steps },
      fineTuning: { ...preset.fineTuning, steps: Math.max(1, Math.round(preset.fineTuning.steps * share)) },
      heldOutPairs: some(preset.heldOutPairs, 16),
      validationPairs: some(preset.validationPairs, 8),
      answers: some(preset.answers, 4),
    },
    seed: options.seed,
    alphas: options.alphas,
    chosen: await chosenLoss(options.loss),
    linear: options.linear,
    accumulate: options.accumulate,
    temperature: options.temperature ?? example.temperature,
    topTokens,
  };
}

/** A bar for each training, and a log of its steps in the folder. */
async function watching(out: string, tell: (line: string) => void): Promise<Watch> {
  const logs = join(out, "logs");
  await mkdir(logs, { recursive: true });
  return (name, steps) => {
    tell(`${name}, ${steps} steps`);
    const log = join(logs, `${fileName(name)}.jsonl`);
    // Lines are appended; those of an earlier run would stand before them.
    rmSync(log, { force: true });
    return [progressBar({ steps }), jsonLines(log)];
  };
}

/** Table, samples and findings for the terminal. */
function resultText(results: Results): string {
  const samples = samplesOf(results, 3).map(({ prompt, reference, answers }, i) =>
    [
      `Sample ${i + 1}: ${prompt}`,
      `  reference: ${reference}`,
      ...answers.map(({ name, text }) => `  ${name}: ${text}`),
    ].join("\n"),
  );
  const seen = findings(results).map((sentence) => `- ${sentence}`);
  return [
    renderText(resultTable(results)),
    notes(results).join("\n"),
    ...samples,
    ["What was seen", ...seen].join("\n"),
  ].join("\n\n");
}
