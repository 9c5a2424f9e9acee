import {
  type Beside,
  checkBatchOf,
  checkCandidates,
  checkCandidatesShape,
  checkLabels,
  checkRowShape,
  checkSampleWeights,
  checkSoftLabels,
  checkSoftShape,
  checkStep,
  checkTargetsShape,
  checkTeacherShape,
  depthOf,
  type Flat,
  flatten,
  isBoolean,
  isNumber,
  leastColumns,
  logitsShape,
  missingCandidates,
  missingInput,
  missingTeacher,
  type Nested,
  refuseSoftLabels,
  valuesShape,
} from "../loss/batch.ts";
import {
  type Candidates,
  type LabelFact,
  type LabelReading,
  readsLabelsOfOthers,
  repeatsOf,
  visitEarlierLabels,
} from "../loss/candidates.ts";
import { LossError } from "../loss/error.ts";
import { evaluateField, type Field } from "../loss/field.ts";
import {
  checkVocabulary,
  columnNeeds,
  fieldsOf,
  hasTeacher,
  inputsOf,
  isScheduledLoss,
  labelReadingOf,
  parametersOf,
} from "../loss/inventory.ts";
import { type AnyLoss, inputOf } from "../loss/loss.ts";
import type { ParameterAtom } from "../loss/parameter.ts";
import { checkProbabilities, logOfProbability } from "../loss/probabilities.ts";

/** What a batch of plain nested arrays may have for losses of any input. */
export interface PlainEntries {
  /** false marks a row that is not valid; [...], all true by default. */
  readonly mask?: Nested<boolean>;
  /** A weight of at least 0 for each row; [...], all 1 by default. */
  readonly sampleWeight?: Nested<number>;
  /** A number for each row, [...], under each name that the loss reads. */
  readonly inputs?: Readonly<Record<string, Nested<number>>>;
  /** The training step, needed by a loss with a schedule. */
  readonly step?: number;
  /** Values of trainable parameters by name; their initial values by default. */
  readonly parameters?: Readonly<Record<string, number>>;
}

/** A batch of plain nested arrays, for `evaluate` of a loss over logits. */
export interface PlainBatch extends PlainEntries {
  /** Logits [..., V]. */
  readonly logits: Nested<number>;
  /** Integer labels [...], or soft labels [..., V]: a weight for each class, whatever they sum to. */
  readonly labels: Nested<number>;
  /** A teacher's logits [..., V], for a loss that reads them. */
  readonly teacher?: Nested<number>;
  /** Candidates [..., K], for a loss that reads them: ids for each row, and −1 for none; an id that is there twice counts once. */
  readonly candidates?: Nested<number>;
}

/** A batch of plain nested arrays, for `evaluate` of a loss over values. */
export interface PlainValuesBatch extends PlainEntries {
  /** Predictions [..., D]; [N] are N rows of one column. */
  readonly predictions: Nested<number>;
  /** Targets in the shape of the predictions. */
  readonly targets: Nested<number>;
}

/** The batch that a loss over an input is evaluated on. */
export interface PlainBatches {
  readonly logits: PlainBatch;
  readonly values: PlainValuesBatch;
}

/** A batch laid out by rows. */
export interface PlainRows {
  readonly shape: readonly number[];
  /** The shape of the logits or predictions. */
  readonly inputShape: readonly number[];
  /** The classes of the logits, or the columns of the values. */
  readonly classes: number;
  readonly indices: readonly number[];
  /** Empty where the loss is over values. */
  readonly logits: readonly (readonly number[])[];
  /** The batch's own where they are the logits' source; null where the batch gives logits. */
  readonly probabilities: readonly (readonly number[])[] | null;
  /** Empty where the loss reads no teacher. */
  readonly teacher: readonly (readonly number[])[];
  /** The weight of each class in a row: 1 at an integer label, or the soft labels. */
  readonly targets: (row: number) => Float64Array;
  /** Predictions and targets of a loss over values; empty where it is over logits. */
  readonly predictions: readonly (readonly number[])[];
  readonly targetValues: readonly (readonly number[])[];
  readonly inputs: ReadonlyMap<string, readonly number[]>;
  /** The candidates of a valid row but its own label; none in other rows. */
  readonly candidates: (of: Candidates, row: number) => readonly number[];
  readonly labelFact: (fact: LabelFact, row: number) => number;
  readonly valid: readonly boolean[];
  readonly sampleWeight: readonly number[];
  readonly step: number;
  readonly weights: (field: Field) => Float64Array;
  readonly parameter: (parameter: ParameterAtom) => number;
}

/** The length of a sequence: the last axis of the rows. */
export function sequenceLength({ shape }: PlainRows): number {
  return shape[shape.length - 1] ?? 1;
}

/** A row's place in its sequence. */
export function positionOf(rows: PlainRows, row: number): number {
  return row % sequenceLength(rows);
}

