/** The command lines of the benchmarks. */
import { parseArgs } from "node:util";
import type { BackendName } from "lossmith";
import { backendNames } from "./backends/all.ts";
import { type Shape, shapes } from "./batches.ts";

/** What a run is told. */
export interface Options {
  readonly quick: boolean;
  readonly backends: readonly BackendName[];
  /** One shape alone; null for all that a run has. */
  readonly shape: Shape | null;
  /** A file for everything that was measured; null for the usual files. */
  readonly out: string | null;
  readonly help: boolean;
}

/** How a shape is written on the command line. */
export function shapeArgument({ rows, classes }: Shape): string {
  return `${rows}x${classes}`;
}

const shapeList = shapes.map(shapeArgument).join(", ");

const common = `  --shape <NxV>     ${shapeList} alone; saves nothing unless there is an --out
  --out <file>      saves everything as JSON there, not in bench/results
  --help, -h        this text
`;

/** The text of `--help` of the comparison on all backends. */
export const usage: string = `Times cross entropy: lossmith's, tensorflow.js's and PyTorch's, and what composition costs.

Usage: bun bench/crossEntropy.ts [options]

Options
  --quick           two smaller shapes, three rounds, fewer of slow calls; saves nothing unless there is an --out
  --backend <name>  ${backendNames.join(", ")} alone; saves nothing unless there is an --out
${common}`;

/** The text of `--help` of the benchmark of a GPU. */
export const gpuUsage: string = `Times cross entropy on this machine's GPU by WebGPU, against the device's own copy.

Usage: deno run --allow-all bench/gpu/main.ts [options]

Options
  --quick           two smaller shapes, three rounds, fewer of slow calls; saves nothing unless there is an --out
${common}
A software driver's numbers are printed, and saved only where there is an --out.
`;

/** Reads the arguments that follow the script's name. @throws TypeError, with what is wrong in a line. */
export function parseOptions(args: readonly string[], backendsToChoose: readonly BackendName[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      shape: { type: "string" },
      out: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
      ...(backendsToChoose.length > 1 ? { backend: { type: "string" } } : {}),
    },
  }) as { readonly values: ParsedValues };
  const { quick, backend, out = null, help } = values;
  const backends = backend === undefined ? backendsToChoose : backendsToChoose.filter((name) => name === backend);
  if (backends.length === 0) throw new TypeError(`--backend is "${backend}"; give ${backendsToChoose.join(" or ")}`);
  const shape = values.shape === undefined ? null : shapes.find((known) => shapeArgument(known) === values.shape);
  if (shape === undefined) throw new TypeError(`--shape is "${values.shape}"; give one of ${shapeList}`);
  return { quick, backends, shape, out, help };
}

interface ParsedValues {
  readonly quick: boolean;
  readonly help: boolean;
  readonly backend?: string;
  readonly shape?: string;
  readonly out?: string;
}
