#!/usr/bin/env node
/**
 * The command line: `lossmith count`, `merge` and `inspect`.
 *
 * @module
 */
import process from "node:process";
import { run } from "./run.ts";

process.exitCode = await run(process.argv.slice(2));
