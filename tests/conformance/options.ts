import { parseArgs } from "node:util";
import { type Cell, cells, cellsOf, nameOf } from "./cells.ts";

export interface Options {
  readonly cells: readonly Cell[];
  /** Null for each cell's own. */
  readonly seed: number | null;
  readonly soak: boolean;
  readonly jobs: number;
  readonly draw: number | null;
  readonly compositions: number | null;
  readonly tolerance: number;
  readonly help: boolean;
  /** Whether nothing of what is run differs from what `npm run matrix` runs. */
  readonly isStandard: boolean;
}

/** The largest relative error of a composition that passes. */
export const defaultTolerance = 2e-5;

export const usage: string = `Usage: npm run matrix -- [options]

Runs the conformance suite in Bun, Deno, Node and Chromium on cpu, wasm, webgl and webgpu, prints what passed and failed,
and writes it to docs/support.md.

  --cell <name,...>         these cells alone: one, such as bun/wasm, or all of a runtime (bun) or of a backend (wasm)
  --seed <n>                the seed of the random compositions and batches (each cell has its own)
  --soak                    100 000 compositions on cpu and wasm, 1000 on webgpu, 500 on webgl
  --compositions <n>        so many compositions in each cell
  --draw <n>                only the n-th composition of the seed, to see a failure again; needs a cell
  --tolerance <x>           the largest relative error of a composition that passes (2e-5)
  --jobs <n>                cells that run at a time (2), but for a GPU in Chromium, which is run alone
  --help
`;

/** Throws a TypeError with what is wrong. */
export function parseOptions(given: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...given],
    options: {
      cell: { type: "string" },
      seed: { type: "string" },
      soak: { type: "boolean", default: false },
      compositions: { type: "string" },
      draw: { type: "string" },
      tolerance: { type: "string" },
      jobs: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const { cell = null, soak, help } = values;
  const chosen = cell === null ? cells : chosenBy(cell);
  const draw = whole("draw", values.draw, null, 0);
  if (draw !== null && chosen.length !== 1) throw new TypeError("--draw needs --cell, with one cell");
  return {
    ...{ cells: chosen, soak, help, draw },
    seed: whole("seed", values.seed, null, 0),
    jobs: whole("jobs", values.jobs, 2, 1),
    compositions: whole("compositions", values.compositions, null, 1),
    tolerance: positive("tolerance", values.tolerance, defaultTolerance),
    isStandard: Object.entries(values).every(([name, value]) => value === false || name === "jobs"),
  };
}

/** In the order of the matrix, each once. */
function chosenBy(list: string): readonly Cell[] {
  const chosen = list.split(",").flatMap((name) => {
    const named = cellsOf(name);
    if (named.length > 0) return named;
    throw new TypeError(`there is no cell ${name}; the cells are ${cells.map(nameOf).join(", ")}`);
  });
  return cells.filter((cell) => chosen.includes(cell));
}

function whole<T extends number | null>(
  name: string,
  text: string | undefined,
  otherwise: T,
  least: number,
): number | T {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > 2 ** 31 - 1 || text.trim() === "") {
    throw new TypeError(`--${name} is ${text}, and has to be a whole number of at least ${least}`);
  }
  return value;
}

function positive(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new TypeError(`--${name} is ${text}, and has to be above 0`);
  return value;
}
