/** Reads a batch of predictions and targets for a compiled loss over values. */
import * as tf from "@tensorflow/tfjs";
import {
  checkBatchOf,
  checkTargetsShape,
  describeBeside,
  flatten,
  isNumber,
  type Nested,
  type ValuesShape,
  valuesShape,
} from "../loss/batch.ts";
import { LossError } from "../loss/error.ts";
import { type Facts, type IntegerArray, type RowEntries, type Rows, readEntries } from "./batch.ts";
import { checkFloat32, checkTensor, describe, isIntegerArray } from "./entries.ts";

/** What a compiled loss over values is called with. */
export interface ValuesBatch extends RowEntries {
  /**
   * Predictions [..., D], float32; a row is what is left without the last axis. [N] are N rows of one column, for a
   * loss that only averages over its columns.
   */
  readonly predictions: tf.Tensor;
  /** Targets in the shape of the predictions: a tensor, a typed array or nested arrays. */
  readonly targets: tf.Tensor | Float32Array | Float64Array | IntegerArray | Nested<number>;
}

/** The rows and columns of a batch's predictions; a LossError where they are no float32 tensor. */
export function checkPredictions(facts: Pick<Facts, "columnNeeds">, batch: ValuesBatch): ValuesShape {
  if (typeof batch !== "object" || batch === null) {
    throw new LossError("batch", `got ${describe(batch)}`, "Give { predictions, targets }");
  }
  checkBatchOf("values", batch);
  const { predictions } = batch;
  checkFloat32("predictions", predictions, "Give a tensor [..., D]; evaluate takes plain arrays");
  return valuesShape(predictions.shape, facts.columnNeeds);
}

export function readValues(facts: Facts, batch: ValuesBatch): Rows {
  return readRows(facts, batch, checkPredictions(facts, batch));
}

/** A batch without its predictions: the targets show its rows. */
export function readValuesWithoutPredictions(facts: Facts, batch: Omit<ValuesBatch, "predictions">): Rows {
  if (typeof batch !== "object" || batch === null) {
    throw new LossError("batch", `got ${describe(batch)}`, "Give { targets }");
  }
  const { targets } = batch;
  if (ArrayBuffer.isView(targets)) {
    throw new LossError(
      "targets",
      "a typed array does not show its rows without the predictions",
      "Give a tensor or nested arrays",
    );
  }
  const shape = targets instanceof tf.Tensor ? targets.shape : flatten(targets, "targets", isNumber, "numbers").shape;
  return readRows(facts, batch, valuesShape(shape, facts.columnNeeds));
}

function readRows(facts: Facts, batch: Omit<ValuesBatch, "predictions">, values: ValuesShape): Rows {
  const { rows: shape, columns: classes, beside } = values;
  const entries = readEntries(facts, batch, { shape, classes, look: facts.look, beside }, () => null);
  return { ...entries, targets: readTargets(batch.targets, values, entries.count), teacher: null, candidates: null };
}

function readTargets(targets: ValuesBatch["targets"], values: ValuesShape, count: number): tf.Tensor2D {
  const shape: [number, number] = [count, values.columns];
  if (targets instanceof tf.Tensor) {
    checkTensor("targets", targets, "Give a tensor that is not disposed");
    if (targets.dtype === "string" || targets.dtype === "complex64") {
      throw new LossError("targets", `they have dtype ${targets.dtype}`, "Give a float32, int32 or bool tensor");
    }
    checkTargetsShape(targets.shape, values);
    return targets.toFloat().reshape(shape);
  }
  if (isIntegerArray(targets) || targets instanceof Float32Array || targets instanceof Float64Array) {
    if (targets.length !== count * values.columns) {
      throw new LossError(
        "targets",
        `${targets.length} numbers beside ${describeBeside(values.beside)}`,
        `Give ${count * values.columns} numbers, one for each prediction`,
      );
    }
    return tf.tensor2d(Float32Array.from(targets), shape);
  }
  if (typeof targets !== "number" && !Array.isArray(targets)) {
    throw new LossError("targets", `got ${describe(targets)}`, "Give a tensor, a typed array or nested arrays");
  }
  const flat = flatten(targets, "targets", isNumber, "numbers");
  // An empty array does not show its inner dimensions.
  if (flat.values.length > 0 || count > 0) checkTargetsShape(flat.shape, values);
  return tf.tensor2d(Float32Array.from(flat.values), shape);
}
