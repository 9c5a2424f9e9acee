/**
 * What every interpreter asks of a batch on the host: nested arrays, their shapes, labels within the vocabulary.
 */
import { LossError } from "./error.ts";

/** Numbers in nested arrays of one shape; a plain number has rank 0. */
export type Nested<T> = T | readonly Nested<T>[];

/** A nested array laid out flat, in row-major order. */
export interface Flat<T> {
  readonly shape: readonly number[];
  readonly values: readonly T[];
}

/** Lays out nested arrays; a LossError where they are ragged or hold anything but `type`s. */
export function flatten<T extends number | boolean>(
  nested: Nested<T>,
  where: string,
  isEntry: (x: unknown) => x is T,
  expected: string,
): Flat<T> {
  const shape: number[] = [];
  for (let level: unknown = nested; Array.isArray(level); level = level[0]) shape.push(level.length);
  const values: T[] = [];
  const visit = (level: unknown, depth: number, path: string): void => {
    if (!Array.isArray(level)) {
      if (depth !== shape.length) throw new LossError(where, `it is ragged at ${path}`, "Give arrays of one shape");
      if (!isEntry(level)) throw new LossError(where, `${path || "it"} is ${String(level)}`, `Give ${expected}`);
      values.push(level);
      return;
    }
    if (depth >= shape.length || level.length !== shape[depth]) {
      throw new LossError(
        where,
        `it is ragged: ${path || "the outermost array"} has ${level.length} entries where ${shape[depth] ?? "a single value"} was expected`,
        "Give arrays of one shape",
      );
    }
    for (const [i, inner] of level.entries()) visit(inner, depth + 1, `${path}[${i}]`);
  };
  visit(nested, 0, "");
  return { shape, values };
}

export function isNumber(x: unknown): x is number {
  return typeof x === "number";
}

export function isBoolean(x: unknown): x is boolean {
  return typeof x === "boolean";
}

/** The leading dimensions and V of logits [..., V]; a LossError where there is no last dimension, or it is empty. */
export function logitsShape(shape: readonly number[]): { readonly rows: readonly number[]; readonly classes: number } {
  const classes = shape[shape.length - 1];
  if (classes === undefined || classes < 1) {
    throw new LossError(
      "logits",
      `they have shape [${shape.join(", ")}]`,
      "Give logits [..., V] with at least one class",
    );
  }
  return { rows: shape.slice(0, -1), classes };
}

/** Throws where a batch entry does not have one value for each row. */
export function checkRowShape(where: string, shape: readonly number[], rows: readonly number[], classes: number): void {
  if (shape.length === rows.length && shape.every((size, i) => size === rows[i])) return;
  throw new LossError(
    where,
    `they have shape [${shape.join(", ")}] beside logits of shape [${[...rows, classes].join(", ")}]`,
    `Give one value for each row of the logits: shape [${rows.join(", ")}]`,
  );
}

/** Throws for the first label of a valid row that is not a class. */
export function checkLabels(
  labels: ArrayLike<number>,
  classes: number,
  rows: readonly number[],
  isValid: (row: number) => boolean,
): void {
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row];
    if (!isValid(row) || (Number.isInteger(label) && label >= 0 && label < classes)) continue;
    throw new LossError(
      "labels",
      `the label of row ${showRow(row, rows)} is ${label}`,
      Number.isInteger(label)
        ? `Give labels from 0 to ${classes - 1}, or mark the row with ignoreIndex(${label}) or a mask`
        : "Give integer labels",
    );
  }
}

/** A row by its index in each dimension. */
export function showRow(row: number, rows: readonly number[]): string {
  if (rows.length < 2) return String(row);
  const index: number[] = [];
  let rest = row;
  for (const size of [...rows].reverse()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${index.join(", ")}]`;
}

/** What to do where a loss reads an input and the batch has none of its name. */
export function missingInput(name: string): LossError {
  return new LossError(
    "inputs",
    `the loss reads "${name}" and the batch gives no such input`,
    `Give { inputs: { ${JSON.stringify(name)}: … } }, one number for each row`,
  );
}

/** What to do where a loss reads a teacher and the batch has none. */
export function missingTeacher(): LossError {
  return new LossError(
    "teacher",
    "the loss reads a teacher's logits and the batch has none",
    "Give { teacher }, logits of the shape of the model's own",
  );
}

/** Throws where a teacher's logits do not have the shape of the model's own. */
export function checkTeacherShape(shape: readonly number[], rows: readonly number[], classes: number): void {
  const expected = [...rows, classes];
  if (shape.length === expected.length && shape.every((size, i) => size === expected[i])) return;
  throw new LossError(
    "teacher",
    `its logits have shape [${shape.join(", ")}] beside logits of shape [${expected.join(", ")}]`,
    "Give logits of the shape of the model's own, over the same vocabulary",
  );
}

/** How deep arrays are nested; a plain value has depth 0. */
export function depthOf(nested: unknown): number {
  return Array.isArray(nested) ? 1 + depthOf(nested[0]) : 0;
}

/** Throws where soft labels do not have the shape of the logits. */
export function checkSoftShape(shape: readonly number[], rows: readonly number[], classes: number): void {
  const expected = [...rows, classes];
  if (shape.every((size, i) => size === expected[i])) return;
  throw new LossError(
    "labels",
    `they have shape [${shape.join(", ")}] beside logits of shape [${expected.join(", ")}]`,
    `Give integer labels of shape [${rows.join(", ")}], or soft labels of the shape of the logits`,
  );
}

/** `labels`, or a LossError for the first that is not finite. */
export function checkSoftLabels<T extends ArrayLike<number>>(labels: T): T {
  for (let i = 0; i < labels.length; i++) {
    if (Number.isFinite(labels[i])) continue;
    throw new LossError("labels", `entry ${i} is ${labels[i]}`, "Give finite soft labels");
  }
  return labels;
}

/** Throws for the first sample weight that is negative or not finite. */
export function checkSampleWeights(weights: ArrayLike<number>, rows: readonly number[]): void {
  for (let row = 0; row < weights.length; row++) {
    if (weights[row] >= 0 && Number.isFinite(weights[row])) continue;
    throw new LossError(
      "sampleWeight",
      `the weight of row ${showRow(row, rows)} is ${weights[row]}`,
      "Give weights of at least 0 that float32 can hold",
    );
  }
}

/** The step of a batch; a LossError where the loss has a schedule and the batch has no step. */
export function checkStep(step: number | undefined, scheduled: boolean): number {
  if (step === undefined) {
    if (!scheduled) return 0;
    throw new LossError(
      "step",
      "the loss has a schedule and the batch has no step",
      "Give { step }, 0 at the first training step",
    );
  }
  if (!Number.isFinite(step) || step < 0) {
    throw new LossError("step", `got ${String(step)}`, "Give the number of the training step, 0 at the first");
  }
  return step;
}
