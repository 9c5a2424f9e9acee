/**
 * The statistics of whole rows in a view from those of their tiles of columns, and the way back. A tile c with its own m_c and s_c
 * has the share π_c = exp(m_c + s_c − m − s) of the row's probability. Then
 * - s = log Σ_c exp(m_c − m + s_c); r is the same with r_c in place of s_c in the tile that has the label; t is of that tile;
 * - −log p_j = −log π_c − log p_j|c, so that e = Σ_c π_c (e_c − log π_c), and a cross entropy of weights that add up to W_c in a tile
 *   is Σ_c (X_c − W_c log π_c).
 *
 * For the sake of confident rows −log π_c and 1 − π_c of the tile with the largest share are formed from the shares of the others: so
 * are the sums that they stand in.
 *
 * Numbers of tiles are [T, R], of rows [R].
 */
import * as tf from "@tensorflow/tfjs";
import { log1p } from "../../kernels/log1p.ts";
import { softplus } from "../../kernels/portable.ts";
import { lost, orInfinite } from "./emptyTiles.ts";

/** The statistics of the tiles. */
export interface TilesOfView {
  readonly m: tf.Tensor2D;
  readonly s: tf.Tensor2D;
  /** Null without a label. */
  readonly ofLabel: {
    readonly t: tf.Tensor2D;
    readonly r: tf.Tensor2D;
    /** Whether the tile has the row's label. */
    readonly isOwn: tf.Tensor2D;
  } | null;
  readonly e: tf.Tensor2D | null;
}

/** The statistics of the rows, and what the way back needs. */
export interface MergedView {
  readonly m: tf.Tensor1D;
  readonly s: tf.Tensor1D;
  readonly ofLabel: {
    readonly t: tf.Tensor1D;
    readonly r: tf.Tensor1D;
    readonly n: tf.Tensor1D;
    readonly isOwn: tf.Tensor2D;
    /** The share that a tile has of what is not the label's. */
    readonly shareOfOthers: tf.Tensor2D;
  } | null;
  readonly e: tf.Tensor1D | null;
  /** e_c − log π_c. */
  readonly surprise: tf.Tensor2D | null;
  readonly shares: Shares;
}

/** How the rows' probability is shared among the tiles. */
export interface Shares {
  /** m_c − m. */
  readonly above: tf.Tensor2D;
  /** Whether the tile has the row's largest share. */
  readonly isLargest: tf.Tensor2D;
  /** π_c, −log π_c and 1 − π_c. */
  readonly p: tf.Tensor2D;
  readonly nll: tf.Tensor2D;
  readonly complement: tf.Tensor2D;
}

export function mergeView({ m, s, ofLabel, e }: TilesOfView): MergedView {
  // A maximum may pass over NaN, a sum does not.
  const top = tf.add(tf.max(m, 0), tf.sum(tf.mul(s, 0), 0)) as tf.Tensor1D;
  // A row with no entry above −∞ has no statistics.
  const highest = tf.where(tf.less(top, -lost), tf.fill(top.shape, Number.NaN), top) as tf.Tensor1D;
  const above = tf.sub(m, highest) as tf.Tensor2D;
  const logs = tf.add(above, s) as tf.Tensor2D;
  const isLargest = isFirstHighest(logs);
  const largest = tf.max(logs, 0);
  const rest = tf.sum(others(isLargest, tf.exp(tf.sub(logs, largest))), 0);
  const logRest = log1p(rest);
  const merged = tf.add(largest, logRest) as tf.Tensor1D;
  const nll = tf.where(isLargest, logRest, tf.sub(merged, logs)) as tf.Tensor2D;
  const p = tf.exp(tf.neg(nll)) as tf.Tensor2D;
  const complement = tf.where(isLargest, tf.div(rest, tf.add(rest, 1)), tf.sub(1, p)) as tf.Tensor2D;
  const surprise = e === null ? null : (tf.add(e, nll) as tf.Tensor2D);
  return {
    m: highest,
    s: merged,
    ofLabel: ofLabel === null ? null : mergeLabel(ofLabel, above, logs),
    e: surprise === null ? null : (tf.sum(tf.mul(p, surprise), 0) as tf.Tensor1D),
    surprise,
    shares: { above, isLargest, p, nll, complement },
  };
}

function mergeLabel(
  { t, r, isOwn }: NonNullable<TilesOfView["ofLabel"]>,
  above: tf.Tensor2D,
  logs: tf.Tensor2D,
): NonNullable<MergedView["ofLabel"]> {
  const ofRow = orInfinite(tf.sum(tf.where(isOwn, tf.add(above, t), tf.zerosLike(t)), 0) as tf.Tensor1D);
  // A tile may have no entry beside the label: the exponential of −∞ − (−∞) would be NaN.
  const beside = tf.maximum(tf.where(isOwn, tf.add(above, r), logs), -3e38);
  const highest = tf.max(beside, 0);
  const logOthers = tf.add(highest, tf.log(tf.sum(tf.exp(tf.sub(beside, highest)), 0))) as tf.Tensor1D;
  const isThere = tf.cast(tf.greater(beside, -lost), "float32");
  const rest = orInfinite(logOthers);
  return {
    t: ofRow,
    r: rest,
    n: softplus(tf.sub(rest, ofRow)),
    isOwn,
    shareOfOthers: tf.mul(isThere, tf.exp(tf.sub(beside, logOthers))) as tf.Tensor2D,
  };
}

