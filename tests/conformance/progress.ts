/** How far each cell is, on stderr: a bar each where somebody is watching, else a line at its end. */
import process from "node:process";
import cliProgress from "cli-progress";
import { type Cell, nameOf } from "./cells.ts";
import { countsOf } from "./report.ts";
import type { Outcome } from "./runCell.ts";

export interface Progress {
  advance(cell: Cell, part: string, share: number): void;
  end(cell: Cell, outcome: Outcome): void;
  stop(): void;
}

export function progressOver(cells: readonly Cell[]): Progress {
  const width = Math.max(...cells.map((cell) => nameOf(cell).length));
  const bars = new cliProgress.MultiBar({
    stream: process.stderr,
    // Without a terminal it draws nothing.
    noTTYOutput: false,
    format: "{name} {bar} {part}",
    barsize: 24,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    hideCursor: true,
    clearOnComplete: true,
  });
  const own = new Map<Cell, cliProgress.SingleBar>();
  const barOf = (cell: Cell): cliProgress.SingleBar => {
    const bar = own.get(cell) ?? bars.create(1, 0, { name: nameOf(cell).padEnd(width), part: "" });
    own.set(cell, bar);
    return bar;
  };
  return {
    advance: (cell, part, share) => barOf(cell).update(share, { part }),
    end: (cell, outcome) => {
      barOf(cell).update(1, { part: lineOf(outcome) });
      if (!process.stderr.isTTY) process.stderr.write(`${nameOf(cell).padEnd(width)}  ${lineOf(outcome)}\n`);
    },
    stop: () => bars.stop(),
  };
}

function lineOf(outcome: Outcome): string {
  if ("missing" in outcome) return "lacks its driver";
  if ("broken" in outcome) return "ended without a result";
  const { passed, failed } = countsOf(outcome.result);
  return `${passed} passed, ${failed} failed, ${outcome.seconds.toFixed(0)} s`;
}
