/** What was measured of counting, and its tables. */
import type { Machine } from "./machine.ts";
import { grouped, type TitledTable } from "./tables.ts";

/** The memory of a process, in MB. */
export interface ProcessMemory {
  /** The most that was resident, with what the runtime did not collect yet. */
  readonly resident: number;
  /** The most that was in use on the heap after a collection. */
  readonly heap: number;
}

/** The memory of counting a file of a size, as text and as ids. */
export interface MemoryOfCount {
  readonly megabytes: number;
  readonly text: ProcessMemory;
  readonly ids: ProcessMemory;
}

export interface FrequencyResults {
  readonly machine: Machine;
  /** How many ids were counted in memory. */
  readonly tokens: number;
  /** Millions of ids a second. */
  readonly millionsASecond: Readonly<Record<string, number>>;
  /** The tokenizer's time over that of counting what it gives. */
  readonly tokenizerShare: number;
  /** How many times as fast two workers are as one. */
  readonly twoWorkers: number;
  readonly memories: readonly MemoryOfCount[];
}

export function idsTable(tokens: number, millionsASecond: FrequencyResults["millionsASecond"]): TitledTable {
  return {
    title: `${grouped(tokens)} r50k ids in memory, on one core`,
    table: {
      header: ["", "million tokens a second"],
      rows: Object.entries(millionsASecond).map(([name, millions]) => [name, grouped(millions)]),
    },
  };
}

export function memoryTable(memories: readonly MemoryOfCount[]): TitledTable {
  return {
    title:
      "Memory of a process that counts a file, MB: the most that was resident, and the most in use on the heap after a collection",
    table: {
      header: ["file", "text, resident", "text, heap", "uint16, resident", "uint16, heap"],
      rows: memories.map(({ megabytes, text, ids }) => [
        `${grouped(megabytes)} MB`,
        ...[text.resident, text.heap, ids.resident, ids.heap].map(String),
      ]),
    },
  };
}

export function frequencyTables(results: FrequencyResults): readonly TitledTable[] {
  const { tokens, millionsASecond, tokenizerShare, twoWorkers, memories } = results;
  return [
    idsTable(tokens, millionsASecond),
    {
      title: "Text",
      table: {
        header: ["", "ratio"],
        rows: [
          ["speed over the tokenizer's own", tokenizerShare.toFixed(2)],
          ["two workers over one, 210 MB", twoWorkers.toFixed(2)],
        ],
      },
    },
    memoryTable(memories),
  ];
}