/** Reads and checks a batch for a loss. */
export function readPlainBatch(loss: AnyLoss, batch: PlainBatch | PlainValuesBatch): PlainRows {
  const input = inputOf(loss);
  if (typeof batch !== "object" || batch === null) {
    throw new LossError("batch", `got ${String(batch)}`, "Give the batch as an object of nested arrays");
  }
  checkBatchOf(input, batch);
  return input === "values" ? readValues(loss, batch as PlainValuesBatch) : readLogits(loss, batch as PlainBatch);
}

function readLogits(loss: AnyLoss, batch: PlainBatch): PlainRows {
  const logits = flatten(batch.logits, "logits", isNumber, "numbers");
  const { rows: shape, classes } = readShape(loss, logits, batch.labels);
  const reader = rowReader(shape, classes);
  const targets = depthOf(batch.labels) === depthOf(batch.logits) ? readTargets(batch.labels, shape, classes) : null;
  const labels = targets === null ? reader.read(batch.labels, "labels", isNumber, "integer labels", 0) : [];
  const validRows = (mask: readonly boolean[]): readonly boolean[] => {
    const valid = mask.map((isGiven, row) => isGiven && !(targets === null && loss.ignored.includes(labels[row])));
    if (targets === null) checkLabels(labels, classes, shape, (row) => valid[row]);
    if (loss.probabilities) checkProbabilities(logits.values, shape, classes, (row) => valid[row]);
    return valid;
  };
  const ofRows = (values: readonly number[]): readonly (readonly number[])[] => byRow(values, reader.indices, classes);
  const entries = readEntries(loss, batch, reader, validRows);
  const reading = labelReadingOf(loss);
  // Nested arrays without a row do not show what kind of labels they are.
  if (targets !== null && reader.indices.length > 0 && readsLabelsOfOthers(reading)) refuseSoftLabels();
  return {
    ...entries,
    ...readBeside(reading, batch, labels, entries.valid, shape, classes),
    shape,
    inputShape: [...shape, classes],
    classes,
    logits: ofRows(loss.probabilities ? logits.values.map(logOfProbability) : logits.values),
    probabilities: loss.probabilities ? ofRows(logits.values) : null,
    teacher: hasTeacher(loss) ? ofRows(readTeacher(batch.teacher, shape, classes)) : [],
    predictions: [],
    targetValues: [],
    targets: (row) =>
      targets === null
        ? Float64Array.from({ length: classes }, (_, c) => (c === labels[row] ? 1 : 0))
        : Float64Array.from(targets.slice(row * classes, (row + 1) * classes)),
  };
}

function readValues(loss: AnyLoss, batch: PlainValuesBatch): PlainRows {
  const predictions = flatten(batch.predictions, "predictions", isNumber, "numbers");
  const targets = flatten(batch.targets, "targets", isNumber, "numbers");
  // Nested arrays without a row do not show their columns.
  const noRow = predictions.values.length === 0 && targets.values.length === 0;
  const needs = columnNeeds(loss);
  const read = valuesShape(noRow ? [...predictions.shape, leastColumns(needs)] : predictions.shape, needs);
  if (!noRow) checkTargetsShape(targets.shape, read);
  const { rows: shape, columns } = read;
  const beside = noRow ? { ...read.beside, shape } : read.beside;
  const reader = rowReader(shape, columns, beside);
  return {
    ...readEntries(loss, batch, reader, (mask) => mask),
    candidates: () => [],
    labelFact: () => 0,
    shape,
    inputShape: beside.shape,
    classes: columns,
    logits: [],
    probabilities: null,
    teacher: [],
    targets: () => new Float64Array(columns),
    predictions: byRow(predictions.values, reader.indices, columns),
    targetValues: byRow(targets.values, reader.indices, columns),
  };
}

// ------------------------------------------------------------------------------------------------- one value a row

interface RowReader {
  readonly indices: readonly number[];
  readonly shape: readonly number[];
  readonly classes: number;
  /** The values of the rows, in order. */
  readonly read: <T extends number | boolean>(
    nested: Nested<T> | undefined,
    where: string,
    isEntry: (x: unknown) => x is T,
    expected: string,
    otherwise: T,
  ) => readonly T[];
}

function rowReader(shape: readonly number[], classes: number, beside?: Beside): RowReader {
  const indices = Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, row) => row);
  return {
    indices,
    shape,
    classes,
    read: (nested, where, isEntry, expected, otherwise) => {
      if (nested === undefined) return indices.map(() => otherwise);
      const flat = flatten(nested, where, isEntry, expected);
      checkRowShape(where, flat.shape, shape, classes, beside);
      return flat.values;
    },
  };
}

type Entries = Pick<PlainRows, "indices" | "inputs" | "valid" | "sampleWeight" | "step" | "weights" | "parameter">;

