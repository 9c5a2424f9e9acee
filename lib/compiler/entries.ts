/** The entries of a batch that have one value for each row: labels, mask, sample weights. */
import * as tf from "@tensorflow/tfjs";
import { type Beside, checkRowShape, describeBeside, flatten, isBoolean, isNumber } from "../loss/batch.ts";
import { LossError } from "../loss/error.ts";
import type { Batch, IntegerArray, RowEntries } from "./batch.ts";

/** Backends whose tensors the host reads without waiting. */
const hostBackends = new Set(["cpu", "wasm", "tensorflow"]);

/** Whether the host reads the current backend's tensors without waiting. */
export function isHostBackend(): boolean {
  return hostBackends.has(tf.getBackend());
}

/** Whether ids, of any shape, are at least `start` and below `end`. */
export function areIdsWithin(ids: tf.Tensor, start: number, end: number): tf.Tensor {
  return tf.logicalAnd(tf.greaterEqual(ids, tf.scalar(start, "int32")), tf.less(ids, tf.scalar(end, "int32")));
}

/** Throws where `x` is not a tensor that is still there. */
export function checkTensor(where: string, x: unknown, remedy: string): asserts x is tf.Tensor {
  if (!(x instanceof tf.Tensor)) throw new LossError(where, `got ${describe(x)}`, remedy);
  if (x.isDisposed) throw new LossError(where, "the tensor is disposed", "Give a tensor that is still there");
}

/** Throws where `x` is no float32 tensor that is still there. */
export function checkFloat32(where: string, x: unknown, remedy: string): asserts x is tf.Tensor {
  checkTensor(where, x, remedy);
  if (x.dtype !== "float32") throw new LossError(where, `they have dtype ${x.dtype}`, `Give float32 ${where}`);
}

/** A batch entry with one value for each row: on the host where it can be read there, on the device on demand. */
export interface Entry {
  readonly host: ArrayLike<number> | null;
  readonly tensor: () => tf.Tensor1D;
}

/** The rows that an entry must fit, and whether it is looked at on the host even where that waits for the device. */
export interface Reading {
  readonly shape: readonly number[];
  readonly classes: number;
  readonly look: boolean;
  /** What the rows are those of: logits [..., V] where it is not said. */
  readonly beside?: Beside;
}

function tensorEntry(where: string, tensor: tf.Tensor, look: boolean): Entry {
  return {
    host: isHostBackend() ? tensor.dataSync() : look ? waitFor(where, tensor) : null,
    tensor: () => tensor.flatten(),
  };
}

/** A tensor's values, for which the host waits; a LossError where it cannot. */
export function waitFor(where: string, tensor: tf.Tensor): ArrayLike<number> {
  if (tf.getBackend() !== "webgpu") return tensor.dataSync();
  throw new LossError(
    where,
    "{ check: true } looks at them on the host, and webgpu shows a tensor only to those who await it",
    "Give a typed array or nested arrays instead of a tensor",
  );
}

function hostEntry(host: ArrayLike<number>, dtype: "int32" | "bool" | "float32"): Entry {
  const values = dtype === "float32" ? Float32Array.from(host) : Int32Array.from(host);
  return { host: dtype === "float32" ? values : host, tensor: () => tf.tensor1d(values, dtype) };
}

const integerArrays = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
] as const;

/** Those of BigInt are none: their entries are no numbers. */
export function isIntegerArray(x: unknown): x is IntegerArray {
  return integerArrays.some((type) => x instanceof type);
}

export function readLabels(labels: Batch["labels"], reading: Reading): Entry {
  const integers = "Give integer labels [...]: an int32 tensor, an Int32Array or nested arrays of integers";
  if (labels instanceof tf.Tensor) {
    checkTensor("labels", labels, integers);
    if (labels.dtype !== "int32") throw new LossError("labels", `they have dtype ${labels.dtype}`, integers);
    checkRowShape("labels", labels.shape, reading.shape, reading.classes);
    return tensorEntry("labels", labels, reading.look);
  }
  if (labels instanceof Float32Array || labels instanceof Float64Array) {
    throw new LossError("labels", `they are a ${labels.constructor.name}`, integers);
  }
  if (isIntegerArray(labels)) return typedEntry("labels", labels, reading, "int32");
  if (typeof labels !== "number" && !Array.isArray(labels))
    throw new LossError("labels", `got ${describe(labels)}`, integers);
  return nestedEntry("labels", flatten(labels, "labels", isNumber, "integer labels"), reading, "int32");
}

