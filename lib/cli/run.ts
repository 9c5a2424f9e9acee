import process from "node:process";
import { CommanderError } from "commander";
import { LossError } from "../loss/error.ts";
import { programOf } from "./program.ts";

/** The status that a shell gives a process that a signal ended is 128 and the signal's number. */
const interrupted: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** Runs a command and gives the exit status: 0, 1 for what went wrong, 2 for a wrong command line, 130 interrupted. */
export async function run(args: readonly string[]): Promise<number> {
  const stop = new AbortController();
  let status = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    status = interrupted[signal];
    stop.abort(new Error(`interrupted by ${signal}`));
  };
  const signals = Object.keys(interrupted) as NodeJS.Signals[];
  for (const signal of signals) process.once(signal, onSignal);
  // Streams emit the errors of writing, too, after the writer has been told; a pipe whose reader is gone needs no more.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  try {
    await programOf(stop.signal).parseAsync(args, { from: "user" });
    return status;
  } catch (error) {
    if (status !== 0) return status;
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof LossError)) throw error;
    process.stderr.write(`lossmith: ${error.message}\n`);
    return 1;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}
