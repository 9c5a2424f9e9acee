#!/usr/bin/env node
/**
 * The command line: `lossmith count`, `merge`, `inspect` and `explain`.
 *
 * @module
 */
import process from "node:process";
import { run } from "./run.ts";

const status = await run(process.argv.slice(2));
// What was interrupted may still wait for its input.
if (status > 128) process.exit(status);
process.exitCode = status;
