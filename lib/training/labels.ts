/** Labels as loops over datasets have them, in the form that a loss takes. */
import * as tf from "@tensorflow/tfjs";
import { isHostBackend } from "../compiler/entries.ts";
import { LossError } from "../loss/error.ts";
import { type AnyLoss, inputOf } from "../loss/loss.ts";
import type { Entries } from "./rows.ts";

/**
 * What a loss is given for a tensor y beside an output of a shape [..., V]; a null is a size that is not known. Integer labels may be
 * [...] or [..., 1], int32 or whole numbers in float32, as datasets have them; soft labels are [..., V].
 */
export function targetsOf(loss: AnyLoss, y: tf.Tensor, output: readonly (number | null)[], where: string): Entries {
  if (inputOf(loss) === "values") return { targets: valuesOf(y, output) };
  const rank = output.length;
  const classes = output[rank - 1];
  const last = y.shape[y.rank - 1];
  if (y.rank === rank && (last === classes || classes === null) && (last !== 1 || y.dtype === "float32")) {
    return { labels: y.toFloat() };
  }
  if (y.rank === rank - 1) return { labels: wholeNumbers(y, where) };
  if (y.rank === rank && last === 1) return { labels: wholeNumbers(y.reshape(y.shape.slice(0, -1)), where) };
  const shown = output.map((size) => size ?? "?");
  throw new LossError(
    where,
    `labels of shape [${y.shape.join(", ")}] beside an output of shape [${shown.join(", ")}]`,
    `Give integer labels [${shown.slice(0, -1).join(", ")}], or soft labels in the shape of the output`,
  );
}

/** Targets of one column may leave it out. */
function valuesOf(y: tf.Tensor, output: readonly (number | null)[]): tf.Tensor {
  return y.rank === output.length - 1 && output[output.length - 1] === 1 ? y.expandDims(-1) : y;
}

/** Labels as int32; what is no whole number is an error where the host sees it, and else no class. */
function wholeNumbers(labels: tf.Tensor, where: string): tf.Tensor {
  if (labels.dtype === "int32") return labels;
  if (labels.dtype !== "float32") {
    throw new LossError(where, `the labels have dtype ${labels.dtype}`, "Give int32 labels");
  }
  if (isHostBackend()) {
    const bad = labels.dataSync().find((label) => !Number.isInteger(label));
    if (bad === undefined) return labels.toInt();
    throw new LossError(where, `a label is ${bad}`, "Give whole numbers");
  }
  const floor = tf.floor(labels);
  return tf.where(tf.equal(floor, labels), floor, tf.onesLike(floor).mul(-(2 ** 30))).toInt();
}