/** Σ_j u_j (z_j − m), given that of the tiles relative to their own m, and the sum of u in each tile, [T, 1]. */
export function mergeDot(values: tf.Tensor2D, totals: tf.Tensor2D, { above }: Shares): tf.Tensor1D {
  return orInfinite(tf.sum(tf.add(values, tf.mul(totals, above)), 0) as tf.Tensor1D);
}

/** A cross entropy, given that of the tiles and the sums of their weights. */
export function mergeCrossEntropy(values: tf.Tensor2D, weights: tf.Tensor2D, { nll }: Shares): tf.Tensor1D {
  return orInfinite(tf.sum(tf.add(values, tf.mul(weights, nll)), 0) as tf.Tensor1D);
}

/** Numbers of tiles that are weighed by a softmax, as parts of those of the row. */
export function shared(values: tf.Tensor2D, { p }: Shares): tf.Tensor2D {
  return tf.where(tf.equal(p, 0), tf.zerosLike(p), tf.mul(values, p));
}

/** What reaches the statistics of the rows in a view; null for nothing. */
export interface ReachedRows {
  readonly s: tf.Tensor1D | null;
  readonly n: tf.Tensor1D | null;
  readonly t: tf.Tensor1D | null;
  readonly r: tf.Tensor1D | null;
  readonly e: tf.Tensor1D | null;
  readonly crossEntropies: readonly { readonly g: tf.Tensor1D; readonly weights: tf.Tensor2D }[];
}

/** What reaches those of the tiles; cross entropies and dots add up, and reach the tiles' own as they are. */
export type ReachedTiles = Readonly<Record<"s" | "t" | "r" | "e", tf.Tensor2D | null>>;

export function throughTiles(merged: MergedView, { s, n, t, r, e, crossEntropies }: ReachedRows): ReachedTiles {
  const { ofLabel, shares } = merged;
  const { p } = shares;
  const toOthers = ofLabel === null ? null : sumOf([r, n === null ? null : tf.mul(n, complementOf(merged))]);
  const toLabel = ofLabel === null ? null : sumOf([t, n === null ? null : tf.neg(tf.mul(n, complementOf(merged)))]);
  const besideLabel =
    ofLabel === null || toOthers === null ? null : (tf.mul(toOthers, ofLabel.shareOfOthers) as tf.Tensor2D);
  const own = (x: tf.Tensor | null): tf.Tensor2D | null =>
    ofLabel === null || x === null ? null : (tf.where(ofLabel.isOwn, x, tf.zerosLike(p)) as tf.Tensor2D);
  const notOwn =
    ofLabel === null || besideLabel === null ? null : tf.where(ofLabel.isOwn, tf.zerosLike(p), besideLabel);
  return {
    s: sumOf([
      s === null ? null : tf.mul(s, p),
      notOwn,
      e === null ? null : tf.mul(e, entropySlope(merged)),
      ...crossEntropies.map(({ g, weights }) => tf.mul(g, crossEntropySlope(weights, shares))),
    ]) as tf.Tensor2D | null,
    t: own(toLabel),
    r: own(besideLabel),
    e: e === null ? null : tf.mul(e, p),
  };
}

/** 1 − p of the label. */
function complementOf({ s, ofLabel }: MergedView): tf.Tensor {
  return tf.exp(tf.sub(ofLabel?.r as tf.Tensor1D, s));
}

/** ∂e / ∂s_c = π_c (e_c − log π_c − e), where e is a mean with the weights π. */
function entropySlope({ surprise, e, shares }: MergedView): tf.Tensor {
  const { isLargest, p, complement } = shares;
  const own = surprise as tf.Tensor2D;
  const ofOthers = tf.sum(others(isLargest, tf.mul(p, own)), 0);
  const excess = tf.where(isLargest, tf.sub(tf.mul(complement, own), ofOthers), tf.sub(own, e as tf.Tensor1D));
  return tf.mul(p, excess);
}

/** ∂(Σ_k −W_k log π_k) / ∂s_c = π_c Σ_k W_k − W_c. */
function crossEntropySlope(weights: tf.Tensor2D, { isLargest, p, complement }: Shares): tf.Tensor {
  const ofOthers = tf.sum(others(isLargest, weights), 0);
  const rest = tf.where(isLargest, ofOthers, tf.sub(tf.sum(weights, 0), weights));
  return tf.sub(tf.mul(p, rest), tf.mul(complement, weights));
}

// ----------------------------------------------------------------------------------------------------------- parts

/** Whether a tile's number is the row's highest, and the first such. */
function isFirstHighest(x: tf.Tensor2D): tf.Tensor2D {
  return tf.equal(tf.range(0, x.shape[0], 1, "int32").expandDims(1), tf.argMax(x, 0).expandDims(0));
}

function others(isLargest: tf.Tensor, x: tf.Tensor): tf.Tensor {
  return tf.where(isLargest, tf.zerosLike(x), x);
}

function sumOf(parts: readonly (tf.Tensor | null)[]): tf.Tensor | null {
  const there = parts.filter((x) => x !== null);
  return there.length === 0 ? null : there.reduce((sum, x) => tf.add(sum, x));
}
