/** What the main files of the benchmarks share: reading the command line, and the exit status. */
import process from "node:process";
import type { BackendName } from "lossmith";
import { type Options, parseOptions } from "./options.ts";

/** Runs a benchmark with what the command line says; a wrong one is told in a line, with the status 2. */
export async function runMain(
  run: (options: Options) => Promise<void>,
  usage: string,
  backends: readonly BackendName[],
): Promise<void> {
  let options: Options;
  try {
    options = parseOptions(process.argv.slice(2), backends);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    process.stderr.write(`bench: ${error.message}\n`);
    process.exitCode = 2;
    return;
  }
  if (options.help) process.stdout.write(usage);
  else await run(options);
}
