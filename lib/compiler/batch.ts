/**
 * Reads a batch for a compiled loss: checks it, and lays labels, mask and sample weights out by rows. Where the host
 * can see the labels it names the row that is wrong; where looking would stall a GPU, a label out of range makes its
 * row NaN.
 */
import * as tf from "@tensorflow/tfjs";
import type { ValidRows } from "../kernels/rowStatistics.ts";
import {
  checkLabels,
  checkRowShape,
  checkSampleWeights,
  checkStep,
  flatten,
  isBoolean,
  isNumber,
  logitsShape,
  type Nested,
} from "../loss/batch.ts";
import { LossError } from "../loss/error.ts";
import { checkVocabulary } from "../loss/vocabulary.ts";
import type { Plan } from "./plan.ts";

/** A typed array of integers, laid out flat in row-major order. */
export type IntegerArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** What a compiled loss is called with. */
export interface Batch {
  /** Logits [..., V], float32. */
  readonly logits: tf.Tensor;
  /** Integer labels [...]: an int32 tensor, a typed array, or nested arrays. */
  readonly labels: tf.Tensor | IntegerArray | Nested<number>;
  /** false marks a row that is not valid; [...]: a bool tensor, a Uint8Array of 0 and 1, or nested arrays. */
  readonly mask?: tf.Tensor | Uint8Array | Nested<boolean>;
  /** A weight of at least 0 for each row; [...]: a float32 tensor, a typed array, or nested arrays. */
  readonly sampleWeight?: tf.Tensor | Float32Array | Float64Array | Nested<number>;
  /** The number of the training step, 0 at the first; needed by a loss with a schedule. */
  readonly step?: number;
}

/** A batch laid out by N rows. The tensors belong to the surrounding tidy. */
export interface Rows {
  readonly shape: number[];
  readonly count: number;
  readonly classes: number;
  readonly step: number;
  /** [N], int32, within the vocabulary in every row. */
  readonly labels: tf.Tensor1D;
  /** Null where every row is valid. */
  readonly valid: ValidRows | null;
  /** Null where every row counts the same. */
  readonly sampleWeight: tf.Tensor1D | null;
  /** Valid rows whose label is no class, where only the device knows; null elsewhere. */
  readonly outOfRange: tf.Tensor1D | null;
}

/** Backends whose tensors the host reads without waiting. */
const hostBackends = new Set(["cpu", "wasm", "tensorflow"]);

export function readBatch(plan: Plan, batch: Batch): Rows {
  const { logits } = batch;
  if (!(logits instanceof tf.Tensor)) {
    throw new LossError("logits", `got ${String(logits)}`, "Give a tensor [..., V]; evaluate takes plain arrays");
  }
  if (logits.dtype !== "float32") {
    throw new LossError("logits", `they have dtype ${logits.dtype}`, "Give float32 logits");
  }
  const { rows: shape, classes } = logitsShape(logits.shape);
  checkVocabulary(plan.fields, classes);
  const step = checkStep(batch.step, plan.scheduled);
  const labels = readLabels(batch.labels, shape, classes);
  const mask = batch.mask === undefined ? null : readMask(batch.mask, shape, classes);
  const sampleWeight = batch.sampleWeight === undefined ? null : readSampleWeight(batch.sampleWeight, shape, classes);
  const rows = { shape: [...shape], count: labels.size, classes, step, sampleWeight: sampleWeight?.tensor ?? null };
  if (sampleWeight?.host) checkSampleWeights(sampleWeight.host, shape);
  return labels.host !== null && (mask === null || mask.host !== null)
    ? { ...rows, ...hostRows(plan, labels.host, mask?.host ?? null, shape, classes) }
    : { ...rows, ...deviceRows(plan, labels.tensor(), mask?.tensor() ?? null, classes) };
}

function hostRows(
  plan: Plan,
  labels: ArrayLike<number>,
  mask: ArrayLike<number> | null,
  shape: readonly number[],
  classes: number,
): Pick<Rows, "labels" | "valid" | "outOfRange"> {
  const isValid = (row: number): boolean => (mask === null || mask[row] !== 0) && !plan.ignored.includes(labels[row]);
  checkLabels(labels, classes, shape, isValid);
  const invalid = Int32Array.from({ length: labels.length }, (_, row) => row).filter((row) => !isValid(row));
  const within = Int32Array.from(labels);
  for (const row of invalid) within[row] = 0;
  if (invalid.length === 0) return { labels: tf.tensor1d(within, "int32"), valid: null, outOfRange: null };
  const valid = new Uint8Array(labels.length).fill(1);
  for (const row of invalid) valid[row] = 0;
  return {
    labels: tf.tensor1d(within, "int32"),
    valid: { tensor: tf.tensor1d(valid, "bool"), invalid },
    outOfRange: null,
  };
}

function deviceRows(
  plan: Plan,
  labels: tf.Tensor1D,
  mask: tf.Tensor1D | null,
  classes: number,
): Pick<Rows, "labels" | "valid" | "outOfRange"> {
  const notIgnored = plan.ignored.map((label) => tf.notEqual(labels, tf.scalar(label, "int32")));
  const conditions = mask === null ? notIgnored : [mask, ...notIgnored];
  const valid = conditions.length === 0 ? null : (conditions.reduce((a, b) => tf.logicalAnd(a, b)) as tf.Tensor1D);
  const inRange = tf.logicalAnd(
    tf.greaterEqual(labels, tf.scalar(0, "int32")),
    tf.less(labels, tf.scalar(classes, "int32")),
  );
  const outside = tf.logicalNot(inRange);
  return {
    labels: tf.where(inRange, labels, tf.zerosLike(labels)) as tf.Tensor1D,
    valid: valid === null ? null : { tensor: valid, invalid: null },
    outOfRange: (valid === null ? outside : tf.logicalAnd(valid, outside)) as tf.Tensor1D,
  };
}

