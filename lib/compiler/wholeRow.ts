/**
 * The numbers of ../loss/wholeRow.ts and their gradients, with ordinary ops over [N, V]; where the host reads tensors
 * without waiting entmax's threshold is found there, among the few entries that can have any probability.
 */
import * as tf from "@tensorflow/tfjs";
import { rowSums } from "../kernels/sums.ts";
import { at } from "../loss/schedule.ts";
import type { WholeRow } from "../loss/wholeRow.ts";
import { entmaxThreshold } from "../reference/entmax.ts";
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
  return of.kind === "entmax" ? entmaxForward(at(of.alpha, step), rows) : topEntropyForward(of.k, rows.logits);
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

/** Newton's method comes from below, by a factor of e a step where alpha is near 1, and doubles its digits near the end. */
const newtonSteps = 40;

function entmaxForward(alpha: number, rows: ViewedRows): WholeRowState {
  const tau = isHostBackend() ? thresholdsOnHost(alpha, rows) : thresholds(alpha, rows);
  const p = probabilities(alpha, rows, tau);
  // An entry without probability adds 0 also at −∞.
  const mean = rowSums(tf.mul(p, tf.maximum(relative(rows), -3.4e38)));
  const powers = rowSums(powerOf(p, alpha));
  const value = tf.add(mean, tf.div(tf.sub(1, powers), alpha * (alpha - 1))) as tf.Tensor1D;
  return { value, kept: [tau] };
}

function entmaxGradient(alpha: number, rows: ViewedRows, { kept: [tau] }: WholeRowState): tf.Tensor2D {
  return probabilities(alpha, rows, tau);
}

function relative({ logits, m }: ViewedRows): tf.Tensor2D {
  return tf.sub(logits, m.expandDims(1));
}

/** [(alpha − 1) (z_j − m) − τ]_+. */
function excess(alpha: number, rows: ViewedRows, tau: tf.Tensor1D): tf.Tensor2D {
  return tf.relu(tf.sub(tf.mul(relative(rows), alpha - 1), tau.expandDims(1)));
}

function probabilities(alpha: number, rows: ViewedRows, tau: tf.Tensor1D): tf.Tensor2D {
  return tf.tidy(() => {
    const powers = powerOf(excess(alpha, rows, tau), 1 / (alpha - 1));
    return tf.div(powers, rowSums(powers).expandDims(1)) as tf.Tensor2D;
  });
}

/** x^power for x ≥ 0, and 0 at 0 for any power. */
function powerOf(x: tf.Tensor2D, power: number): tf.Tensor2D {
  if (power === 1) return x;
  if (power === 2) return tf.square(x);
  return tf.mul(tf.step(x), tf.pow(tf.maximum(x, 1e-30), power));
}

function thresholds(alpha: number, rows: ViewedRows): tf.Tensor1D {
  const power = 1 / (alpha - 1);
  let tau: tf.Tensor1D = tf.sub(tf.zerosLike(rows.m), 1);
  for (let i = 0; i < newtonSteps; i++) {
    const before = tau;
    tau = tf.tidy(() => {
      const x = excess(alpha, rows, before);
      const slope = tf.mul(rowSums(power === 1 ? tf.step(x) : powerOf(x, power - 1)), power);
      const step = tf.div(tf.sub(rowSums(powerOf(x, power)), 1), slope);
      return tf.add(before, tf.relu(step)) as tf.Tensor1D;
    });
    before.dispose();
  }
  // A row without statistics has none here.
  return tf.add(tau, tf.mul(rows.m, 0)) as tf.Tensor1D;
}

function thresholdsOnHost(alpha: number, { logits, m }: ViewedRows): tf.Tensor1D {
  const [count, classes] = logits.shape;
  const values = logits.dataSync();
  const highest = m.dataSync();
  const tau = Float32Array.from({ length: count }, (_, row) => {
    if (!Number.isFinite(highest[row])) return Number.NaN;
    const entries: number[] = [];
    for (let j = row * classes; j < (row + 1) * classes; j++) {
      const x = (alpha - 1) * (values[j] - highest[row]);
      if (x > -1) entries.push(x);
    }
    return entmaxThreshold(alpha, entries);
  });
  return tf.tensor1d(tau);
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
