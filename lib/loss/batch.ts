/**
 * What every interpreter asks of a batch on the host: nested arrays, their shapes, labels within the vocabulary.
 */
import { LossError } from "./error.ts";
import type { ColumnParts, Input } from "./loss.ts";

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

/** What the entries of a batch are beside: "logits", and their shape. */
export interface Beside {
  readonly noun: "logits" | "predictions";
  readonly shape: readonly number[];
}

/** "logits of shape [2, 3]". */
export function describeBeside({ noun, shape }: Beside): string {
  return `${noun} of shape [${shape.join(", ")}]`;
}

/** Throws where a batch entry does not have one value for each row. */
export function checkRowShape(
  where: string,
  shape: readonly number[],
  rows: readonly number[],
  classes: number,
  beside: Beside = { noun: "logits", shape: [...rows, classes] },
): void {
  if (shape.length === rows.length && shape.every((size, i) => size === rows[i])) return;
  throw new LossError(
    where,
    `they have shape [${shape.join(", ")}] beside ${describeBeside(beside)}`,
    `Give one value for each row of the ${beside.noun}: shape [${rows.join(", ")}]`,
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

/** The rows and columns of predictions, and how the batch gave them. */
export interface ValuesShape {
  readonly rows: readonly number[];
  readonly columns: number;
  readonly beside: Beside;
}

/** What a loss asks of the columns of a row of values. */
export interface ColumnNeeds {
  /** Whether a row's value is more than averages over its columns. */
  readonly compares: boolean;
  /** What the columns must be, all of it. */
  readonly parts: readonly ColumnParts[];
}

/** How many columns a row must have for a loss to make sense of them, where a batch does not say. */
export function leastColumns({ parts }: ColumnNeeds): number {
  return parts.reduce((least, { names }) => Math.max(least, names.length), 1);
}

/**
 * The rows and columns of predictions [..., D]. Predictions [N] are N rows of one column for a loss that only averages
 * over its columns; where it compares columns with each other they could as well be one row, and are refused.
 */
export function valuesShape(shape: readonly number[], needs: ColumnNeeds): ValuesShape {
  const beside: Beside = { noun: "predictions", shape };
  const columns = shape.length === 1 && !needs.compares ? 1 : (shape[shape.length - 1] ?? 0);
  for (const parts of needs.parts) checkParts(parts, shape, columns);
  if (shape.length === 1 && !needs.compares) return { rows: shape, columns, beside };
  if (shape.length > 1 && columns > 0) return { rows: shape.slice(0, -1), columns, beside };
  throw new LossError(
    "predictions",
    `they have shape [${shape.join(", ")}]`,
    shape.length === 1 && columns > 0
      ? `The loss compares the columns of a row: give [1, ${columns}] for one row, or [${columns}, 1] for rows of one column`
      : "Give predictions [..., D] with at least one column",
  );
}

/** Throws where the columns of a row cannot be the parts that a loss reads. */
function checkParts({ names, size }: ColumnParts, shape: readonly number[], columns: number): void {
  const count = names.length;
  const fits = size === "any" ? columns % count === 0 : columns === count;
  if (shape.length > 1 && columns > 0 && fits) return;
  const list = names.join(", ");
  throw new LossError(
    "predictions",
    `they have shape [${shape.join(", ")}] and the loss reads ${count} ${size === "any" ? "parts of a row" : "columns"}: ${list}`,
    size === "any" ? `Give [..., ${count} · D]: ${list}, D columns each` : `Give [..., ${count}]: ${list}`,
  );
}

/** Throws where targets do not have the shape of the predictions: one is never stretched to the other. */
export function checkTargetsShape(shape: readonly number[], { beside }: ValuesShape): void {
  if (shape.length === beside.shape.length && shape.every((size, i) => size === beside.shape[i])) return;
  throw new LossError(
    "targets",
    `they have shape [${shape.join(", ")}] beside ${describeBeside(beside)}`,
    `Give targets of the shape of the predictions: [${beside.shape.join(", ")}]`,
  );
}

/** What to do where a batch is one for losses over the other input. */
export function checkBatchOf(input: Input, batch: object): void {
  const [mine, other] =
    input === "values" ? (["predictions", "logits"] as const) : (["logits", "predictions"] as const);
  if (mine in batch || !(other in batch)) return;
  throw new LossError(
    "batch",
    `it has ${other}, and the loss is over ${input}`,
    input === "values" ? "Give { predictions, targets }" : "Give { logits, labels }",
  );
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

/** What to do where a loss reads candidates and the batch has none. */
export function missingCandidates(): LossError {
  return new LossError(
    "candidates",
    "the loss reads the candidates of the batch and the batch has none",
    "Give { candidates }, ids [..., K] for each row, with −1 for none",
  );
}

/** How many candidates [..., K] each row has; a LossError where their shape does not begin as the rows' does. */
export function checkCandidatesShape(shape: readonly number[], rows: readonly number[]): number {
  const count = shape[shape.length - 1];
  if (count !== undefined && shape.length === rows.length + 1 && rows.every((size, i) => size === shape[i]))
    return count;
  throw new LossError(
    "candidates",
    `they have shape [${shape.join(", ")}] beside labels of shape [${rows.join(", ")}]`,
    `Give ids of shape [${[...rows, "K"].join(", ")}], with −1 for none`,
  );
}

/** Throws for the first candidate of a valid row that is neither a class nor −1. */
export function checkCandidates(
  candidates: ArrayLike<number>,
  classes: number,
  rows: readonly number[],
  isValid: (row: number) => boolean,
): void {
  const each = candidates.length / rows.reduce((product, size) => product * size, 1);
  for (let i = 0; i < candidates.length; i++) {
    const id = candidates[i];
    if (Number.isInteger(id) && id >= -1 && id < classes) continue;
    const row = Math.floor(i / each);
    if (!isValid(row)) continue;
    throw new LossError(
      "candidates",
      `a candidate of row ${showRow(row, rows)} is ${id}`,
      `Give ids from 0 to ${classes - 1}, and −1 for none`,
    );
  }
}

/** Throws where labels are soft and the loss reads ids beside the label. */
export function refuseSoftLabels(): never {
  throw new LossError(
    "labels",
    "they are a weight for each class, and the loss reads which ids stand beside a row's label",
    "Give integer labels [...]",
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
export function checkSoftLabels<T extends ArrayLike<number>>(labels: T, where = "labels"): T {
  for (let i = 0; i < labels.length; i++) {
    if (Number.isFinite(labels[i])) continue;
    throw new LossError(where, `entry ${i} is ${labels[i]}`, "Give finite soft labels");
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
