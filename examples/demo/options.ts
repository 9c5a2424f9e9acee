/** The demo's command line: pure functions from arguments to options, a request for help, or an error. */
import { parseArgs } from "node:util";

/** A backend that can be asked for; "auto" leaves the choice to `useBackend`. */
export type BackendChoice = "auto" | "wasm" | "cpu" | "webgl" | "webgpu";

/** What a run of the demo can be told. */
export interface Options {
  readonly backend: BackendChoice;
  /** The exponent of Power-Law Decay Loss at the end of its ramp. */
  readonly alpha: number;
  /** Pretraining steps. */
  readonly steps: number;
  readonly seed: number;
  /** The folder for the report and the picture. */
  readonly out: string;
}

/** A command line as it was understood. */
export type Command =
  | { readonly kind: "run"; readonly options: Options }
  | { readonly kind: "help" }
  | { readonly kind: "error"; readonly message: string };

export const defaultOptions: Options = { backend: "auto", alpha: 0.5, steps: 900, seed: 1, out: "demo-report" };

const backends: readonly BackendChoice[] = ["auto", "wasm", "cpu", "webgl", "webgpu"];

/** How many held-out tokens are measured for each pretraining step, so that a short run measures little. */
export const heldOutTokensPerStep = 128;

/** The number of steps of each fine-tuning: a third of the pretraining's, at least one. */
export function fineTuningSteps(pretrainingSteps: number): number {
  return Math.max(1, Math.round(pretrainingSteps / 3));
}

/** The text of `--help`. */
export function usage(): string {
  const { backend, alpha, steps, seed, out } = defaultOptions;
  return `Pretrains a small language model on old State of the Union addresses, fine-tunes it on recent ones with
cross entropy and with Power-Law Decay Loss (PDL), and measures both on held-out addresses.

Usage: npm run demo -- [options]

Options
  --backend <name>  ${backends.join(" | ")}; auto takes a GPU, else wasm (default ${backend})
  --alpha <number>  PDL's exponent at the end of its ramp, 0 to 3; 0 is cross entropy (default ${alpha})
  --steps <number>  pretraining steps; each of the two fine-tunings takes a third of them, and the measurement
                    reads at most ${heldOutTokensPerStep} held-out tokens a step (default ${steps}: all of them)
  --seed <number>   the source of all randomness, a whole number from 0 to 4294967295 (default ${seed})
  --out <folder>    where report.md and picture.svg go (default ${out})
  --help, -h        this text

Examples
  npm run demo
  npm run demo -- --alpha 1 --seed 7
  npm run demo -- --steps 30 --out quick-look
  deno run --allow-all examples/demo/main.ts --backend wasm
`;
}

/** Reads the arguments that follow the script's name. */
export function parseCommand(args: readonly string[]): Command {
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: {
      backend: { type: "string" },
      alpha: { type: "string" },
      steps: { type: "string" },
      seed: { type: "string" },
      out: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  let options = defaultOptions;
  for (const token of tokens) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") return error(`unexpected argument "${token.value}"; options begin with --`);
    if (token.name === "help") return { kind: "help" };
    const reader = Object.hasOwn(readers, token.name) ? readers[token.name as keyof Options] : undefined;
    if (reader === undefined) {
      return error(`unknown option ${token.rawName}; the options are --${Object.keys(readers).join(", --")}, --help`);
    }
    const read = reader(token.value ?? "");
    if (typeof read === "string") {
      return error(
        `${token.rawName} ${token.value === undefined ? "has no value" : `is "${token.value}"`}; give ${read}`,
      );
    }
    options = { ...options, ...read };
  }
  return { kind: "run", options };
}

function error(message: string): Command {
  return { kind: "error", message };
}

/** Reads one option, or says what would be right. */
type Reader = (value: string) => Partial<Options> | string;

const readers: Readonly<Record<keyof Options, Reader>> = {
  backend: (value) => {
    const backend = backends.find((name) => name === value);
    return backend === undefined ? `one of ${backends.join(", ")}` : { backend };
  },
  alpha: (value) => {
    const alpha = toNumber(value);
    return alpha >= 0 && alpha <= 3 ? { alpha } : "a number from 0 to 3, such as 0.5";
  },
  steps: (value) => {
    const steps = toNumber(value);
    return Number.isInteger(steps) && steps >= 1 && steps <= 1_000_000
      ? { steps }
      : `a whole number from 1 to 1000000, such as ${defaultOptions.steps}`;
  },
  seed: (value) => {
    const seed = toNumber(value);
    return Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32
      ? { seed }
      : "a whole number from 0 to 4294967295, such as 1";
  },
  out: (value) => (value.trim() === "" ? `the name of a folder, such as ${defaultOptions.out}` : { out: value }),
};

/** NaN for a blank value, which Number would read as 0. */
function toNumber(value: string): number {
  return value.trim() === "" ? Number.NaN : Number(value);
}
