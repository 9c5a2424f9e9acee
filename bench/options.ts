/** The command line of the benchmark. */
import { parseArgs } from "node:util";
import type { BackendName } from "lossmith";
import { measuredBackends } from "./backends.ts";

/** What a run is told. */
export interface Options {
  readonly quick: boolean;
  readonly backends: readonly BackendName[];
  /** A file for everything that was measured; null for the usual files. */
  readonly out: string | null;
  readonly help: boolean;
}

const names = measuredBackends.map(({ name }) => name);

/** The text of `--help`. */
export const usage: string = `Times cross entropy: lossmith's, tensorflow.js's and PyTorch's, and what composition costs.

Usage: bun bench/crossEntropy.ts [options]

Options
  --quick           two shapes, three rounds, fewer of slow calls; saves nothing unless there is an --out
  --backend <name>  ${names.join(" or ")} alone; saves nothing unless there is an --out
  --out <file>      saves everything as JSON there, not in bench/results
  --help, -h        this text
`;

/** Reads the arguments that follow the script's name. @throws TypeError, with what is wrong in a line. */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      backend: { type: "string" },
      out: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const { quick, backend, out = null, help } = values;
  const backends = backend === undefined ? names : names.filter((name) => name === backend);
  if (backends.length === 0) throw new TypeError(`--backend is "${backend}"; give ${names.join(" or ")}`);
  return { quick, backends, out, help };
}
