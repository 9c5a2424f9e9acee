/**
 * The numbers of ../loss/wholeRow.ts and their gradients, with ordinary ops over [N, V]; where the host reads tensors
 * without waiting entmax's threshold is found there, among the few entries that can have any probability.
 */
import * as tf from "@tensorflow/tfjs";
import { log1p } from "../kernels/log1p.ts";
import { rowSums } from "../kernels/sums.ts";
import { entmaxThreshold } from "../loss/entmax.ts";
import { at } from "../loss/schedule.ts";
import type { WholeRow } from "../loss/wholeRow.ts";
import { isHostBackend } from "./entries.ts";

/** Rows of logits in a view: [N, V], and the highest entry of each, [N]. */
export interface ViewedRows {
  readonly logits: tf.Tensor2D;
  readonly m: tf.Tensor1D;
}

/** What a forward pass leaves, [N] each. */
export interface WholeRowState {
  /** Entmax's Ω* is relative to m. */
  readonly value: tf.Tensor1D;
  readonly kept: readonly tf.Tensor1D[];
}

export function wholeRowForward(of: WholeRow, rows: ViewedRows, step: number): WholeRowState {
  const forward = (): WholeRowState =>
    of.kind === "entmax" ? entmaxForward(at(of.alpha, step), rows) : topEntropyForward(of.k, rows.logits);
  return tf.tidy(() => forward() as WholeRowState & tf.TensorContainerObject);
}

/** The gradient for the viewed logits, [N, V]. */
export function wholeRowGradient(
  of: WholeRow,
  rows: ViewedRows,
  state: WholeRowState,
  step: number,
  g: tf.Tensor1D,
): tf.Tensor2D {
  const gradient =
    of.kind === "entmax" ? entmaxGradient(at(of.alpha, step), rows, state) : topEntropyGradient(of.k, rows, state);
  return tf.mul(g.expandDims(1), gradient);
}

// ---------------------------------------------------------------------------------------------------------- entmax

/** ../loss/entmax.ts has the formulas. */
function entmaxForward(alpha: number, rows: ViewedRows): WholeRowState {
  const x = relative(rows);
  const c = isHostBackend() ? thresholdsOnHost(alpha, rows) : thresholds(alpha, x, rows.m);
  // An entry without probability adds 0 also at −∞.
  const mean = rowSums(tf.mul(normalised(unscaled(alpha, x, c).p), tf.maximum(x, -3.4e38)));
  const value = tf.add(tf.div(c, alpha), tf.mul(mean, 1 - 1 / alpha)) as tf.Tensor1D;
  return { value, kept: [c] };
}

function entmaxGradient(alpha: number, rows: ViewedRows, { kept: [c] }: WholeRowState): tf.Tensor2D {
  return tf.tidy(() => normalised(unscaled(alpha, relative(rows), c).p));
}

function relative({ logits, m }: ViewedRows): tf.Tensor2D {
  return tf.sub(logits, m.expandDims(1));
}

function normalised(p: tf.Tensor2D): tf.Tensor2D {
  return tf.div(p, rowSums(p).expandDims(1));
}

/** The probabilities before they add up to 1, and their slopes. */
function unscaled(
  alpha: number,
  x: tf.Tensor2D,
  c: tf.Tensor1D,
): { readonly p: tf.Tensor2D; readonly slope: () => tf.Tensor2D } {
  const excess = tf.mul(tf.sub(x, c.expandDims(1)), alpha - 1);
  const base = tf.relu(tf.add(excess, 1)) as tf.Tensor2D;
  if (alpha === 2) return { p: base, slope: () => tf.step(base) };
  if (alpha === 1.5) return { p: tf.square(base), slope: () => base };
  // As an exponential the large power of an alpha near 1 costs no digits.
  const power = tf.exp(tf.div(log1p(tf.maximum(excess, -0.9999999)), alpha - 1));
  const p = tf.mul(tf.step(base), power) as tf.Tensor2D;
  return { p, slope: () => tf.div(p, tf.maximum(base, 1e-30)) };
}

/** Newton's method comes from below, by 1 a step where alpha is near 1, and doubles its digits near the end. */
const newtonSteps = 30;

function thresholds(alpha: number, x: tf.Tensor2D, m: tf.Tensor1D): tf.Tensor1D {
  // A row without statistics has no threshold.
  let c: tf.Tensor1D = tf.mul(m, 0);
  for (let i = 0; i < newtonSteps; i++) {
    const before = c;
    c = tf.tidy(() => {
      const { p, slope } = unscaled(alpha, x, before);
      return tf.add(before, tf.relu(tf.div(tf.sub(rowSums(p), 1), rowSums(slope())))) as tf.Tensor1D;
    });
    before.dispose();
  }
  return c;
}

function thresholdsOnHost(alpha: number, { logits, m }: ViewedRows): tf.Tensor1D {
  const [count, classes] = logits.shape;
  const values = logits.dataSync();
  const highest = m.dataSync();
  const lowest = -1 / (alpha - 1);
  const c = Float32Array.from({ length: count }, (_, row) => {
    if (!Number.isFinite(highest[row])) return Number.NaN;
    const entries: number[] = [];
    for (let j = row * classes; j < (row + 1) * classes; j++) {
      const x = values[j] - highest[row];
      if (x > lowest) entries.push(x);
    }
    return entmaxThreshold(alpha, entries);
  });
  return tf.tensor1d(c);
}

// ----------------------------------------------------------------------------------------------------- top entropy

function topEntropyForward(k: number, logits: tf.Tensor2D): WholeRowState {
  const places = Math.min(k, logits.shape[1]);
  const top = tf.topk(logits, places).values as tf.Tensor2D;
  const column = (index: number): tf.Tensor1D => tf.slice(top, [0, index], [top.shape[0], 1]).flatten();
  const highest = column(0);
  const x = tf.sub(top, highest.expandDims(1));
  const logSum = tf.log(tf.sum(tf.exp(x), 1)) as tf.Tensor1D;
  const nll = tf.sub(logSum.expandDims(1), x);
  const value = tf.sum(tf.mul(tf.exp(tf.neg(nll)), tf.minimum(nll, 3.4e38)), 1) as tf.Tensor1D;
  return { value, kept: [highest, column(places - 1), logSum] };
}

/** Entries that are as high as the k-th share what is left of the k places. */
function topEntropyGradient(k: number, { logits }: ViewedRows, { value, kept }: WholeRowState): tf.Tensor2D {
  return tf.tidy(() => {
    const [highest, lowest, logSum] = kept.map((x) => x.expandDims(1));
    const above = tf.cast(tf.greater(logits, lowest), "float32");
    const level = tf.cast(tf.equal(logits, lowest), "float32");
    const left = tf.sub(Math.min(k, logits.shape[1]), rowSums(above).expandDims(1));
    const place = tf.add(above, tf.mul(level, tf.div(left, tf.maximum(rowSums(level).expandDims(1), 1))));
    const nll = tf.sub(logSum, tf.sub(logits, highest));
    const p = tf.mul(place, tf.exp(tf.neg(nll)));
    return tf.mul(p, tf.sub(tf.minimum(nll, 3.4e38), value.expandDims(1))) as tf.Tensor2D;
  });
}
