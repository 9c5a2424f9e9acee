import process from "node:process";
import type { CorpusCounts } from "../frequency/corpusCounts.ts";
import { countsToJson } from "../frequency/countsJson.ts";
import { describeCounts } from "../frequency/describeCounts.ts";
import { formatOfCounts, saveCounts } from "../frequency/files/savedCounts.ts";
import { checkWritable } from "../frequency/files/writeWhole.ts";
import { LossError } from "../loss/error.ts";
import { print } from "./print.ts";
import { grouped } from "./text.ts";

/** Where counts go, and what is said of them. */
export interface ResultOptions {
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Throws for what would only be found out after hours of work. */
export async function checkResult({ out, json = false }: ResultOptions): Promise<void> {
  if (out !== undefined) {
    formatOfCounts(out);
    await checkWritable(out);
  } else if (json) {
    throw new LossError("--json", "the counts themselves are on standard output", "Name a file for them with --out");
  }
}

/**
 * Saves counts, or writes them to the standard output. A summary is for people at a terminal, on standard error, or
 * as JSON for programs; warnings are for both.
 */
export async function give(counts: CorpusCounts, { out, json = false, quiet = false }: ResultOptions): Promise<void> {
  const { seen, entries, warnings } = describeCounts(counts, { top: 0 });
  if (out === undefined) await print(countsToJson(counts));
  else await saveCounts(out, counts);
  const { tokens, documents, ignored, skipped, forcedCuts, vocabulary } = counts;
  if (json) {
    const summary = { out, tokens, types: seen, documents, ignored, skipped, forcedCuts, vocabulary, warnings };
    await print(`${JSON.stringify(summary)}\n`);
  }
  if (!quiet && process.stderr.isTTY && out !== undefined) {
    const of = documents === null ? "" : ` of ${grouped(documents)} documents`;
    process.stderr.write(
      `${out}: ${grouped(tokens)} tokens${of}, ${grouped(seen)} of ${grouped(entries)} entries seen\n`,
    );
  }
  for (const { what, remedy } of warnings) process.stderr.write(`lossmith: warning: ${what}. ${remedy}.\n`);
}
