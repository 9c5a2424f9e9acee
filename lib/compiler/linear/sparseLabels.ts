/** Soft labels that name their classes: K ids a row, with a weight for each. */
import * as tf from "@tensorflow/tfjs";
import { withoutInvalidRows } from "../../kernels/portable.ts";
import type { ValidRows } from "../../kernels/rowStatistics.ts";
import { flatten, isNumber, type Nested, showRow } from "../../loss/batch.ts";
import { LossError } from "../../loss/error.ts";
import type { IntegerArray } from "../batch.ts";
import {
  areIdsWithin,
  checkTensor,
  describe,
  isHostBackend,
  isIntegerArray,
  type Reading,
  waitFor,
} from "../entries.ts";
import { type Columns, isWithin, localIds } from "./columnTiles.ts";

/**
 * Soft labels as ids and probabilities; every other class has probability 0. An id that comes twice in a row counts twice. What
 * stands in rows that are masked is not looked at.
 */
export interface SparseLabels {
  /** [..., K]: an int32 tensor, a typed array or nested arrays. */
  readonly ids: tf.Tensor | IntegerArray | Nested<number>;
  /** [..., K]: a float32 tensor, a float array or nested arrays. 0 for places that are not used. */
  readonly probabilities: tf.Tensor | Float32Array | Float64Array | Nested<number>;
}

/** [N, K] each, with ids that are classes. */
export interface SparseTargets {
  readonly ids: tf.Tensor2D;
  readonly probabilities: tf.Tensor2D;
}

/** Whether labels are sparse ones. */
export function isSparse(labels: unknown): labels is SparseLabels {
  return (
    typeof labels === "object" &&
    labels !== null &&
    !Array.isArray(labels) &&
    "ids" in labels &&
    "probabilities" in labels
  );
}

/**
 * Reads the sparse labels of rows. Where the host sees them it names the entry that is wrong; elsewhere an id that is no class
 * makes its row NaN.
 */
export function readSparse(
  labels: SparseLabels,
  { shape, classes, look }: Reading,
  valid: ValidRows | null,
): SparseTargets {
  const ids = entryOf("labels.ids", labels.ids, "int32", shape, look);
  const probabilities = entryOf("labels.probabilities", labels.probabilities, "float32", shape, look);
  const width = ids.each;
  if (width !== probabilities.each) {
    throw new LossError(
      "labels",
      `${width} ids a row beside ${probabilities.each} probabilities`,
      "Give a probability for each id",
    );
  }
  const tensors = (): SparseTargets => ({ ids: ids.tensor(), probabilities: probabilities.tensor() });
  // Only the device knows which rows are masked.
  if (valid !== null && valid.invalid === null) return inRange(tensors(), classes, valid);
  const invalid = new Set(valid?.invalid ?? []);
  const check = (
    where: string,
    { host }: Entry,
    isGood: (x: number) => boolean,
    remedy: string,
  ): "good" | "good where rows are valid" | "not known" => {
    if (host === null) return "not known";
    let known: "good" | "good where rows are valid" = "good";
    for (let at = 0; at < host.length; at++) {
      if (isGood(host[at])) continue;
      known = "good where rows are valid";
      const row = Math.floor(at / width);
      if (invalid.has(row)) continue;
      throw new LossError(where, `entry ${at % width} of row ${showRow(row, shape)} is ${host[at]}`, remedy);
    }
    return known;
  };
  const isClass = (id: number): boolean => Number.isInteger(id) && id >= 0 && id < classes;
  const remedy = `Give ids from 0 to ${classes - 1}; an unused place is any id with probability 0`;
  const known = [
    check("labels.ids", ids, isClass, remedy),
    check("labels.probabilities", probabilities, Number.isFinite, "Give finite probabilities"),
  ];
  return known.every((of) => of === "good") ? tensors() : inRange(tensors(), classes, valid);
}

