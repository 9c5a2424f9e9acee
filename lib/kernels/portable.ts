/**
 * Row statistics from tensorflow.js's own ops, for any backend. Only ops that every backend has are used, and none that
 * builds a one-hot. Runs inside a customGrad: nothing here is recorded on a tape.
 */
import * as tf from "@tensorflow/tfjs";
import { log1p } from "./log1p.ts";
import type {
  DotTable,
  RowCotangents,
  RowStatistics,
  RowStatisticsKernel,
  ValidRows,
  WideInput,
} from "./rowStatistics.ts";

export const portableRowStatistics: RowStatisticsKernel = {
  name: "portable",
  forward: (input) => tf.tidy(() => forward(input)) as unknown as RowStatistics,
  backward: (input, statistics, cotangents) => tf.tidy(() => backward(input, statistics, cotangents)),
};

function forward(input: WideInput) {
  const { labels, dots } = input;
  const logits = withoutInvalidRows(input.logits, input.valid);
  const target = indices(labels);
  const targetLogit = tf.gatherND(logits, target) as tf.Tensor1D;
  const [highestOther, logOthers] = tf.tidy(() => {
    const others = withoutTarget(logits, target);
    const highest = finiteOrZero(tf.max(others, 1));
    return [highest, tf.log(tf.sum(tf.exp(tf.sub(others, highest.expandDims(1))), 1))];
  });
  const m = tf.maximum(highestOther, targetLogit) as tf.Tensor1D;
  const t = tf.sub(targetLogit, m) as tf.Tensor1D;
  const r = tf.add(tf.sub(highestOther, m), logOthers) as tf.Tensor1D;
  return { m, s: logAddExp(r, t), t, r, dots: dots.map((table) => dot(logits, m, table)) };
}

function dot(logits: tf.Tensor2D, m: tf.Tensor1D, table: DotTable | null): tf.Tensor1D {
  return tf.tidy(() => {
    const support = table?.support ?? null;
    const columns = support === null ? logits : tf.gather(logits, tf.tensor1d(support, "int32"), 1);
    const relative = tf.sub(columns, m.expandDims(1));
    if (table === null) return tf.sum(relative, 1);
    const weights = support === null ? table.tensor : tf.gather(table.tensor, tf.tensor1d(support, "int32"));
    return tf.sum(tf.mul(relative, weights), 1);
  });
}

function backward(input: WideInput, statistics: RowStatistics, cotangents: RowCotangents): tf.Tensor2D {
  const { labels, dots } = input;
  const { m, s, t, r } = statistics;
  const target = indices(labels);
  const zero = tf.zerosLike(m);
  const forS = cotangents.s ?? zero;
  // ∂s/∂z_j = p_j and ∂r/∂z_j = p_j / (1 − p_y) for j ≠ y, and p_j = (p_j / (1 − p_y)) · exp(r − s).
  const others = tf.add(cotangents.r ?? zero, tf.mul(forS, tf.exp(tf.sub(r, s))));
  let atTarget = tf.add(cotangents.t ?? zero, tf.mul(forS, tf.exp(tf.sub(t, s))));
  let gradient: tf.Tensor2D = tf.tidy(() => {
    const logits = withoutTarget(withoutInvalidRows(input.logits, input.valid), target);
    const relative = tf.sub(tf.sub(logits, m.expandDims(1)), finiteOrZero(r).expandDims(1));
    return tf.mul(tf.exp(relative), others.expandDims(1));
  });
  dots.forEach((table, k) => {
    const g = cotangents.dots[k];
    if (g === null) return;
    const before = gradient;
    gradient = tf.tidy(() => tf.add(before, table === null ? g.expandDims(1) : tf.outerProduct(g, table.tensor)));
    before.dispose();
    atTarget = tf.add(atTarget, table === null ? g : tf.mul(g, tf.gather(table.tensor, labels)));
  });
  return scatterUpdate(gradient, target, atTarget);
}

const copyingBackends = new Set(["wasm", "webgl", "webgpu"]);

/** tensorScatterUpdate that leaves `x` as it was: tensorflow.js 4.22 on cpu writes the updates into its input. */
function scatterUpdate(x: tf.Tensor2D, positions: tf.Tensor2D, updates: tf.Tensor): tf.Tensor2D {
  const input = copyingBackends.has(tf.getBackend()) ? x : tf.mul(x, 1);
  return tf.tensorScatterUpdate(input, positions, updates) as tf.Tensor2D;
}

/** [N, 2]: the position of each row's target. */
function indices(labels: tf.Tensor1D): tf.Tensor2D {
  return tf.stack([tf.range(0, labels.size, 1, "int32"), labels], 1) as tf.Tensor2D;
}

function withoutTarget(logits: tf.Tensor2D, target: tf.Tensor2D): tf.Tensor2D {
  return scatterUpdate(logits, target, tf.fill([target.shape[0]], Number.NEGATIVE_INFINITY));
}

/** Replaces rows that are not valid by zeros, so that nothing that they hold reaches a result. */
function withoutInvalidRows(logits: tf.Tensor2D, valid: ValidRows | null): tf.Tensor2D {
  if (valid === null) return logits;
  if (valid.invalid === null) return tf.where(valid.tensor.expandDims(1), logits, tf.zerosLike(logits)) as tf.Tensor2D;
  const rows = tf.tensor2d(valid.invalid, [valid.invalid.length, 1], "int32");
  return scatterUpdate(logits, rows, tf.zeros([valid.invalid.length, logits.shape[1]]));
}

/** Replaces −∞ by 0: the logsumexp of nothing, subtracted from −∞, would be NaN. */
function finiteOrZero(x: tf.Tensor): tf.Tensor1D {
  return tf.where(tf.equal(x, Number.NEGATIVE_INFINITY), tf.zerosLike(x), x) as tf.Tensor1D;
}

/** log(exp(a) + exp(b)), exact where one is far below the other or −∞. */
function logAddExp(a: tf.Tensor1D, b: tf.Tensor1D): tf.Tensor1D {
  const low = tf.minimum(a, b);
  const high = tf.maximum(a, b);
  return tf.add(high, log1p(tf.exp(tf.sub(low, finiteOrZero(high))))) as tf.Tensor1D;
}
