import process from "node:process";
import type { CorpusCounts } from "../frequency/corpusCounts.ts";
import { countsToJson } from "../frequency/countsJson.ts";
import { describeCounts } from "../frequency/describeCounts.ts";
import { saveCounts } from "../frequency/files/savedCounts.ts";
import { LossError } from "../loss/error.ts";
import { grouped } from "./text.ts";

/** Where counts go, and what is said of them. */
export interface ResultOptions {
  readonly out?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/**
 * Saves counts, or writes them to the standard output. A summary is for people at a terminal, on standard error, or
 * as JSON for programs; warnings are for both.
 */
export async function give(counts: CorpusCounts, { out, json = false, quiet = false }: ResultOptions): Promise<void> {
  if (out === undefined && json) {
    throw new LossError("--json", "the counts themselves are on standard output", "Name a file for them with --out");
  }
  const { seen, entries, warnings } = describeCounts(counts, { top: 0 });
  if (out === undefined) process.stdout.write(countsToJson(counts));
  else await saveCounts(out, counts);
  const { tokens, documents, ignored, skipped, forcedCuts, vocabulary } = counts;
  if (json) {
    const summary = { out, tokens, types: seen, documents, ignored, skipped, forcedCuts, vocabulary, warnings };
    process.stdout.write(`${JSON.stringify(summary)}\n`);
  }
  if (!quiet && process.stderr.isTTY && out !== undefined) {
    const of = documents === null ? "" : ` of ${grouped(documents)} documents`;
    process.stderr.write(
      `${out}: ${grouped(tokens)} tokens${of}, ${grouped(seen)} of ${grouped(entries)} entries seen\n`,
    );
  }
  for (const { what, remedy } of warnings) process.stderr.write(`lossmith: warning: ${what}. ${remedy}.\n`);
}
