/** Batches for contrastive losses: similarities of embeddings as logits, made with ops that tapes see. */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../loss/error.ts";
import { checkTensor } from "./entries.ts";

/** Options of `contrastivePairs` and `contrastiveViews`. */
export interface ContrastiveOptions {
  /** "cosine", of embeddings divided by their lengths, by default; "dot" for embeddings as they are. */
  readonly similarity?: "cosine" | "dot";
  /**
   * false for pairs that are not there, such as those that pad a batch: they are no candidates and have no loss; [N].
   */
  readonly mask?: readonly boolean[];
}

/** A batch for `infoNCE` and other losses over logits: each row's label is the candidate that belongs to it. */
export interface ContrastiveBatch {
  /** Similarities [rows, candidates]; −∞ for what is no candidate. */
  readonly logits: tf.Tensor2D;
  readonly labels: Int32Array;
  readonly mask?: readonly boolean[];
}

/**
 * The batch in which each anchor has to find its own positive among those of all rows. Gradients reach both.
 *
 * Shapes: anchors and positives [N, D], of which row i of one belongs to row i of the other; logits [N, N]. The loss in
 * the other direction, as CLIP's other half, is that of `contrastivePairs(positives, anchors)`.
 *
 * @throws LossError where the two are not float32 tensors of one shape [N, D], or the mask does not fit.
 *
 * Source: van den Oord et al., arXiv 1807.03748.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { contrastivePairs } from "lossmith";
 * import { expect } from "expect";
 *
 * const { logits, labels } = contrastivePairs(tf.tensor2d([[3, 0], [0, 2]]), tf.tensor2d([[1, 0], [1, 1]]));
 * expect(logits.arraySync()[0][0]).toBeCloseTo(1, 6);
 * expect(logits.arraySync()[1][1]).toBeCloseTo(Math.SQRT1_2, 6);
 * expect([...labels]).toEqual([0, 1]);
 * ```
 */
export function contrastivePairs(
  anchors: tf.Tensor,
  positives: tf.Tensor,
  options: ContrastiveOptions = {},
): ContrastiveBatch {
  const { count, measured, mask } = read("contrastivePairs", anchors, positives, options);
  const logits = tf.tidy(() => {
    const similarities = tf.matMul(measured(anchors), measured(positives), false, true) as tf.Tensor2D;
    return without(similarities, mask === null ? null : [mask], false);
  });
  return batchOf(
    logits,
    Int32Array.from({ length: count }, (_, row) => row),
    mask,
  );
}

/**
 * The batch of NT-Xent: two views of each of N things are 2N rows, and each has to find its other view among all rows
 * but itself. Gradients reach both.
 *
 * Shapes: the views [N, D] each; logits [2N, 2N], the rows of the first view before those of the second.
 *
 * @throws LossError where the two are not float32 tensors of one shape [N, D], or the mask does not fit.
 *
 * Source: SimCLR, Chen et al., arXiv 2002.05709.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { compile, contrastiveViews, infoNCE } from "lossmith";
 * import { expect } from "expect";
 *
 * const ntXent = compile(infoNCE({ temperature: 0.5 }));
 * const [first, second] = [tf.tensor2d([[1, 0], [0, 1]]), tf.tensor2d([[1, 0], [0, 1]])];
 * // Each row has one partner like it and two others across it.
 * expect(ntXent(contrastiveViews(first, second)).dataSync()[0]).toBeCloseTo(Math.log1p(2 * Math.exp(-2)), 5);
 * ```
 */
export function contrastiveViews(
  first: tf.Tensor,
  second: tf.Tensor,
  options: ContrastiveOptions = {},
): ContrastiveBatch {
  const { count, measured, mask } = read("contrastiveViews", first, second, options);
  const logits = tf.tidy(() => {
    const all = tf.concat([measured(first), measured(second)]) as tf.Tensor2D;
    return without(tf.matMul(all, all, false, true) as tf.Tensor2D, mask === null ? null : [mask, mask], true);
  });
  const labels = Int32Array.from({ length: 2 * count }, (_, row) => (row + count) % (2 * count));
  return batchOf(logits, labels, mask === null ? null : [...mask, ...mask]);
}

function batchOf(logits: tf.Tensor2D, labels: Int32Array, mask: readonly boolean[] | null): ContrastiveBatch {
  return { logits, labels, ...(mask === null ? {} : { mask }) };
}

interface Embeddings {
  readonly count: number;
  readonly measured: (x: tf.Tensor) => tf.Tensor2D;
  readonly mask: readonly boolean[] | null;
}

function read(where: string, a: tf.Tensor, b: tf.Tensor, options: ContrastiveOptions): Embeddings {
  const { similarity = "cosine", mask = null } = options ?? {};
  const remedy = "Give two float32 tensors [N, D] of one shape";
  for (const x of [a, b]) {
    checkTensor(where, x, remedy);
    if (x.dtype !== "float32") throw new LossError(where, `embeddings have dtype ${x.dtype}`, remedy);
  }
  const [count, size] = a.shape;
  if (a.rank !== 2 || b.rank !== 2 || b.shape[0] !== count || b.shape[1] !== size || count === 0 || size === 0) {
    throw new LossError(
      where,
      `embeddings have the shapes [${a.shape.join(", ")}] and [${b.shape.join(", ")}]`,
      remedy,
    );
  }
  if (similarity !== "cosine" && similarity !== "dot") {
    throw new LossError(`${where}({ similarity })`, `got ${JSON.stringify(similarity)}`, 'Give "cosine" or "dot"');
  }
  if (mask !== null && (!Array.isArray(mask) || mask.length !== count || mask.some((x) => typeof x !== "boolean"))) {
    throw new LossError(
      `${where}({ mask })`,
      "it does not fit the embeddings",
      `Give ${count} booleans, true for pairs that count`,
    );
  }
  // In the place of what is not there stands 0: beside a NaN no gradient would be finite.
  const present = (x: tf.Tensor): tf.Tensor =>
    mask === null ? x : tf.where(tf.tensor2d(mask.map(Number), [count, 1], "bool"), x, tf.zerosLike(x));
  return { count, measured: (x) => (similarity === "cosine" ? unit(present(x)) : (present(x) as tf.Tensor2D)), mask };
}

/** Rows divided by their lengths; a row of zeros stays as it is. */
function unit(x: tf.Tensor): tf.Tensor2D {
  const squares = tf.sum(tf.square(x), 1, true);
  return tf.mul(x, tf.rsqrt(tf.maximum(squares, 1e-24))) as tf.Tensor2D;
}

/** The similarities with −∞ for candidates that are masked, and for a row itself. */
function without(
  similarities: tf.Tensor2D,
  masks: readonly (readonly boolean[])[] | null,
  itself: boolean,
): tf.Tensor2D {
  if (masks === null && !itself) return similarities;
  const [rows, candidates] = similarities.shape;
  const counts = masks?.flat() ?? Array.from({ length: candidates }, () => true);
  const isCandidate = Uint8Array.from({ length: rows * candidates }, (_, i) => {
    const [row, candidate] = [Math.floor(i / candidates), i % candidates];
    return counts[candidate] && !(itself && row === candidate) ? 1 : 0;
  });
  const nothing = tf.fill([rows, candidates], Number.NEGATIVE_INFINITY);
  return tf.where(tf.tensor2d(isCandidate, [rows, candidates], "bool"), similarities, nothing) as tf.Tensor2D;
}
