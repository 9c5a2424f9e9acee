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
import { rowSums } from "./sums.ts";

export const portableRowStatistics: RowStatisticsKernel = {
  name: "portable",
  forward,
  backward: (input, statistics, cotangents) => tf.tidy(() => backward(input, statistics, cotangents)),
};

// --------------------------------------------------------------------------------------------------------- forward

function forward(input: WideInput): RowStatistics {
  const logits = withoutInvalidRows(input.logits, input.valid);
  const { m, s, t, r } = input.labels === null ? normaliser(logits) : normaliserAndTarget(logits, input.labels);
  const { targets } = input;
  return {
    m,
    s,
    t,
    r,
    e: input.entropy ? expectation(logits, m, s) : null,
    dots: input.dots.map((table) => dot(logits, m, table)),
    targetDots: targets === null ? [] : input.targetDots.map((table) => targetDot(logits, m, targets, table)),
  };
}

type Normaliser = Pick<RowStatistics, "m" | "s" | "t" | "r">;

function normaliser(logits: tf.Tensor2D): Normaliser {
  // With the largest entry as the target, s keeps its digits where it is near 0.
  const { m, s } = normaliserAndTarget(logits, tf.argMax(logits, 1) as tf.Tensor1D);
  return { m, s, t: null, r: null };
}

function normaliserAndTarget(logits: tf.Tensor2D, labels: tf.Tensor1D): Normaliser {
  const target = positions(labels);
  const targetLogit = tf.gatherND(logits, target) as tf.Tensor1D;
  const [highestOther, logOthers] = tf.tidy(() => {
    const others = withoutTarget(logits, target);
    const highest = finiteOrZero(tf.max(others, 1));
    return [highest, tf.log(rowSums(tf.exp(tf.sub(others, highest.expandDims(1)))))];
  });
  const m = tf.maximum(highestOther, targetLogit) as tf.Tensor1D;
  const t = tf.sub(targetLogit, m) as tf.Tensor1D;
  const r = tf.add(tf.sub(highestOther, m), logOthers) as tf.Tensor1D;
  return { m, s: logAddExp(r, t), t, r };
}

function expectation(logits: tf.Tensor2D, m: tf.Tensor1D, s: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => {
    const relative = tf.sub(logits, m.expandDims(1));
    const p = tf.exp(tf.sub(relative, s.expandDims(1)));
    return rowSums(tf.mul(p, aboveInfinity(relative)));
  });
}

function dot(logits: tf.Tensor2D, m: tf.Tensor1D, table: DotTable | null): tf.Tensor1D {
  return tf.tidy(() => {
    const support = table?.support ?? null;
    // tensorflow.js 4.22 on wasm leaves the sum over no column unwritten.
    if (support?.length === 0) return tf.zerosLike(m);
    const columns = support === null ? logits : tf.gather(logits, tf.tensor1d(support, "int32"), 1);
    const relative = tf.sub(columns, m.expandDims(1));
    if (table === null) return rowSums(relative);
    const weights = support === null ? table.tensor : tf.gather(table.tensor, tf.tensor1d(support, "int32"));
    return rowSums(tf.mul(relative, weights));
  });
}

function targetDot(logits: tf.Tensor2D, m: tf.Tensor1D, targets: tf.Tensor2D, table: DotTable | null): tf.Tensor1D {
  return tf.tidy(() => {
    const relative = aboveInfinity(tf.sub(logits, m.expandDims(1)));
    const sum = rowSums(tf.mul(relative, weighed(targets, table)));
    // A target with mass on a logit of −∞ leaves a sum that no finite logit can.
    return tf.where(tf.less(sum, -1e25), tf.fill(sum.shape, Number.NEGATIVE_INFINITY), sum) as tf.Tensor1D;
  });
}

// -------------------------------------------------------------------------------------------------------- backward

function backward(input: WideInput, statistics: RowStatistics, cotangents: RowCotangents): tf.Tensor2D {
  const logits = withoutInvalidRows(input.logits, input.valid);
  const parts: tf.Tensor2D[] = [];
  if (input.labels === null) {
    if (cotangents.s !== null) parts.push(softmaxGradient(logits, statistics, cotangents.s));
  } else {
    parts.push(targetGradient(logits, input.labels, statistics, cotangents));
  }
  if (cotangents.e !== null) parts.push(expectationGradient(logits, statistics, cotangents.e));
  input.dots.forEach((table, k) => {
    const g = cotangents.dots[k];
    if (g !== null) parts.push(table === null ? g.expandDims(1) : tf.outerProduct(g, table.tensor));
  });
  input.targetDots.forEach((table, k) => {
    const g = cotangents.targetDots[k];
    if (g !== null && input.targets !== null) parts.push(tf.mul(g.expandDims(1), weighed(input.targets, table)));
  });
  return parts.length === 0 ? tf.zerosLike(logits) : broadcastTo(parts.reduce(addAndDispose), logits.shape);
}

