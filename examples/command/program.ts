/** Running a program for its command line. */
import process from "node:process";
import * as tf from "@tensorflow/tfjs";
import { LossError, useBackend } from "lossmith";
import type { Command } from "./options.ts";
import type { BackendChoice } from "./readers.ts";

/** Something that the user can act on: it is shown in one line, without a stack. */
export class UserError extends Error {}

/**
 * Does what the command line asks for. Progress and errors go to stderr.
 *
 * @returns the exit code: 0, 1 for an error, 2 for a command line that is none.
 */
export async function runProgram<Options>(
  name: string,
  command: Command<Options>,
  usage: () => string,
  run: (options: Options) => Promise<void>,
): Promise<number> {
  switch (command.kind) {
    case "help":
      process.stdout.write(usage());
      return 0;
    case "error":
      process.stderr.write(`${name}: ${command.message}\n`);
      return 2;
    case "run":
      // Without it tensorflow.js advertises its Node package.
      tf.enableProdMode();
      try {
        await run(command.options);
        return 0;
      } catch (error) {
        // What the user can act on takes one line; anything else is a bug, and its stack is wanted.
        if (!isForUser(error)) throw error;
        process.stderr.write(`${name}: ${error.message}\n`);
        return 1;
      }
  }
}

/** Starts a backend; says so where it will take long. */
export async function startBackend(choice: BackendChoice): Promise<string> {
  const backend = await useBackend(choice);
  if (backend === "cpu") {
    process.stderr.write(
      "The cpu backend is some hundred times slower than wasm: expect ten seconds or more a step, " +
        "and choose a very small --steps.\n",
    );
  }
  return backend;
}

function isForUser(error: unknown): error is Error {
  return error instanceof LossError || error instanceof UserError || (error instanceof Error && "syscall" in error);
}
