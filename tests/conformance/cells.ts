/** The cells of the matrix, and how much of the suite each of them runs. */
import type { BackendName } from "lossmith";
import type { Runtime } from "../support/runtimes.ts";
import type { SuiteOptions } from "./suite/suite.ts";

export interface Cell {
  readonly runtime: Runtime | "Chromium";
  readonly backend: BackendName;
}

export const cells: readonly Cell[] = [
  ...(["Bun", "Deno", "Node"] as const).flatMap((runtime) =>
    (["cpu", "wasm", "webgpu"] as const).map((backend) => ({ runtime, backend })),
  ),
  ...(["cpu", "wasm", "webgl", "webgpu"] as const).map((backend) => ({ runtime: "Chromium" as const, backend })),
];

/** As the command line names it. */
export function nameOf({ runtime, backend }: Cell): string {
  return `${runtime.toLowerCase()}/${backend}`;
}

/** The cells of that name, of a runtime or of a backend; none where there is no such thing. */
export function cellsOf(name: string): readonly Cell[] {
  return cells.filter((cell) => [nameOf(cell), ...nameOf(cell).split("/")].includes(name));
}

/** Each cell draws from a seed of its own, so that together they see more; a soak takes the hundreds after it too. */
export function seedOf(cell: Cell): number {
  return 1 + 1000 * cells.indexOf(cell);
}

function isGPU({ backend }: Cell): boolean {
  return backend === "webgpu" || backend === "webgl";
}

function isGPUInChromium(cell: Cell): boolean {
  return cell.runtime === "Chromium" && isGPU(cell);
}

export interface Order {
  /** One after another: a GPU in Chromium, which compiles programs in one thread and draws in others. */
  readonly alone: readonly Cell[];
  /** Several at a time: first those that compile programs, which take longest. */
  readonly besideOthers: readonly Cell[];
}

export function inOrder(chosen: readonly Cell[]): Order {
  const others = chosen.filter((cell) => !isGPUInChromium(cell));
  return {
    alone: chosen.filter(isGPUInChromium),
    besideOthers: [...others.filter(isGPU), ...others.filter((cell) => !isGPU(cell))],
  };
}

type Amount = Pick<SuiteOptions, "compositions" | "edges" | "steps" | "features">;
type AmountOfBackend = Omit<Amount, "features">;

/** Row lengths on both sides of each change of way in the kernels. */
const classes = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 33, 64, 100, 257, 513, 1000, 4097];
const spoilt = [1, 3, 6, 17, 300, 1031];

/** Where a device compiles a program for each composition, and a software driver runs it, there is time for fewer. */
const amounts: Readonly<Record<BackendName, AmountOfBackend & { readonly soak: number }>> = {
  cpu: {
    compositions: 1000,
    soak: 100_000,
    edges: { classes, random: 100, vocabularies: [50_257, 262_144], spoilt },
    steps: 100,
  },
  wasm: {
    compositions: 1000,
    soak: 100_000,
    edges: { classes, random: 100, vocabularies: [50_257, 262_144], spoilt },
    steps: 100,
  },
  webgl: {
    ...{ compositions: 12, soak: 500, steps: 8 },
    edges: { classes: [1, 4, 1000], random: 2, vocabularies: [50_257], spoilt: [1, 6, 300] },
  },
  webgpu: {
    ...{ compositions: 12, soak: 1000, steps: 8 },
    edges: { classes: [1, 7, 257, 4097], random: 2, vocabularies: [50_257], spoilt: [1, 6, 300] },
  },
};

/** On devices that compile programs a cell takes one of three of the features, and the next cell the next. */
const featuresOneOf = 3;

/**
 * On a GPU in Chromium, whose compilers take longest: fewer compositions, since the other cells of webgpu draw more, and fewer
 * edges, since the tests of both kernels try them there. webgpu's features are in the other cells, too.
 */
const inChromium = { compositions: 6, edges: { classes: [257], random: 0, vocabularies: [50_257], spoilt: [17] } };

export function amountFor(cell: Cell, isSoak: boolean): Amount {
  const { soak, ...amount } = amounts[cell.backend];
  if (isSoak) return { ...amount, compositions: soak, features: { first: 0, oneOf: 1 } };
  if (!isGPU(cell)) return { ...amount, features: { first: 0, oneOf: 1 } };
  const features = { first: cells.filter(isGPU).indexOf(cell) % featuresOneOf, oneOf: featuresOneOf };
  if (!isGPUInChromium(cell)) return { ...amount, features };
  return { ...amount, ...inChromium, features: cell.backend === "webgpu" ? { ...features, oneOf: 6 } : features };
}
