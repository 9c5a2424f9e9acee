/** Tiles of columns: which classes of a row of logits exist at a time, and ids as one of them sees them. */
import * as tf from "@tensorflow/tfjs";
import { areIdsWithin } from "../entries.ts";

/** Some classes that follow each other. */
export interface Columns {
  readonly start: number;
  readonly size: number;
}

/** All classes, so many at a time. */
export function columnTiles(classes: number, each: number): readonly Columns[] {
  return Array.from({ length: Math.ceil(classes / each) }, (_, i) => ({
    start: i * each,
    size: Math.min(each, classes - i * each),
  }));
}

/** Whether ids, of any shape, are among the columns. */
export function isWithin(ids: tf.Tensor, { start, size }: Columns): tf.Tensor {
  return areIdsWithin(ids, start, start + size);
}

/** Ids counted from the first of the columns; `otherwise` where they are not among them. */
export function localIds<T extends tf.Tensor>(ids: T, columns: Columns, otherwise: 0 | -1): T {
  return tf.tidy(() => {
    const local = tf.sub(ids, tf.scalar(columns.start, "int32"));
    return tf.where(isWithin(ids, columns), local, tf.fill(ids.shape, otherwise, "int32")) as T;
  });
}