/** The sum of two tensors that are not needed any more. */
function addAndDispose(a: tf.Tensor2D, b: tf.Tensor2D): tf.Tensor2D {
  const sum = tf.add(a, b) as tf.Tensor2D;
  tf.dispose([a, b]);
  return sum;
}

function broadcastTo(x: tf.Tensor2D, shape: [number, number]): tf.Tensor2D {
  return x.shape[1] === shape[1] ? x : tf.tile(x, [1, shape[1]]);
}

/** g_s p_j. */
function softmaxGradient(logits: tf.Tensor2D, { m, s }: RowStatistics, g: tf.Tensor1D): tf.Tensor2D {
  return tf.tidy(() => tf.mul(tf.exp(tf.sub(tf.sub(logits, m.expandDims(1)), s.expandDims(1))), g.expandDims(1)));
}

/** The gradient through s, t and r, which share their exponentials. */
function targetGradient(
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  statistics: RowStatistics,
  cotangents: RowCotangents,
): tf.Tensor2D {
  const { m, s } = statistics;
  const r = statistics.r as tf.Tensor1D;
  const t = statistics.t as tf.Tensor1D;
  return tf.tidy(() => {
    const target = positions(labels);
    const zero = tf.zerosLike(m);
    const forS = cotangents.s ?? zero;
    // ∂s/∂z_j = p_j and ∂r/∂z_j = p_j / (1 − p_y) for j ≠ y, and p_j = (p_j / (1 − p_y)) · exp(r − s).
    const others = tf.add(cotangents.r ?? zero, tf.mul(forS, tf.exp(tf.sub(r, s))));
    const atTarget = tf.add(cotangents.t ?? zero, tf.mul(forS, tf.exp(tf.sub(t, s))));
    const gradient: tf.Tensor2D = tf.tidy(() => {
      const relative = tf.sub(tf.sub(withoutTarget(logits, target), m.expandDims(1)), finiteOrZero(r).expandDims(1));
      return tf.mul(tf.exp(relative), others.expandDims(1));
    });
    return scatterUpdate(gradient, target, atTarget);
  });
}

/** g_e p_j (1 + (z_j − m) − e). */
function expectationGradient(logits: tf.Tensor2D, { m, s, e }: RowStatistics, g: tf.Tensor1D): tf.Tensor2D {
  return tf.tidy(() => {
    const relative = tf.sub(logits, m.expandDims(1));
    const p = tf.exp(tf.sub(relative, s.expandDims(1)));
    const factor = tf.add(aboveInfinity(relative), tf.sub(1, e as tf.Tensor1D).expandDims(1));
    return tf.mul(tf.mul(p, factor), g.expandDims(1));
  });
}

// ----------------------------------------------------------------------------------------------------------- parts

const copyingBackends = new Set(["wasm", "webgl", "webgpu"]);

/** tensorScatterUpdate that leaves `x` as it was: tensorflow.js 4.22 on cpu writes the updates into its input. */
function scatterUpdate(x: tf.Tensor2D, at: tf.Tensor2D, updates: tf.Tensor): tf.Tensor2D {
  const input = copyingBackends.has(tf.getBackend()) ? x : tf.mul(x, 1);
  return tf.tensorScatterUpdate(input, at, updates) as tf.Tensor2D;
}

/** [N, 2]: the position of each row's target. */
function positions(labels: tf.Tensor1D): tf.Tensor2D {
  return tf.stack([tf.range(0, labels.size, 1, "int32"), labels], 1) as tf.Tensor2D;
}

function withoutTarget(logits: tf.Tensor2D, target: tf.Tensor2D): tf.Tensor2D {
  return scatterUpdate(logits, target, tf.fill([target.shape[0]], Number.NEGATIVE_INFINITY));
}

/** Replaces rows that are not valid by zeros, so that nothing that they hold reaches a result. */
export function withoutInvalidRows(x: tf.Tensor2D, valid: ValidRows | null): tf.Tensor2D {
  if (valid === null) return x;
  if (valid.invalid === null) return tf.where(valid.tensor.expandDims(1), x, tf.zerosLike(x)) as tf.Tensor2D;
  const rows = tf.tensor2d(valid.invalid, [valid.invalid.length, 1], "int32");
  return scatterUpdate(x, rows, tf.zeros([valid.invalid.length, x.shape[1]]));
}

function weighed(targets: tf.Tensor2D, table: DotTable | null): tf.Tensor2D {
  return table === null ? targets : tf.mul(targets, table.tensor);
}

/** Replaces −∞ by float32's lowest number, whose product with 0 is 0. */
function aboveInfinity(x: tf.Tensor): tf.Tensor {
  return tf.maximum(x, -3.4e38);
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
