import {
  checkLabels,
  checkRowShape,
  checkSampleWeights,
  checkSoftLabels,
  checkSoftShape,
  checkStep,
  checkTeacherShape,
  depthOf,
  type Flat,
  flatten,
  isBoolean,
  isNumber,
  logitsShape,
  missingInput,
  missingTeacher,
  type Nested,
} from "../loss/batch.ts";
import { LossError } from "../loss/error.ts";
import { evaluateField, type Field } from "../loss/field.ts";
import { checkVocabulary, fieldsOf, hasTeacher, inputsOf, isScheduledLoss, parametersOf } from "../loss/inventory.ts";
import type { AnyLoss } from "../loss/loss.ts";
import type { ParameterAtom } from "../loss/parameter.ts";
import { checkProbabilities, logOfProbability } from "../loss/probabilities.ts";

/** A batch of plain nested arrays, for `evaluate`. */
export interface PlainBatch {
  /** Logits [..., V]. */
  readonly logits: Nested<number>;
  /** Integer labels [...], or soft labels [..., V]: a weight for each class, whatever they sum to. */
  readonly labels: Nested<number>;
  /** A teacher's logits [..., V], for a loss that reads them. */
  readonly teacher?: Nested<number>;
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

/** A batch laid out by rows. */
export interface PlainRows {
  readonly shape: readonly number[];
  readonly classes: number;
  readonly indices: readonly number[];
  readonly logits: readonly (readonly number[])[];
  /** The batch's own where they are the logits' source; null where the batch gives logits. */
  readonly probabilities: readonly (readonly number[])[] | null;
  /** Empty where the loss reads no teacher. */
  readonly teacher: readonly (readonly number[])[];
  /** The weight of each class in a row: 1 at an integer label, or the soft labels. */
  readonly targets: (row: number) => Float64Array;
  readonly inputs: ReadonlyMap<string, readonly number[]>;
  readonly valid: readonly boolean[];
  readonly sampleWeight: readonly number[];
  readonly step: number;
  readonly weights: (field: Field) => Float64Array;
  readonly parameter: (parameter: ParameterAtom) => number;
}

/** Reads and checks a batch for a loss. */
export function readPlainBatch(loss: AnyLoss, batch: PlainBatch): PlainRows {
  const logits = flatten(batch.logits, "logits", isNumber, "numbers");
  const { rows: shape, classes } = readShape(loss, logits, batch.labels);
  const readRows = <T extends number | boolean>(
    nested: Nested<T> | undefined,
    where: string,
    isEntry: (x: unknown) => x is T,
    expected: string,
    otherwise: T,
  ): readonly T[] => {
    if (nested === undefined) return indices.map(() => otherwise);
    const flat = flatten(nested, where, isEntry, expected);
    checkRowShape(where, flat.shape, shape, classes);
    return flat.values;
  };
  const indices = Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, row) => row);
  const targets = depthOf(batch.labels) === depthOf(batch.logits) ? readTargets(batch.labels, shape, classes) : null;
  const labels = targets === null ? readRows(batch.labels, "labels", isNumber, "integer labels", 0) : [];
  const mask = readRows(batch.mask, "mask", isBoolean, "booleans, true for rows that count", true);
  const sampleWeight = readRows(batch.sampleWeight, "sampleWeight", isNumber, "numbers", 1);
  const valid = indices.map((row) => mask[row] && !(targets === null && loss.ignored.includes(labels[row])));
  if (targets === null) checkLabels(labels, classes, shape, (row) => valid[row]);
  if (loss.probabilities) checkProbabilities(logits.values, shape, classes, (row) => valid[row]);
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
    return [name, readRows(values, `inputs.${name}`, isNumber, "numbers", 0)] as const;
  });
  const byRow = (values: readonly number[]): readonly (readonly number[])[] =>
    indices.map((row) => values.slice(row * classes, (row + 1) * classes));
  const known = new Map(fieldsOf(loss).map((field) => [field, evaluateField(field, step)]));
  return {
    shape,
    classes,
    indices,
    inputs: new Map(inputs),
    logits: byRow(loss.probabilities ? logits.values.map(logOfProbability) : logits.values),
    probabilities: loss.probabilities ? byRow(logits.values) : null,
    teacher: hasTeacher(loss) ? byRow(readTeacher(batch.teacher, shape, classes)) : [],
    targets: (row) =>
      targets === null
        ? Float64Array.from({ length: classes }, (_, c) => (c === labels[row] ? 1 : 0))
        : Float64Array.from(targets.slice(row * classes, (row + 1) * classes)),
    valid,
    sampleWeight,
    step,
    parameter: ({ name, init }) => batch.parameters?.[name] ?? init,
    weights: (field) => known.get(field) ?? evaluateField(field, step),
  };
}

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