export function readMask(mask: NonNullable<RowEntries["mask"]>, reading: Reading): Entry {
  const booleans = "Give a bool tensor, a Uint8Array of 0 and 1 or nested arrays of booleans, true for rows that count";
  if (mask instanceof tf.Tensor) {
    checkTensor("mask", mask, booleans);
    if (mask.dtype !== "bool") throw new LossError("mask", `it has dtype ${mask.dtype}`, booleans);
    checkRowShape("mask", mask.shape, reading.shape, reading.classes, reading.beside);
    return tensorEntry("mask", mask, reading.look);
  }
  if (mask instanceof Uint8Array) {
    const bad = mask.findIndex((x) => x > 1);
    if (bad >= 0) throw new LossError("mask", `its entry ${bad} is ${mask[bad]}`, booleans);
    return typedEntry("mask", mask, reading, "bool");
  }
  if (typeof mask !== "boolean" && !Array.isArray(mask)) throw new LossError("mask", `got ${describe(mask)}`, booleans);
  const flat = flatten(mask, "mask", isBoolean, "booleans, true for rows that count");
  return nestedEntry("mask", { shape: flat.shape, values: flat.values.map(Number) }, reading, "bool");
}

/** A number for each row: sample weights, inputs. */
export function readNumbers(where: string, numbers: NonNullable<RowEntries["sampleWeight"]>, reading: Reading): Entry {
  const remedy = "Give a float32 tensor, a Float32Array or nested arrays of numbers";
  if (numbers instanceof tf.Tensor) {
    checkTensor(where, numbers, remedy);
    if (numbers.dtype !== "float32") throw new LossError(where, `it has dtype ${numbers.dtype}`, remedy);
    checkRowShape(where, numbers.shape, reading.shape, reading.classes, reading.beside);
    return tensorEntry(where, numbers, reading.look);
  }
  if (numbers instanceof Float32Array || numbers instanceof Float64Array) {
    return typedEntry(where, numbers, reading, "float32");
  }
  if (typeof numbers !== "number" && !Array.isArray(numbers)) {
    throw new LossError(where, `got ${describe(numbers)}`, remedy);
  }
  return nestedEntry(where, flatten(numbers, where, isNumber, "numbers"), reading, "float32");
}

/** What a value of the wrong type is, for messages. */
export function describe(x: unknown): string {
  if (typeof x === "object" && x !== null) return `a ${x.constructor?.name ?? "object"}`;
  return typeof x === "function" ? "a function" : String(x);
}

/** A typed array has no shape of its own: it must have one value for each row. */
function typedEntry(
  where: string,
  values: ArrayLike<number>,
  { shape, classes, beside = { noun: "logits", shape: [...shape, classes] } }: Reading,
  dtype: "int32" | "bool" | "float32",
): Entry {
  const rows = shape.reduce((product, size) => product * size, 1);
  if (values.length !== rows) {
    throw new LossError(
      where,
      `${values.length} values beside ${describeBeside(beside)}`,
      `Give one value for each of the ${rows} rows`,
    );
  }
  return hostEntry(values, dtype);
}

function nestedEntry(
  where: string,
  flat: { readonly shape: readonly number[]; readonly values: readonly number[] },
  { shape, classes, beside }: Reading,
  dtype: "int32" | "bool" | "float32",
): Entry {
  // An empty array does not show its inner dimensions.
  if (flat.values.length > 0 || !shape.includes(0)) checkRowShape(where, flat.shape, shape, classes, beside);
  return hostEntry(flat.values, dtype);
}
