/** Draws the picture, and rewrites the measured part of docs/performance.md, from the saved results. */
import { readFileSync, writeFileSync } from "node:fs";
import { drawPicture } from "./chart.ts";
import { describeMachine } from "./machine.ts";
import { loadResults, saveResult } from "./resultFiles.ts";
import type { Results } from "./results.ts";
import { tablesOf } from "./resultTables.ts";
import { renderMarkdown } from "./tables.ts";

const [from, to] = ["<!-- measured: from here -->", "<!-- measured: to here -->"];
const page = new URL("../docs/performance.md", import.meta.url);

function measuredPart(results: Results): string {
  const tables = tablesOf(results).map(({ title, table }) => `**${title}**\n\n${renderMarkdown(table)}`);
  return [from, `Measured on ${describeMachine(results.machine)}.`, ...tables, to].join("\n\n");
}

const results = loadResults();
saveResult("cross-entropy.svg", await drawPicture(results));
const text = readFileSync(page, "utf8");
const [start, end] = [text.indexOf(from), text.indexOf(to)];
if (start < 0 || end < start) throw new Error(`docs/performance.md has no part between ${from} and ${to}`);
writeFileSync(page, text.slice(0, start) + measuredPart(results) + text.slice(end + to.length));
