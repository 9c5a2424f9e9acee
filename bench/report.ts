/** Draws the picture, and rewrites the measured parts of the docs, from the saved results. */
import { readFileSync, writeFileSync } from "node:fs";
import { drawPicture } from "./chart.ts";
import { type FrequencyResults, frequencyTables } from "./frequencyResults.ts";
import type { LinearResults } from "./linearResults.ts";
import { linearTables } from "./linearTables.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { loadResult, loadResults, saveResult } from "./resultFiles.ts";
import { tablesOf } from "./resultTables.ts";
import { renderMarkdown, type TitledTable } from "./tables.ts";
import { type TrainingStepResults, trainingStepTable } from "./trainingStepResults.ts";

/** The tables of a machine in place of what is between two marks of a page. */
function rewrite(name: string, mark: string, machine: Machine, tables: readonly TitledTable[]): void {
  const page = new URL(`../docs/${name}`, import.meta.url);
  const [from, to] = [`<!-- ${mark}: from here -->`, `<!-- ${mark}: to here -->`];
  const text = readFileSync(page, "utf8");
  const [start, end] = [text.indexOf(from), text.indexOf(to)];
  if (start < 0 || end < start) throw new Error(`docs/${name} has no part between ${from} and ${to}`);
  const written = tables.map(({ title, table }) => `**${title}**\n\n${renderMarkdown(table)}`);
  const part = [from, `Measured on ${describeMachine(machine)}.`, ...written, to].join("\n\n");
  writeFileSync(page, text.slice(0, start) + part + text.slice(end + to.length));
}

const results = loadResults();
saveResult("cross-entropy.svg", await drawPicture(results));
rewrite("performance.md", "measured", results.machine, tablesOf(results));
const steps = loadResult<TrainingStepResults>("training-step.json");
rewrite("performance.md", "measured, training steps", steps.machine, steps.shapes.map(trainingStepTable));
const linear = loadResult<LinearResults>("linear.json");
rewrite("performance.md", "measured, the linear form", linear.machine, linearTables(linear));
const frequency = loadResult<FrequencyResults>("frequency.json");
rewrite("frequency.md", "measured", frequency.machine, frequencyTables(frequency));
