/** Soft labels that name their classes: K ids a row, with a weight for each. */
import * as tf from "@tensorflow/tfjs";
import { checkRowShape, checkSoftLabels, flatten, isNumber, type Nested } from "../../loss/batch.ts";
import { LossError } from "../../loss/error.ts";
import { checkTensor, describe, isHostBackend } from "../entries.ts";
import { type Columns, isWithin, localIds } from "./columnTiles.ts";

/** Soft labels as ids and probabilities; every other class has probability 0. An id that comes twice in a row counts twice. */
export interface SparseLabels {
  /** [..., K]: an int32 tensor or nested arrays. */
  readonly ids: tf.Tensor | Nested<number>;
  /** [..., K], finite: a float32 tensor or nested arrays. 0 for places that are not used. */
  readonly probabilities: tf.Tensor | Nested<number>;
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

/** Reads the sparse labels of rows of this shape. What the host sees of them it checks. */
export function readSparse(labels: SparseLabels, shape: readonly number[], classes: number): SparseTargets {
  const ids = entry("labels.ids", labels.ids, "int32", shape);
  const probabilities = entry("labels.probabilities", labels.probabilities, "float32", shape);
  const width = ids.tensor.shape[1];
  if (width !== probabilities.tensor.shape[1]) {
    throw new LossError(
      "labels",
      `${width} ids a row beside ${probabilities.tensor.shape[1]} probabilities`,
      "Give a probability for each id",
    );
  }
  if (ids.host !== null) checkIds(ids.host, width, classes);
  if (probabilities.host !== null) checkSoftLabels(probabilities.host, "labels.probabilities");
  const read = { ids: ids.tensor, probabilities: probabilities.tensor };
  return ids.host === null ? inRange(read, classes) : read;
}

function checkIds(ids: ArrayLike<number>, width: number, classes: number): void {
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] >= 0 && ids[i] < classes) continue;
    throw new LossError(
      "labels.ids",
      `entry ${i % width} of row ${Math.floor(i / width)} is ${ids[i]}, and there are ${classes} classes`,
      `Give ids from 0 to ${classes - 1}; an unused place is any id with probability 0`,
    );
  }
}

/** Where only the device knows the ids, one that is no class makes its row NaN. */
function inRange({ ids, probabilities }: SparseTargets, classes: number): SparseTargets {
  const int32 = (value: number): tf.Scalar => tf.scalar(value, "int32");
  const inside = tf.logicalAnd(tf.greaterEqual(ids, int32(0)), tf.less(ids, int32(classes)));
  return {
    ids: tf.where(inside, ids, tf.zerosLike(ids)) as tf.Tensor2D,
    probabilities: tf.where(inside, probabilities, tf.fill(ids.shape, Number.NaN)) as tf.Tensor2D,
  };
}

/** [N, K], with the numbers where the host sees them without waiting. */
interface Entry {
  readonly tensor: tf.Tensor2D;
  readonly host: ArrayLike<number> | null;
}

function entry(
  where: string,
  given: tf.Tensor | Nested<number>,
  dtype: "int32" | "float32",
  shape: readonly number[],
): Entry {
  const remedy = `Give ${dtype} ${where.slice("labels.".length)} [..., K], K for each row`;
  const count = shape.reduce((product, size) => product * size, 1);
  const checkShape = (of: readonly number[]): number => {
    if (of.length !== shape.length + 1) {
      throw new LossError(where, `they have shape [${of.join(", ")}] beside rows [${shape.join(", ")}]`, remedy);
    }
    const [rows, width] = [of.slice(0, -1), of[of.length - 1]];
    checkRowShape(where, rows, shape, width);
    return width;
  };
  if (given instanceof tf.Tensor) {
    checkTensor(where, given, remedy);
    if (given.dtype !== dtype) throw new LossError(where, `they have dtype ${given.dtype}`, remedy);
    const tensor = given.reshape<tf.Tensor2D>([count, checkShape(given.shape)]);
    return { tensor, host: isHostBackend() ? tensor.dataSync() : null };
  }
  if (!Array.isArray(given)) throw new LossError(where, `got ${describe(given)}`, remedy);
  const flat = flatten(given, where, isNumber, "numbers");
  if (dtype === "int32") {
    const bad = flat.values.findIndex((id) => !Number.isInteger(id));
    if (bad >= 0) throw new LossError(where, `one is ${flat.values[bad]}`, remedy);
  }
  const width =
    flat.values.length === 0 && shape.includes(0) ? (flat.shape[shape.length] ?? 0) : checkShape(flat.shape);
  return { tensor: tf.tensor2d([...flat.values], [count, width], dtype), host: flat.values };
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
