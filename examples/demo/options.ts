/** The demo's command line. */
import { type Command, parseCommand as parse } from "../command/options.ts";
import {
  type BackendChoice,
  backendOption,
  backends,
  outOption,
  seedOption,
  stepsOption,
  toNumber,
} from "../command/readers.ts";

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
  /** Whether losses take hidden states and the output layer in place of logits. */
  readonly linear: boolean;
}

export const defaultOptions: Options = {
  backend: "auto",
  alpha: 0.5,
  steps: 900,
  seed: 1,
  out: "demo-report",
  linear: false,
};

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
  --linear          train without logits: the losses take hidden states and the output layer; the same numbers but for
                    rounding, in less memory (default false)
  --help, -h        this text

Examples
  npm run demo
  npm run demo -- --alpha 1 --seed 7
  npm run demo -- --steps 30 --out quick-look
  npm run demo -- --linear
  deno run --allow-all examples/demo/main.ts --backend wasm
`;
}

/** Reads the arguments that follow the script's name. */
export function parseCommand(args: readonly string[]): Command<Options> {
  return parse<Options>(
    args,
    {
      backend: backendOption,
      alpha: (value) => {
        const alpha = toNumber(value);
        return alpha >= 0 && alpha <= 3 ? { alpha } : "a number from 0 to 3, such as 0.5";
      },
      steps: stepsOption(defaultOptions.steps),
      seed: seedOption,
      out: outOption(defaultOptions.out),
      linear: { linear: true },
    },
    defaultOptions,
  );
}