function readEntries(
  loss: AnyLoss,
  batch: PlainEntries,
  { indices, shape, classes, read }: RowReader,
  validRows: (mask: readonly boolean[]) => readonly boolean[],
): Entries {
  const mask = read(batch.mask, "mask", isBoolean, "booleans, true for rows that count", true);
  const sampleWeight = read(batch.sampleWeight, "sampleWeight", isNumber, "numbers", 1);
  const valid = validRows(mask);
  checkSampleWeights(sampleWeight, shape);
  checkVocabulary(fieldsOf(loss), classes);
  const step = checkStep(batch.step, isScheduledLoss(loss));
  const parameters = parametersOf(loss);
  for (const name of Object.keys(batch.parameters ?? {})) {
    if (parameters.has(name)) continue;
    const names = [...parameters.keys()].join(", ") || "none";
    throw new LossError("parameters", `the loss has no parameter "${name}"`, `Its parameters are: ${names}`);
  }
  const inputs = inputsOf(loss).map((name) => {
    const values = batch.inputs?.[name];
    if (values === undefined) throw missingInput(name);
    return [name, read(values, `inputs.${name}`, isNumber, "numbers", 0)] as const;
  });
  const known = new Map(fieldsOf(loss).map((field) => [field, evaluateField(field, step)]));
  return {
    indices,
    inputs: new Map(inputs),
    valid,
    sampleWeight,
    step,
    parameter: ({ name, init }) => batch.parameters?.[name] ?? init,
    weights: (field) => known.get(field) ?? evaluateField(field, step),
  };
}

function byRow(values: readonly number[], indices: readonly number[], classes: number): readonly (readonly number[])[] {
  return indices.map((row) => values.slice(row * classes, (row + 1) * classes));
}

// ----------------------------------------------------------------------------------------------- logits and labels

function readTargets(labels: Nested<number>, shape: readonly number[], classes: number): readonly number[] {
  const flat = flatten(labels, "labels", isNumber, "numbers");
  checkSoftShape(flat.shape, shape, classes);
  return checkSoftLabels(flat.values);
}

function readTeacher(
  teacher: Nested<number> | undefined,
  shape: readonly number[],
  classes: number,
): readonly number[] {
  if (teacher === undefined) throw missingTeacher();
  const flat = flatten(teacher, "teacher", isNumber, "numbers");
  if (flat.values.length > 0 || !shape.includes(0)) checkTeacherShape(flat.shape, shape, classes);
  return flat.values;
}

/** The ids beside the label of each row that a loss reads. */
function readBeside(
  { candidates: read }: LabelReading,
  batch: PlainBatch,
  labels: readonly number[],
  valid: readonly boolean[],
  shape: readonly number[],
  classes: number,
): Pick<PlainRows, "candidates" | "labelFact"> {
  const sequences = { labels, isValid: (row: number) => valid[row], length: shape[shape.length - 1] ?? 1 };
  const all = new Map<Candidates, readonly (readonly number[])[]>();
  const earlierLabels: number[][] = [];
  visitEarlierLabels(sequences, (_, earlier) => earlierLabels.push([...earlier]));
  all.set("earlierLabels", earlierLabels);
  if (read.includes("given")) all.set("given", readCandidates(batch.candidates, valid, shape, classes));
  const of = (which: Candidates, row: number): readonly number[] => (valid[row] ? (all.get(which)?.[row] ?? []) : []);
  return {
    candidates: (which, row) => of(which, row).filter((id) => id !== labels[row]),
    labelFact: (fact, row) =>
      fact.kind === "isCandidate"
        ? Number(of(fact.candidates, row).includes(labels[row]))
        : repeatsOf(sequences, fact.length)[row],
  };
}

/** The distinct candidates of each row. */
function readCandidates(
  candidates: Nested<number> | undefined,
  valid: readonly boolean[],
  shape: readonly number[],
  classes: number,
): readonly (readonly number[])[] {
  if (candidates === undefined) throw missingCandidates();
  if (valid.length === 0) return [];
  const flat = flatten(candidates, "candidates", isNumber, "ids");
  const each = checkCandidatesShape(flat.shape, shape);
  checkCandidates(flat.values, classes, shape, (row) => valid[row]);
  return valid.map((_, row) => [...new Set(flat.values.slice(row * each, (row + 1) * each).filter((id) => id >= 0))]);
}

/** The shape of the logits. Nested arrays without a row do not show their classes, so any number of them fits. */
function readShape(
  loss: AnyLoss,
  logits: Flat<number>,
  labels: Nested<number>,
): { readonly rows: readonly number[]; readonly classes: number } {
  const noRow = flatten(labels ?? 0, "labels", isNumber, "integer labels");
  return logits.values.length === 0 && noRow.values.length === 0
    ? { rows: noRow.shape, classes: fieldsOf(loss)[0]?.source.values.length ?? 1 }
    : logitsShape(logits.shape);
}

/** Nests flat values into arrays of a shape. */
export function nest(values: readonly number[], shape: readonly number[]): Nested<number> {
  if (shape.length === 0) return values[0];
  const [size, ...inner] = shape;
  const stride = inner.reduce((product, length) => product * length, 1);
  return Array.from({ length: size }, (_, i) => nest(values.slice(i * stride, (i + 1) * stride), inner));
}
