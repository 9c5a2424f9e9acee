import {
  checkLabels,
  checkRowShape,
  checkSampleWeights,
  checkStep,
  type Flat,
  flatten,
  isBoolean,
  isNumber,
  logitsShape,
  type Nested,
} from "../loss/batch.ts";
import { evaluateField, type Field } from "../loss/field.ts";
import { checkVocabulary, fieldsOf, isScheduledLoss } from "../loss/inventory.ts";
import type { AnyLoss } from "../loss/loss.ts";
import type { ParameterAtom } from "../loss/parameter.ts";

/** A batch of plain nested arrays, for `evaluate`. */
export interface PlainBatch {
  /** Logits [..., V]. */
  readonly logits: Nested<number>;
  /** Integer labels [...]. */
  readonly labels: Nested<number>;
  /** false marks a row that is not valid; [...], all true by default. */
  readonly mask?: Nested<boolean>;
  /** A weight of at least 0 for each row; [...], all 1 by default. */
  readonly sampleWeight?: Nested<number>;
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
  readonly labels: readonly number[];
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
  const labels = readRows(batch.labels ?? [], "labels", isNumber, "integer labels", 0);
  const mask = readRows(batch.mask, "mask", isBoolean, "booleans, true for rows that count", true);
  const sampleWeight = readRows(batch.sampleWeight, "sampleWeight", isNumber, "numbers", 1);
  const valid = labels.map((label, row) => mask[row] && !loss.ignored.includes(label));
  checkLabels(labels, classes, shape, (row) => valid[row]);
  checkSampleWeights(sampleWeight, shape);
  checkVocabulary(fieldsOf(loss), classes);
  const step = checkStep(batch.step, isScheduledLoss(loss));
  const known = new Map(fieldsOf(loss).map((field) => [field, evaluateField(field, step)]));
  return {
    shape,
    classes,
    indices,
    logits: indices.map((row) => logits.values.slice(row * classes, (row + 1) * classes)),
    labels,
    valid,
    sampleWeight,
    step,
    parameter: ({ name, init }) => batch.parameters?.[name] ?? init,
    weights: (field) => known.get(field) ?? evaluateField(field, step),
  };
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
