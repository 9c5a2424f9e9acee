/** The command line that the examples have in common; an example may add options of its own. */
import { type Command, parseCommand, type Readers } from "../command/options.ts";
import {
  type BackendChoice,
  backendOption,
  backends,
  isWhole,
  outOption,
  seedOption,
  stepsOption,
  toNumber,
} from "../command/readers.ts";
import { lossNames } from "./losses.ts";

export type PresetName = "small" | "large";

/** What a run of an example can be told. Null leaves a number to the preset or the example. */
export interface Options {
  readonly preset: PresetName;
  readonly backend: BackendChoice;
  /** The exponents that Power-Law Decay Loss is tried with. */
  readonly alphas: readonly number[];
  /** The loss that is compared beside: one of `lossNames`, or a file. */
  readonly loss: string;
  readonly linear: boolean;
  /** Pretraining steps. */
  readonly steps: number | null;
  /** Pairs of a batch. */
  readonly batch: number | null;
  /** In how many parts a batch is taken. */
  readonly accumulate: number;
  /** 0 takes the likeliest token. */
  readonly temperature: number | null;
  readonly seed: number;
  /** The folder for the report. */
  readonly out: string;
}

/** An option of one example alone. */
export interface OwnOption {
  /** Its name without dashes. */
  readonly name: string;
  /** How its value is called in the help text. */
  readonly value: string;
  readonly initial: string;
  /** What it does, for the help text. */
  readonly help: string;
  /** Whether a value is right; else what would be. */
  readonly check: (value: string) => true | string;
}

/** What the command line of an example says. */
export interface CommandLine {
  /** The example's name: that of its folder, and of its npm script after "example:". */
  readonly name: string;
  /** What it does, in lines of at most 110 characters. */
  readonly about: string;
  readonly temperature: number;
  readonly own: readonly OwnOption[];
  /** Command lines to try, without the program. */
  readonly examples: readonly string[];
}

/** Options together with those of the example alone, by name. */
export interface AllOptions extends Options {
  readonly own: Readonly<Record<string, string>>;
}

/** The options of a command line that says nothing. */
export function defaultOptions({ name, own }: CommandLine): AllOptions {
  return {
    preset: "small",
    backend: "auto",
    alphas: [0.25, 0.5, 1],
    loss: "focal",
    linear: false,
    steps: null,
    batch: null,
    accumulate: 1,
    temperature: null,
    seed: 1,
    out: `${name}-report`,
    own: Object.fromEntries(own.map((option) => [option.name, option.initial])),
  };
}

/** The text of `--help`. */
export function usage(line: CommandLine): string {
  const { name, about, temperature, own, examples } = line;
  const { preset, backend, alphas, loss, accumulate, seed, out } = defaultOptions(line);
  const entry = (option: string, lines: readonly string[]): string =>
    lines.map((text, i) => `  ${(i === 0 ? option : "").padEnd(22)}${text}`).join("\n");
  return `${about}

The model is pretrained once with cross entropy; then copies of it are fine-tuned on the same batches with cross
entropy, with Power-Law Decay Loss (PDL) at several alphas, and with one loss of your choice.

Usage: npm run example:${name} -- [options]

Options
${[
  entry("--preset <name>", [`small | large: large is for a GPU (default ${preset})`]),
  entry("--backend <name>", [`${backends.join(" | ")}; auto takes a GPU, else wasm (default ${backend})`]),
  entry("--alphas <numbers>", [`PDL's exponents, 0 to 3, with commas between (default ${alphas.join(",")})`]),
  entry("--loss <name or file>", [
    `${lossNames.join(" | ")};`,
    `or a file that lossToJSON wrote, its name ending in .json (default ${loss})`,
  ]),
  entry("--linear", ["train without logits: losses take hidden states and the output layer"]),
  entry("--steps <number>", [
    "pretraining steps; fine-tunings shrink or grow with them, and what is measured shrinks with them",
    "(default: the preset's)",
  ]),
  entry("--batch <number>", ["pairs in a batch (default: the preset's)"]),
  entry("--accumulate <number>", [
    `in how many parts a batch is taken, which saves memory and changes no number (default ${accumulate})`,
  ]),
  entry("--temperature <number>", [
    `of the sampled answers, 0 to 5; 0 takes the likeliest token (default ${temperature})`,
  ]),
  ...own.map(({ name: option, value, initial, help }) =>
    entry(`--${option} <${value}>`, [`${help} (default ${initial})`]),
  ),
  entry("--seed <number>", [`the source of all randomness, 0 to 4294967295 (default ${seed})`]),
  entry("--out <folder>", [`where report.md, its pictures and the logs go (default ${out})`]),
  entry("--help, -h", ["this text"]),
].join("\n")}

Examples
${examples.map((example) => `  npm run example:${name}${example === "" ? "" : ` -- ${example}`}`).join("\n")}
  deno run --allow-all examples/${name}/main.ts --backend wasm
`;
}

/** Reads the arguments that follow the script's name. */
export function parseExample(line: CommandLine, args: readonly string[]): Command<AllOptions> {
  const defaults = defaultOptions(line);
  const own = { ...defaults.own };
  const readers: Readers<AllOptions> = {
    preset: (value) => (value === "small" || value === "large" ? { preset: value } : "small or large"),
    backend: backendOption,
    alphas: (value) => {
      const alphas = value.split(",").map(toNumber);
      return alphas.every((alpha) => alpha >= 0 && alpha <= 3)
        ? { alphas: [...new Set(alphas)] }
        : "numbers from 0 to 3 with commas between, such as 0.25,0.5,1";
    },
    loss: (value) =>
      lossNames.includes(value) || value.endsWith(".json")
        ? { loss: value }
        : `one of ${lossNames.join(", ")}, or a file whose name ends in .json`,
    linear: { linear: true },
    steps: stepsOption(300),
    batch: (value) => {
      const batch = toNumber(value);
      return isWhole(batch, 1, 4096) ? { batch } : "a whole number from 1 to 4096, such as 16";
    },
    accumulate: (value) => {
      const accumulate = toNumber(value);
      return isWhole(accumulate, 1, 4096) ? { accumulate } : "a whole number from 1 to 4096, such as 2";
    },
    temperature: (value) => {
      const temperature = toNumber(value);
      return temperature >= 0 && temperature <= 5 ? { temperature } : "a number from 0 to 5, such as 0.8";
    },
    ...Object.fromEntries(
      line.own.map(({ name, check }) => [
        name,
        (value: string) => {
          const verdict = check(value);
          if (verdict !== true) return verdict;
          own[name] = value;
          return { own };
        },
      ]),
    ),
    seed: seedOption,
    out: outOption(defaults.out),
  };
  return parseCommand(args, readers, defaults);
}
