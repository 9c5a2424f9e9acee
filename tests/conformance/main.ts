/** The conformance matrix: the suite in each runtime on each backend. Its table goes to stdout and docs/support.md. */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { amountFor, type Cell, inOrder, nameOf, seedOf } from "./cells.ts";
import { defaultTolerance, type Options, parseOptions, usage } from "./options.ts";
import { progressOver } from "./progress.ts";
import { failuresOf, page, summary, tableOf } from "./report.ts";
import { CellRunner, type Outcome } from "./runCell.ts";
import type { SuiteOptions } from "./suite/suite.ts";

const isCI = process.env.CI !== undefined && process.env.CI !== "";
const support = new URL("../../docs/support.md", import.meta.url);

function suiteOptions(cell: Cell, { seed, soak, draw, tolerance, compositions }: Options): SuiteOptions {
  const amount = amountFor(cell, soak);
  return {
    ...{ ...amount, backend: cell.backend, seed: seed ?? seedOf(cell), draw, tolerance },
    compositions: compositions ?? amount.compositions,
    command: `npm run matrix -- --cell ${nameOf(cell)}${tolerance === defaultTolerance ? "" : ` --tolerance ${tolerance}`}`,
  };
}

/** Runs the cells, so many at a time but for those that are run alone. */
async function outcomesOf(options: Options): Promise<readonly Outcome[]> {
  const chosen = options.cells;
  const runner = new CellRunner((options.soak ? 3600 : 300) * 1000);
  const progress = progressOver(chosen);
  const outcomes = new Map<Cell, Outcome>();
  const work = async (waiting: Cell[]): Promise<void> => {
    for (let cell = waiting.shift(); cell !== undefined; cell = waiting.shift()) {
      const own = cell;
      const outcome = await runner.run(own, suiteOptions(own, options), (part, share) => {
        progress.advance(own, part, share);
      });
      outcomes.set(own, outcome);
      progress.end(own, outcome);
    }
  };
  try {
    const { alone, besideOthers } = inOrder(chosen);
    await work([...alone]);
    const waiting = [...besideOthers];
    await Promise.all(Array.from({ length: options.jobs }, () => work(waiting)));
  } finally {
    progress.stop();
    await runner.end();
  }
  return chosen.flatMap((cell) => outcomes.get(cell) ?? []);
}

async function main(options: Options): Promise<void> {
  const outcomes = await outcomesOf(options);
  console.log(`${tableOf(outcomes)}\n`);
  for (const text of failuresOf(outcomes, isCI)) console.log(`${text}\n`);
  const { line, failed, skipped } = summary(outcomes, isCI);
  console.log(line);
  if (failed > 0) process.exitCode = 1;
  // Of a machine that is set up for all cells, and of the standard run alone.
  if (options.isStandard && !isCI && skipped === 0) writeFileSync(support, page(outcomes));
}

let options: Options | null = null;
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  process.stderr.write(`matrix: ${error.message}\n`);
  process.exitCode = 2;
}
if (options?.help === true) process.stdout.write(usage);
else if (options !== null) await main(options);
