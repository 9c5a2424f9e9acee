/**
 * Counts a file, and prints what memory that took, in MB: the largest resident size that the process had, which is on Linux
 * alone, and the most that was in use on the heap after a collection. The first has in it what the tokenizer let go of and
 * the runtime did not collect yet. A second process tells the second number, since collecting often lowers the first.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { type CountProgress, countFiles } from "lossmith/frequency/files";

const [path, tokenizer, what] = process.argv.slice(2);
const collect = (globalThis as { Bun?: { gc(force: boolean): void } }).Bun;
let [heap, next] = [0, 0];

/** Looks at the heap some twenty times in the course of the count. */
function look({ bytes, totalBytes }: CountProgress): void {
  if (what !== "heap" || bytes < next) return;
  next = bytes + Number(totalBytes) / 20;
  collect?.gc(true);
  heap = Math.max(heap, process.memoryUsage().heapUsed);
}

await countFiles([path], { onProgress: look, ...(tokenizer === "" ? { vocabSize: 50257 } : { tokenizer }) });
// The resource usage of a process that another started may be that of the other.
const resident = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
process.stdout.write(String(Math.round(what === "heap" ? heap / 1e6 : Number(resident) / 1e3)));
