/** The entries of a batch that have one value for each row: labels, mask, sample weights. */
import * as tf from "@tensorflow/tfjs";
import { checkRowShape, flatten, isBoolean, isNumber } from "../loss/batch.ts";
import { LossError } from "../loss/error.ts";
import type { Batch, IntegerArray } from "./batch.ts";

/** Backends whose tensors the host reads without waiting. */
const hostBackends = new Set(["cpu", "wasm", "tensorflow"]);

/** Whether the host reads the current backend's tensors without waiting. */
export function isHostBackend(): boolean {
  return hostBackends.has(tf.getBackend());
}

/** Throws where `x` is not a tensor that is still there. */
export function checkTensor(where: string, x: unknown, remedy: string): asserts x is tf.Tensor {
  if (!(x instanceof tf.Tensor)) throw new LossError(where, `got ${describe(x)}`, remedy);
  if (x.isDisposed) throw new LossError(where, "the tensor is disposed", "Give a tensor that is still there");
}

/** A batch entry with one value for each row: on the host where it can be read there, on the device on demand. */
export interface Entry {
  readonly host: ArrayLike<number> | null;
  readonly tensor: () => tf.Tensor1D;
}

function tensorEntry(tensor: tf.Tensor): Entry {
  return {
    host: isHostBackend() ? tensor.dataSync() : null,
    tensor: () => tensor.flatten(),
  };
}

function hostEntry(host: ArrayLike<number>, dtype: "int32" | "bool" | "float32"): Entry {
  const values = dtype === "float32" ? Float32Array.from(host) : Int32Array.from(host);
  return { host: dtype === "float32" ? values : host, tensor: () => tf.tensor1d(values, dtype) };
}

export function readLabels(labels: Batch["labels"], shape: readonly number[], classes: number): Entry {
  const integers = "Give integer labels [...]: an int32 tensor, an Int32Array or nested arrays of integers";
  if (labels instanceof tf.Tensor) {
    checkTensor("labels", labels, integers);
    if (labels.dtype !== "int32") throw new LossError("labels", `they have dtype ${labels.dtype}`, integers);
    checkRowShape("labels", labels.shape, shape, classes);
    return tensorEntry(labels);
  }
  if (labels instanceof Float32Array || labels instanceof Float64Array) {
    throw new LossError("labels", `they are a ${labels.constructor.name}`, integers);
  }
  if (ArrayBuffer.isView(labels)) return typedEntry("labels", labels as IntegerArray, shape, classes, "int32");
  if (typeof labels !== "number" && !Array.isArray(labels))
    throw new LossError("labels", `got ${describe(labels)}`, integers);
  return nestedEntry("labels", flatten(labels, "labels", isNumber, "integer labels"), shape, classes, "int32");
}

export function readMask(mask: NonNullable<Batch["mask"]>, shape: readonly number[], classes: number): Entry {
  const booleans = "Give a bool tensor, a Uint8Array of 0 and 1 or nested arrays of booleans, true for rows that count";
  if (mask instanceof tf.Tensor) {
    checkTensor("mask", mask, booleans);
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

export function readSampleWeight(
  weights: NonNullable<Batch["sampleWeight"]>,
  shape: readonly number[],
  classes: number,
): Entry {
  const numbers = "Give a float32 tensor, a Float32Array or nested arrays of numbers";
  if (weights instanceof tf.Tensor) {
    checkTensor("sampleWeight", weights, numbers);
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

/** What a value of the wrong type is, for messages. */
export function describe(x: unknown): string {
  if (typeof x === "object" && x !== null) return `a ${x.constructor?.name ?? "object"}`;
  return typeof x === "function" ? "a function" : String(x);
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
