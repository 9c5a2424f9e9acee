/** What a run is told: by the form, or by the address (?backend=webgl&losses=crossEntropy,focal&steps=40). */
import type { BackendName } from "lossmith";

/** The losses that can be compared, in the order in which they are drawn. */
export const lossNames = ["crossEntropy", "powerLawDecay", "focal", "labelSmoothing", "own"] as const;
export type LossName = (typeof lossNames)[number];

/** The models that can be trained. */
export const modelNames = ["tiny", "small", "medium"] as const;
export type ModelName = (typeof modelNames)[number];

/** A backend that can be asked for; "auto" leaves the choice to `useBackend`. */
export type BackendChoice = "auto" | BackendName;

const backends: readonly BackendChoice[] = ["auto", "webgpu", "webgl", "wasm", "cpu"];

/** The settings that are numbers. */
export interface Numbers {
  /** The exponent of Power-Law Decay Loss at the end of its ramp. */
  readonly alpha: number;
  /** Focal loss's exponent. */
  readonly gamma: number;
  /** The share that label smoothing gives to all classes. */
  readonly smoothing: number;
  /** The number of fine-tuning steps. */
  readonly steps: number;
  /** The number of steps of cross entropy before them, on another text. */
  readonly pretraining: number;
  /** The highest learning rate of fine-tuning. */
  readonly learningRate: number;
  /** How many classes the output layer has. */
  readonly vocabulary: number;
  /** How many tokens are written by each model now and then; 0 for none. */
  readonly sample: number;
  /** The source of all randomness. */
  readonly seed: number;
}

export interface Settings extends Numbers {
  readonly backend: BackendChoice;
  readonly model: ModelName;
  readonly losses: readonly LossName[];
  /** The JSON of the loss called "own". */
  readonly json: string;
}

interface Bounds {
  readonly least: number;
  readonly most: number;
  readonly isWhole?: true;
}

const bounds: Readonly<Record<keyof Numbers, Bounds>> = {
  alpha: { least: 0, most: 2 },
  gamma: { least: 0, most: 5 },
  smoothing: { least: 0, most: 0.5 },
  steps: { least: 1, most: 100_000, isWhole: true },
  pretraining: { least: 0, most: 100_000, isWhole: true },
  learningRate: { least: 1e-6, most: 1 },
  vocabulary: { least: 64, most: 4096, isWhole: true },
  sample: { least: 0, most: 200, isWhole: true },
  seed: { least: 0, most: 2 ** 32 - 1, isWhole: true },
};

export const defaults: Omit<Settings, "json"> = {
  backend: "auto",
  model: "small",
  losses: ["crossEntropy", "powerLawDecay"],
  ...{ alpha: 0.5, gamma: 2, smoothing: 0.1 },
  ...{ steps: 200, pretraining: 60, learningRate: 0.005, vocabulary: 1024, sample: 30, seed: 1 },
};

/** Settings as far as they were understood, and what was not. */
export interface Understood {
  readonly settings: Settings;
  readonly problems: readonly string[];
}

/** Reads what a form or an address says; what it leaves out, or says wrongly, is as in `otherwise`. */
export function readSettings(given: URLSearchParams, otherwise: Settings): Understood {
  const problems: string[] = [];
  const refuse = (name: string, value: string, right: string): void => {
    problems.push(`${name} is “${value}”; give ${right}`);
  };
  const choice = <T extends string>(name: string, choices: readonly T[], usual: T): T => {
    const value = given.get(name);
    const chosen = choices.find((one) => one === value);
    if (value !== null && chosen === undefined) refuse(name, value, `one of ${choices.join(", ")}`);
    return chosen ?? usual;
  };
  const number = (name: keyof Numbers): number => {
    const text = given.get(name);
    if (text === null) return otherwise[name];
    const { least, most, isWhole } = bounds[name];
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (value >= least && value <= most && (isWhole !== true || Number.isInteger(value))) return value;
    refuse(name, text, `a ${isWhole === true ? "whole " : ""}number from ${least} to ${most}`);
    return otherwise[name];
  };
  const named = given.getAll("losses").flatMap((names) => names.split(","));
  for (const name of named.filter((name) => !lossNames.some((one) => one === name))) {
    refuse("losses", name, `some of ${lossNames.join(", ")}`);
  }
  const losses = lossNames.filter((name) => named.includes(name));
  const numbers = Object.fromEntries(
    (Object.keys(bounds) as (keyof Numbers)[]).map((name) => [name, number(name)]),
  ) as Record<keyof Numbers, number>;
  const settings = {
    backend: choice("backend", backends, otherwise.backend),
    model: choice("model", modelNames, otherwise.model),
    losses: losses.length > 0 ? losses : otherwise.losses,
    json: given.get("json") ?? otherwise.json,
    ...numbers,
  };
  return { settings, problems };
}

/** The part of an address that gives the same settings, without what is as usual and without a JSON text. */
export function addressOf(settings: Settings): string {
  const parts = (Object.keys(defaults) as (keyof typeof defaults)[])
    .map((name) => [name, String(settings[name])] as const)
    .filter(([name, value]) => value !== String(defaults[name]));
  return parts.length === 0 ? "" : `?${parts.map(([name, value]) => `${name}=${value}`).join("&")}`;
}