/** With ids that are classes in every row; where one is none the row becomes NaN, and 0 where the row is not valid. */
function inRange({ ids, probabilities }: SparseTargets, classes: number, valid: ValidRows | null): SparseTargets {
  const inside = areIdsWithin(ids, 0, classes);
  const spoilt = tf.where(inside, probabilities, tf.fill(ids.shape, Number.NaN)) as tf.Tensor2D;
  return {
    ids: tf.where(inside, ids, tf.zerosLike(ids)) as tf.Tensor2D,
    probabilities: withoutInvalidRows(spoilt, valid),
  };
}

interface Entry {
  /** Null where the host would wait for them. */
  readonly host: ArrayLike<number> | null;
  /** K. */
  readonly each: number;
  readonly tensor: () => tf.Tensor2D;
}

function entryOf(
  where: "labels.ids" | "labels.probabilities",
  given: tf.Tensor | ArrayBufferView | Nested<number>,
  dtype: "int32" | "float32",
  shape: readonly number[],
  look: boolean,
): Entry {
  const noun = where.slice("labels.".length);
  const arrays = dtype === "int32" ? "an int32 tensor, an Int32Array" : "a float32 tensor, a Float32Array";
  const remedy = `Give ${noun} [${[...shape, "K"].join(", ")}]: ${arrays} or nested arrays`;
  const count = shape.reduce((product, size) => product * size, 1);
  const eachOf = (of: readonly number[]): number => {
    if (of.length === shape.length + 1 && shape.every((size, i) => size === of[i])) return of[of.length - 1];
    throw new LossError(where, `they have shape [${of.join(", ")}] beside rows [${shape.join(", ")}]`, remedy);
  };
  if (given instanceof tf.Tensor) {
    checkTensor(where, given, remedy);
    if (given.dtype !== dtype) throw new LossError(where, `they have dtype ${given.dtype}`, remedy);
    const each = eachOf(given.shape);
    const host = isHostBackend() ? given.dataSync() : look ? waitFor(where, given) : null;
    return { host, each, tensor: () => given.reshape([count, each]) };
  }
  const onHost = (values: ArrayLike<number>, each: number): Entry => {
    const host = dtype === "float32" ? Float32Array.from(values) : values;
    return { host, each, tensor: () => tf.tensor2d(Array.from(host), [count, each], dtype) };
  };
  if (ArrayBuffer.isView(given)) {
    const isFloat = given instanceof Float32Array || given instanceof Float64Array;
    if (dtype === "int32" ? !isIntegerArray(given) : !isFloat)
      throw new LossError(where, `they are a ${given.constructor.name}`, remedy);
    const values = given as IntegerArray | Float32Array | Float64Array;
    const each = count === 0 ? 0 : values.length / count;
    if (count > 0 ? Number.isInteger(each) : values.length === 0) return onHost(values, each);
    throw new LossError(where, `${values.length} ${noun} for ${count} rows`, `Give as many ${noun} for each row`);
  }
  if (!Array.isArray(given)) throw new LossError(where, `got ${describe(given)}`, remedy);
  const flat = flatten(given as Nested<number>, where, isNumber, "numbers");
  const isNone = flat.values.length === 0 && shape.includes(0);
  return onHost(flat.values, isNone ? (flat.shape[shape.length] ?? 0) : eachOf(flat.shape));
}

/** What sparse labels say of some columns: others have probability 0. */
export function sparseColumns({ ids, probabilities }: SparseTargets, columns: Columns): SparseTargets {
  return {
    ids: localIds(ids, columns, 0),
    probabilities: tf.where(isWithin(ids, columns), probabilities, tf.zerosLike(probabilities)),
  };
}

/** The soft labels of some rows as a weight for each class, [R, V]. */
export function dense({ ids, probabilities }: SparseTargets, classes: number): tf.Tensor2D {
  return tf.tidy(() => {
    const [rows, width] = ids.shape;
    if (rows * width === 0) return tf.zeros([rows, classes]);
    const row = tf.tensor1d(
      Int32Array.from({ length: rows * width }, (_, at) => Math.floor(at / width)),
      "int32",
    );
    const places = tf.stack([row, ids.flatten()], 1);
    return tf.scatterND(places, probabilities.flatten(), [rows, classes]) as tf.Tensor2D;
  });
}
