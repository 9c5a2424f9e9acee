/** Counts a file, and prints the largest resident size that the process had, in MB. On Linux alone. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { countFiles } from "lossmith/frequency/files";

const [path, tokenizer] = process.argv.slice(2);
await countFiles([path], tokenizer === "" ? { vocabSize: 50257 } : { tokenizer });
// The resource usage of a process that another started may be that of the other.
const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
process.stdout.write(String(Math.round(Number(peak) / 1000)));
