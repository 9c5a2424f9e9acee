/** Reads the candidates that a batch gives for its rows. */
import * as tf from "@tensorflow/tfjs";
import { checkCandidates, checkCandidatesShape, flatten, isNumber, missingCandidates } from "../loss/batch.ts";
import { LossError } from "../loss/error.ts";
import type { Batch, Rows } from "./batch.ts";
import { checkTensor, describe, isHostBackend, isIntegerArray, type Reading, waitFor } from "./entries.ts";

type Weights = Pick<Rows, "rowWeight" | "validWeight">;

/**
 * The candidates [N, K], K of 1 at least. Where the host sees them it names the row that is wrong; elsewhere an id that is no class
 * makes its row NaN.
 */
export function readCandidates(
  candidates: Batch["candidates"],
  { shape, classes, look }: Reading,
  { count, valid, rowWeight, validWeight }: Pick<Rows, "count" | "valid"> & Weights,
): Weights & { readonly candidates: tf.Tensor2D } {
  if (candidates === undefined) throw missingCandidates();
  const { host, each, tensor } = givenAs(candidates, shape, count, look);
  const known = host !== null && (valid === null || valid.invalid !== null);
  if (known) {
    const invalid = new Set(valid?.invalid ?? []);
    checkCandidates(host, classes, shape, (row) => !invalid.has(row));
  }
  const given = each * count === 0 ? tf.fill<tf.Rank.R2>([count, 1], -1, "int32") : tensor();
  if (known || each * count === 0) return { candidates: given, rowWeight, validWeight };
  const isNone = tf.logicalOr(
    tf.less(given, tf.scalar(-1, "int32")),
    tf.greaterEqual(given, tf.scalar(classes, "int32")),
  );
  const isWrong = tf.greater(tf.sum(tf.cast(isNone, "float32"), 1), 0);
  const spoilt = (weight: tf.Tensor1D | null): tf.Tensor1D => {
    const whole = weight ?? tf.ones<tf.Rank.R1>([count]);
    const checked = tf.where(isWrong, tf.fill([count], Number.NaN), whole);
    return (valid === null ? checked : tf.where(valid.tensor, checked, tf.zerosLike(whole))) as tf.Tensor1D;
  };
  return { candidates: given, rowWeight: spoilt(rowWeight), validWeight: spoilt(validWeight) };
}

interface Given {
  /** Null where the host would wait for them. */
  readonly host: ArrayLike<number> | null;
  /** K. */
  readonly each: number;
  readonly tensor: () => tf.Tensor2D;
}

function givenAs(
  candidates: NonNullable<Batch["candidates"]>,
  shape: readonly number[],
  count: number,
  look: boolean,
): Given {
  const remedy = "Give ids [..., K], −1 for none: an int32 tensor, an Int32Array or nested arrays of integers";
  if (candidates instanceof tf.Tensor) {
    checkTensor("candidates", candidates, remedy);
    if (candidates.dtype !== "int32") {
      throw new LossError("candidates", `they have dtype ${candidates.dtype}`, remedy);
    }
    const each = checkCandidatesShape(candidates.shape, shape);
    const host = isHostBackend() ? candidates.dataSync() : look ? waitFor("candidates", candidates) : null;
    return { host, each, tensor: () => candidates.reshape([count, each]) };
  }
  const onHost = (host: ArrayLike<number>, each: number): Given => ({
    host,
    each,
    tensor: () => tf.tensor2d(Int32Array.from(host), [count, each], "int32"),
  });
  if (ArrayBuffer.isView(candidates)) {
    const ids: unknown = candidates;
    if (!isIntegerArray(ids)) throw new LossError("candidates", `they are a ${candidates.constructor.name}`, remedy);
    const { length } = ids;
    const each = count === 0 ? 0 : length / count;
    if (count > 0 ? Number.isInteger(each) : length === 0) return onHost(ids, each);
    throw new LossError("candidates", `${length} ids for ${count} rows`, "Give as many ids for each row, −1 for none");
  }
  if (!Array.isArray(candidates)) throw new LossError("candidates", `got ${describe(candidates)}`, remedy);
  const flat = flatten(candidates, "candidates", isNumber, "ids");
  // An empty array does not show its inner dimensions.
  return count === 0 && flat.values.length === 0
    ? onHost([], 0)
    : onHost(flat.values, checkCandidatesShape(flat.shape, shape));
}