/** A batch entry with one value for each row: on the host where it can be read there, on the device on demand. */
interface Entry {
  readonly size: number;
  readonly host: ArrayLike<number> | null;
  readonly tensor: () => tf.Tensor1D;
}

function tensorEntry(tensor: tf.Tensor): Entry {
  return {
    size: tensor.size,
    host: hostBackends.has(tf.getBackend()) ? tensor.dataSync() : null,
    tensor: () => tensor.flatten(),
  };
}

function hostEntry(host: ArrayLike<number>, dtype: "int32" | "bool" | "float32"): Entry {
  const upload = (): tf.Tensor1D =>
    tf.tensor1d(dtype === "float32" ? Float32Array.from(host) : Int32Array.from(host), dtype);
  return { size: host.length, host, tensor: upload };
}

function readLabels(labels: Batch["labels"], shape: readonly number[], classes: number): Entry {
  const integers = "Give integer labels [...]: an int32 tensor, an Int32Array or nested arrays of integers";
  if (labels instanceof tf.Tensor) {
    if (labels.dtype !== "int32") throw new LossError("labels", `they have dtype ${labels.dtype}`, integers);
    checkRowShape("labels", labels.shape, shape, classes);
    return tensorEntry(labels);
  }
  if (labels instanceof Float32Array || labels instanceof Float64Array) {
    throw new LossError("labels", `they are a ${labels.constructor.name}`, integers);
  }
  if (ArrayBuffer.isView(labels)) return typedEntry("labels", labels as IntegerArray, shape, classes, "int32");
  if (typeof labels !== "number" && !Array.isArray(labels))
    throw new LossError("labels", `got ${String(labels)}`, integers);
  return nestedEntry("labels", flatten(labels, "labels", isNumber, "integer labels"), shape, classes, "int32");
}

function readMask(mask: NonNullable<Batch["mask"]>, shape: readonly number[], classes: number): Entry {
  const booleans = "Give a bool tensor, a Uint8Array of 0 and 1 or nested arrays of booleans, true for rows that count";
  if (mask instanceof tf.Tensor) {
    if (mask.dtype !== "bool") throw new LossError("mask", `it has dtype ${mask.dtype}`, booleans);
    checkRowShape("mask", mask.shape, shape, classes);
    return tensorEntry(mask);
  }
  if (mask instanceof Uint8Array) {
    const bad = mask.findIndex((x) => x > 1);
    if (bad >= 0) throw new LossError("mask", `its entry ${bad} is ${mask[bad]}`, booleans);
    return typedEntry("mask", mask, shape, classes, "bool");
  }
  if (typeof mask !== "boolean" && !Array.isArray(mask)) throw new LossError("mask", `got ${describe(mask)}`, booleans);
  const flat = flatten(mask, "mask", isBoolean, "booleans, true for rows that count");
  return nestedEntry("mask", { shape: flat.shape, values: flat.values.map(Number) }, shape, classes, "bool");
}

function readSampleWeight(
  weights: NonNullable<Batch["sampleWeight"]>,
  shape: readonly number[],
  classes: number,
): { readonly tensor: tf.Tensor1D; readonly host: ArrayLike<number> | null } {
  const entry = readNumbers(weights, shape, classes);
  return { tensor: entry.tensor(), host: entry.host };
}

function readNumbers(weights: NonNullable<Batch["sampleWeight"]>, shape: readonly number[], classes: number): Entry {
  const numbers = "Give a float32 tensor, a Float32Array or nested arrays of numbers";
  if (weights instanceof tf.Tensor) {
    if (weights.dtype !== "float32") throw new LossError("sampleWeight", `it has dtype ${weights.dtype}`, numbers);
    checkRowShape("sampleWeight", weights.shape, shape, classes);
    return tensorEntry(weights);
  }
  if (weights instanceof Float32Array || weights instanceof Float64Array) {
    return typedEntry("sampleWeight", weights, shape, classes, "float32");
  }
  if (typeof weights !== "number" && !Array.isArray(weights)) {
    throw new LossError("sampleWeight", `got ${describe(weights)}`, numbers);
  }
  return nestedEntry("sampleWeight", flatten(weights, "sampleWeight", isNumber, "numbers"), shape, classes, "float32");
}

function describe(x: unknown): string {
  return ArrayBuffer.isView(x) ? `a ${x.constructor.name}` : String(x);
}

/** A typed array has no shape of its own: it must have one value for each row. */
function typedEntry(
  where: string,
  values: ArrayLike<number>,
  shape: readonly number[],
  classes: number,
  dtype: "int32" | "bool" | "float32",
): Entry {
  const rows = shape.reduce((product, size) => product * size, 1);
  if (values.length !== rows) {
    throw new LossError(
      where,
      `${values.length} values beside logits of shape [${[...shape, classes].join(", ")}]`,
      `Give one value for each of the ${rows} rows`,
    );
  }
  return hostEntry(values, dtype);
}

function nestedEntry(
  where: string,
  flat: { readonly shape: readonly number[]; readonly values: readonly number[] },
  shape: readonly number[],
  classes: number,
  dtype: "int32" | "bool" | "float32",
): Entry {
  // An empty array does not show its inner dimensions.
  if (flat.values.length > 0 || !shape.includes(0)) checkRowShape(where, flat.shape, shape, classes);
  return hostEntry(flat.values, dtype);
}
