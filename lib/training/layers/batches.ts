/** The batches of an epoch: cut from tensors, or read from a dataset. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import { type Feed, feedOf, mapFeed, type RowData, sizeOf, tensorsOf } from "./feed.ts";
import type { PerName } from "./perOutput.ts";

/** The parts of one step, which together are its batch, and what frees them. */
export interface StepFeed {
  readonly parts: readonly Feed[];
  readonly size: number;
  readonly dispose: () => void;
}

/** What a dataset gives for a batch. */
export interface DatasetElement extends RowData {
  readonly xs: PerName<tf.Tensor>;
  readonly ys: PerName<tf.Tensor>;
}

/** A tf.data.Dataset, or anything else whose iterators give batches. */
export interface BatchDataset {
  iterator(): Promise<BatchIterator>;
}

export interface BatchIterator {
  next(): Promise<{ readonly value: unknown; readonly done?: boolean | undefined }>;
}

/** How tensors are cut. */
export interface Cutting {
  readonly batchSize: number;
  /** In how many parts each batch is worked on. */
  readonly parts: number;
  /** At most so many batches; null for all. */
  readonly limit: number | null;
  /** The order of the examples. */
  readonly order: Int32Array | null;
}

/** Batches of the examples of a feed. */
export function* batchesOfTensors(feed: Feed, { batchSize, parts, limit, order }: Cutting): Generator<StepFeed> {
  const size = sizeOf(feed);
  const count = Math.min(Math.ceil(size / batchSize), limit ?? Number.POSITIVE_INFINITY);
  for (let batch = 0; batch < count; batch++) {
    const [from, to] = [batch * batchSize, Math.min(size, (batch + 1) * batchSize)];
    const cuts = partsOf(from, to, parts).map(([start, end]) => cut(feed, start, end, order));
    yield { parts: cuts, size: to - from, dispose: () => tf.dispose(cuts.flatMap(tensorsOf)) };
  }
}

/** [from, to) in parts whose sizes differ by at most one. */
function partsOf(from: number, to: number, parts: number): readonly (readonly [number, number])[] {
  const count = Math.max(1, Math.min(parts, to - from));
  const edge = (i: number): number => from + Math.floor((i * (to - from)) / count);
  return Array.from({ length: count }, (_, i) => [edge(i), edge(i + 1)] as const);
}

function cut(feed: Feed, from: number, to: number, order: Int32Array | null): Feed {
  if (order === null) return mapFeed(feed, (tensor) => tf.slice(tensor, [from], [to - from]));
  const indices = tf.tensor1d(order.subarray(from, to), "int32");
  try {
    return mapFeed(feed, (tensor) => tf.tidy(() => gather(tensor, indices)));
  } finally {
    indices.dispose();
  }
}

/** tf.gather makes no bool tensors on every backend. */
function gather(tensor: tf.Tensor, indices: tf.Tensor1D): tf.Tensor {
  return tensor.dtype === "bool" ? tf.gather(tensor.toInt(), indices).toBool() : tf.gather(tensor, indices);
}

/** An order of n examples at random: from a seed, or by Math.random. */
export async function shuffled(n: number, seed: number | null): Promise<Int32Array> {
  const order = Int32Array.from({ length: n }, (_, i) => i);
  if (seed === null) {
    tf.util.shuffle(order);
    return order;
  }
  const keys = tf.randomUniform([n], 0, 1, "float32", String(seed));
  const values = await keys.data();
  keys.dispose();
  return order.sort((a, b) => values[a] - values[b] || a - b);
}

/**
 * Steps of a dataset's batches, `parts` batches each; the last of an epoch may have fewer. A batch is freed after its step, as
 * by TensorFlow.js.
 */
export async function* batchesOfDataset(
  model: tf.LayersModel,
  iterator: BatchIterator,
  { parts, limit }: Pick<Cutting, "parts" | "limit">,
  where: string,
): AsyncGenerator<StepFeed, { readonly isExhausted: boolean }> {
  let read = 0;
  let feeds: Feed[] = [];
  const step = (): StepFeed => {
    const own = feeds;
    feeds = [];
    const size = own.reduce((sum, feed) => sum + sizeOf(feed), 0);
    return { parts: own, size, dispose: () => tf.dispose(own.flatMap(tensorsOf)) };
  };
  try {
    while (limit === null || read < limit) {
      const { value, done } = await iterator.next();
      if (value !== null && value !== undefined) {
        feeds.push(feedOfElement(model, value, where));
        read++;
        if (feeds.length === parts) yield step();
      }
      if (done === true) {
        if (feeds.length > 0) yield step();
        return { isExhausted: limit !== null && read < limit };
      }
    }
    if (feeds.length > 0) yield step();
    return { isExhausted: false };
  } finally {
    tf.dispose(feeds.flatMap(tensorsOf));
  }
}

function feedOfElement(model: tf.LayersModel, element: unknown, where: string): Feed {
  if (typeof element !== "object" || element === null || !("xs" in element) || !("ys" in element)) {
    throw new LossError(where, "the dataset gives something else than batches", "Let it give { xs, ys }, batched");
  }
  const { xs, ys, ...rows } = element as DatasetElement;
  return feedOf(model, xs, ys, rows, where);
}

/** `dataset` if it is one. */
export function checkDataset(dataset: unknown, where: string): BatchDataset {
  if (typeof dataset === "object" && dataset !== null && "iterator" in dataset) return dataset as BatchDataset;
  throw new LossError(
    where,
    `got ${String(dataset)} in place of a dataset`,
    "Give a tf.data.Dataset of batches { xs, ys }",
  );
}
