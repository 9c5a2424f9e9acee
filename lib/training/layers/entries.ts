/** From what a model is fed with to what its losses take. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import { type AnyLoss, inputOf } from "../../loss/loss.ts";
import { targetsOf } from "../labels.ts";
import type { Head } from "../objective.ts";
import type { Entries } from "../rows.ts";
import type { ClassWeight, Feed, OutputFeed } from "./feed.ts";
import type { Masks } from "./masks.ts";

/** Entries for each head, and what frees the tensors that were made for them. */
export interface Prepared {
  readonly entries: readonly Entries[];
  readonly dispose: () => void;
}

export function prepare(
  model: tf.LayersModel,
  heads: readonly Head[],
  masks: Masks | null,
  feed: Feed,
  classWeights: readonly (ClassWeight | undefined)[],
  where: string,
): Prepared {
  const made: tf.Tensor[] = [];
  try {
    const entries = tf.tidy(() => containerOf(model, heads, masks, feed, classWeights, where, made));
    return { entries: entries as unknown as readonly Entries[], dispose: () => tf.dispose(made) };
  } catch (error) {
    tf.dispose(made);
    throw error;
  }
}

/** The entries, whose own tensors are kept and put on the list. */
function containerOf(
  model: tf.LayersModel,
  heads: readonly Head[],
  masks: Masks | null,
  feed: Feed,
  classWeights: readonly (ClassWeight | undefined)[],
  where: string,
  made: tf.Tensor[],
): tf.TensorContainerArray {
  const ofLayers = masks === null ? heads.map(() => null) : masks(feed.x);
  made.push(...ofLayers.filter((mask) => mask !== null));
  const all = heads.map(({ loss, name }, i) => {
    const at = heads.length === 1 ? where : `${where}, output ${name}`;
    return entriesOf(loss, feed.outputs[i], model.outputs[i].shape, ofLayers[i], classWeights[i], at);
  });
  // What was given is not ours to free, nor to keep.
  const given = new Set<unknown>([...feed.outputs.flatMap((output) => Object.values(output)), ...ofLayers]);
  for (const value of all.flatMap((one) => Object.values(one))) {
    if (value instanceof tf.Tensor && !given.has(value)) made.push(tf.keep(value));
  }
  return all as unknown as tf.TensorContainerArray;
}

function entriesOf(
  loss: AnyLoss,
  { y, sampleWeight, mask, teacher, inputs }: OutputFeed,
  output: readonly (number | null)[],
  ofLayers: tf.Tensor | null,
  classWeight: ClassWeight | undefined,
  where: string,
): Entries {
  const targets = targetsOf(loss, y, output, where);
  const rows = rowsShape(targets);
  const own = sampleWeight === undefined ? null : spread(sampleWeight, rows);
  const ofClasses =
    classWeight === undefined ? null : weightsOfClasses(loss, targets, output[output.length - 1], classWeight, where);
  const weight = own === null ? ofClasses : ofClasses === null ? own : tf.mul(own, ofClasses);
  const both =
    mask === undefined || ofLayers === null ? (mask ?? ofLayers) : tf.logicalAnd(checkMask(mask, where), ofLayers);
  return {
    ...targets,
    ...(weight !== null && { sampleWeight: weight }),
    ...(both && { mask: both }),
    ...(teacher && { teacher }),
    ...(inputs && { inputs }),
  };
}

function checkMask(mask: tf.Tensor, where: string): tf.Tensor {
  if (mask.dtype === "bool") return mask;
  throw new LossError(`${where}, mask`, `it has dtype ${mask.dtype}`, "Give a bool tensor, true for rows that count");
}

function rowsShape(entries: Entries): readonly number[] {
  if ("targets" in entries) return (entries.targets as tf.Tensor).shape.slice(0, -1);
  const { labels } = entries as { readonly labels: tf.Tensor };
  return labels.dtype === "int32" ? labels.shape : labels.shape.slice(0, -1);
}

/** The weights of examples as weights of all of their rows; other shapes as they are, to be checked by the loss. */
function spread(weight: tf.Tensor, rows: readonly number[]): tf.Tensor {
  const isOfExamples = weight.size === rows[0] && rows.length > 1 && weight.shape.slice(1).every((size) => size === 1);
  const float = weight.toFloat();
  if (!isOfExamples)
    return weight.rank > rows.length && weight.size === product(rows) ? float.reshape([...rows]) : float;
  return tf.broadcastTo(float.reshape([rows[0], ...rows.slice(1).map(() => 1)]), [...rows]);
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}

/** Σ_c q_c w_c for each row: the weight of its class for an integer label. */
function weightsOfClasses(
  loss: AnyLoss,
  entries: Entries,
  classes: number | null,
  classWeight: ClassWeight,
  where: string,
): tf.Tensor {
  if (inputOf(loss) === "values") {
    throw new LossError(`${where}, classWeight`, "a loss over values has no classes", "Give { sampleWeight }");
  }
  const pairs = Object.entries(classWeight).map(([id, weight]) => [Number(id), weight] as const);
  for (const [id, weight] of pairs) {
    if (Number.isInteger(id) && id >= 0 && weight >= 0 && Number.isFinite(weight)) continue;
    throw new LossError(
      `${where}, classWeight`,
      `class ${id} has the weight ${weight}`,
      "Give weights of at least 0 by class",
    );
  }
  const { labels } = entries as { readonly labels: tf.Tensor };
  const highest = pairs.reduce((most, [id]) => Math.max(most, id), -1);
  if (classes !== null && highest >= classes) {
    throw new LossError(
      `${where}, classWeight`,
      `there is no class ${highest}`,
      `Give weights for classes from 0 to ${classes - 1}`,
    );
  }
  const table = new Float32Array(classes ?? highest + 1).fill(1);
  for (const [id, weight] of pairs) table[id] = weight;
  if (labels.dtype !== "int32") return tf.sum(tf.mul(labels, tf.tensor1d(table)), -1);
  if (table.length === 0) return tf.onesLike(labels).toFloat();
  // Classes that are not named, and labels that are ignored, weigh 1.
  const isNamed = tf.logicalAnd(tf.greaterEqual(labels, 0), tf.less(labels, tf.scalar(table.length, "int32")));
  const weights = tf.gather(tf.tensor1d(table), tf.where(isNamed, labels, tf.zerosLike(labels)).toInt());
  return tf.where(isNamed, weights, tf.onesLike(weights));
}
