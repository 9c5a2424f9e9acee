/**
 * Fields of numbers that change while training. What is written is the state of the numbers, from which they go on when it is read.
 */
import { type DecayedCounts, type DecayedCountsOptions, decayedCounts } from "../frequency/decayedCounts.ts";
import { fromCounts } from "../frequency/frequencies.ts";
import { classWeights } from "../library/classWeights.ts";
import { type FreqWeightsOptions, freqWeights } from "../library/freqWeights.ts";
import { type MovingAverage, movingAverage } from "../library/movingAverage.ts";
import { LossError } from "../loss/error.ts";
import type { FieldSource, Origin } from "../loss/field.ts";
import { asSchedule, type Schedule } from "../loss/schedule.ts";
import { at, type Codec, nullable, number, object, omittable, oneOf, optional, shared, tagged } from "./codec.ts";
import { table } from "./reader.ts";
import { schedule } from "./scalars.ts";

/** Numbers that change while training. */
export type Changing = DecayedCounts | MovingAverage;

interface CountsState {
  readonly counts: Float64Array;
  readonly decay: Schedule;
  readonly forget: number;
  readonly ignoreIndex?: number;
  readonly updates: number;
}

const countsState = object<CountsState>({
  counts: table,
  decay: schedule,
  forget: number,
  ignoreIndex: omittable(number),
  updates: number,
});

const counts: Codec<DecayedCounts> = shared({
  write: (value, writer, path) => {
    const { decay, forget = 0.5, ignoreIndex } = value.options;
    const state: CountsState = {
      counts: value.frequencies().counts,
      decay: asSchedule(decay, "decay"),
      forget,
      ...(ignoreIndex === undefined ? {} : { ignoreIndex }),
      updates: value.version,
    };
    return countsState.write(state, writer, path);
  },
  read: (json, reader, path) => {
    const { counts: start, ...options } = countsState.read(json, reader, path);
    return at(path, () => decayedCounts(fromCounts(start), options satisfies DecayedCountsOptions));
  },
});

interface AverageState {
  readonly weights: Float64Array;
  readonly decay: Schedule;
  readonly updates: number;
}

const averageState = object<AverageState>({ weights: table, decay: schedule, updates: number });

const average: Codec<MovingAverage> = shared({
  write: (value, writer, path) => {
    const decay = asSchedule(value.options.decay, "decay");
    return averageState.write({ weights: value.weights(), decay, updates: value.version }, writer, path);
  },
  read: (json, reader, path) => {
    const { weights, ...options } = averageState.read(json, reader, path);
    return at(path, () => movingAverage(weights, options));
  },
});

/** What makes a field of them. */
type ChangingField =
  | ({ readonly kind: "freqWeights"; readonly decayedCounts: DecayedCounts } & Required<FreqWeightsOptions>)
  | { readonly kind: "classWeights"; readonly movingAverage: MovingAverage; readonly counts: Float64Array | null };

const unseen: Codec<number | "epsilon"> = {
  write: (value, writer, path) => (value === "epsilon" ? value : number.write(value, writer, path)),
  read: (json, reader, path) => (json === "epsilon" ? json : number.read(json, reader, path)),
};

const changingField = tagged<ChangingField>({
  freqWeights: {
    decayedCounts: counts,
    as: oneOf<Required<FreqWeightsOptions>["as"]>({ count: true, relative: true }),
    unseen,
  },
  classWeights: { movingAverage: average, counts: optional(nullable(table), null) },
});

function partsOf({ numbers, options }: Origin, path: string): ChangingField {
  if (isDecayedCounts(numbers)) {
    return { kind: "freqWeights", decayedCounts: numbers, ...(options as Required<FreqWeightsOptions>) };
  }
  if (isMovingAverage(numbers)) {
    const { counts: given = null } = options as { readonly counts?: Float64Array };
    return { kind: "classWeights", movingAverage: numbers, counts: given };
  }
  throw new LossError(
    path,
    `numbers of the kind ${numbers.kind} cannot be written`,
    "Use decayedCounts or movingAverage",
  );
}

export function isDecayedCounts(numbers: Origin["numbers"]): numbers is DecayedCounts {
  return numbers.kind === "decayed counts";
}

export function isMovingAverage(numbers: Origin["numbers"]): numbers is MovingAverage {
  return numbers.kind === "moving average";
}

/** The source of a field whose numbers come from elsewhere. */
export const changingSource: Codec<FieldSource & { readonly from: Origin }> = {
  write: ({ from }, writer, path) => changingField.write(partsOf(from, path), writer, path),
  read: (json, reader, path) => {
    const parts = changingField.read(json, reader, path);
    return at(path, () => sourceOf(parts));
  },
};

function sourceOf(parts: ChangingField): FieldSource & { readonly from: Origin } {
  const { field } =
    parts.kind === "freqWeights"
      ? freqWeights(parts.decayedCounts, { as: parts.as, unseen: parts.unseen })
      : classWeights(parts.movingAverage, parts.counts === null ? {} : { counts: parts.counts });
  return field.source as FieldSource & { readonly from: Origin };
}
