/**
 * Row statistics from tensorflow.js's own ops, for any backend. Only ops that every backend has are used, and none that
 * builds a one-hot. Runs inside a customGrad: nothing here is recorded on a tape.
 */
import * as tf from "@tensorflow/tfjs";
import { log1p } from "./log1p.ts";
import type {
  Dot,
  DotTable,
  RowCotangents,
  RowStatistics,
  RowStatisticsKernel,
  ValidRows,
  ViewInput,
  WeighedDot,
  WideInput,
} from "./rowStatistics.ts";
import { isOfLabel, labelsOf } from "./rowStatistics.ts";
import { rowSums } from "./sums.ts";
import { opsThroughNll, throughNll } from "./throughSoftmax.ts";
import { applyView, throughView, type WideView } from "./views.ts";

export const portableRowStatistics: RowStatisticsKernel = {
  name: "portable",
  refusal: () => null,
  reads: (views) => portablePasses(views).forward,
  forward,
  backward: (input, statistics, cotangents) => tf.tidy(() => backward(input, statistics, cotangents)),
  entriesAt,
  addAt: (gradient, ids, values) =>
    tf.tidy(() => {
      const places = pairsOf(ids);
      const known = tf.mul(values, tf.cast(tf.greaterEqual(ids, tf.scalar(0, "int32")), "float32"));
      return tf.add(gradient, tf.scatterND(places, known.flatten(), gradient.shape));
    }),
};

/** Entries of rows of any type; the first where an id is −1. */
export function entriesAt(x: tf.Tensor2D, ids: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => tf.gatherND(x, pairsOf(ids)).reshape(ids.shape) as tf.Tensor2D);
}

/** [N · K, 2]: row and id of each entry, 0 for an id of −1. */
function pairsOf(ids: tf.Tensor2D): tf.Tensor2D {
  const [rows, each] = ids.shape;
  const row = tf.tile(tf.range(0, rows, 1, "int32").expandDims(1), [1, each]);
  const id = tf.maximum(ids, tf.scalar(0, "int32"));
  return tf.stack([row.flatten(), id.flatten()], 1) as tf.Tensor2D;
}

/** How many ops over all entries the portable kernel runs for these views, where every row is valid. */
export function portablePasses(views: readonly ViewInput[]): { readonly forward: number; readonly backward: number } {
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, x) => total + x, 0);
  const forward = views.map((view) => {
    const dots = view.dots.map((dot) => {
      if (dot.weights === "ones") return dot.table === null ? 2 : 3;
      return weightPasses(dot, views) + (dot.times === "nothing" ? 1 : 5);
    });
    return viewPasses(view) + (isOfLabel(view) ? 5 : 6) + (view.wanted.has("e") ? 7 : 0) + sum(dots);
  });
  const backward = views.map((view) => {
    if (view.of === "teacher") return 0;
    const dots = view.dots.map((dot) => {
      if (dot.weights === "ones") return dot.table === null ? 1 : 2;
      return dot.times === "nothing" ? 0 : weightPasses(dot, views) + 1 + opsThroughNll();
    });
    const through = (view.scale === 1 ? 0 : 1) + (view.cap === null ? 0 : 6);
    return viewPasses(view) + (isOfLabel(view) ? 6 : 4) + (view.wanted.has("e") ? 9 : 0) + sum(dots) + through;
  });
  const added = views.filter(({ of }) => of === "logits").length > 1 ? 1 : 0;
  return { forward: sum(forward), backward: sum(backward) + added };
}

function viewPasses({ scale, cap, bias }: WideView): number {
  return scale === 1 && cap === null && bias === 0 ? 0 : 2 + (cap === null ? 0 : 3);
}

/** The ops that form w_j u_j. */
function weightPasses({ weights, table }: WeighedDot, views: readonly ViewInput[]): number {
  const softmax = typeof weights === "number" ? viewPasses(views[weights]) + 3 : 0;
  return softmax + (table === null ? 0 : 1);
}

// --------------------------------------------------------------------------------------------------------- forward

function forward(input: WideInput): readonly RowStatistics[] {
  const shown = input.views.map((view) => viewedLogits(input, view));
  const known = input.views.map((view, v): Normaliser => {
    const labels = labelsOf(input, view);
    return labels === null ? normaliser(shown[v]) : normaliserAndTarget(shown[v], labels);
  });
  return input.views.map((view, v) => {
    const logits = shown[v];
    const { m, s, t, r, others } = known[v];
    const { wanted } = view;
    return {
      m,
      s,
      t,
      r,
      n: wanted.has("n") && t !== null && r !== null ? softplus(tf.sub(r, t)) : null,
      e: wanted.has("e") ? entropy(logits, m, s) : null,
      dots: view.dots.map((dot) => tf.tidy(() => orNaN(dotOf(dot, input, known, logits, { m, s }), m))),
      state: others === null ? [] : [others.highest, others.logSum],
    };
  });
}

/** The logits that a view shows, with rows that are not valid replaced. */
function viewedLogits(input: WideInput, view: ViewInput): tf.Tensor2D {
  return withoutInvalidRows(applyView(view, sourceOf(input, view)), input.valid);
}

function sourceOf(input: WideInput, view: ViewInput): tf.Tensor2D {
  const source = input[view.of];
  if (source === null) throw new Error(`unreachable: a view of the ${view.of} without them`);
  return source;
}

interface LogSum {
  readonly m: tf.Tensor1D;
  readonly s: tf.Tensor1D;
}

type Normaliser = Pick<RowStatistics, "t" | "r"> &
  LogSum & {
    /** The highest of the entries beside the label's, and the logsumexp of these relative to it; null without labels. */
    readonly others: { readonly highest: tf.Tensor1D; readonly logSum: tf.Tensor1D } | null;
  };

function normaliser(logits: tf.Tensor2D): Normaliser {
  // With the largest entry as the target, s keeps its digits where it is near 0.
  const { m, s } = normaliserAndTarget(logits, tf.argMax(logits, 1) as tf.Tensor1D);
  return { m, s, t: null, r: null, others: null };
}

function normaliserAndTarget(logits: tf.Tensor2D, labels: tf.Tensor1D): Normaliser {
  const target = positions(labels);
  const targetLogit = tf.gatherND(logits, target) as tf.Tensor1D;
  const [highestOther, logOthers] = tf.tidy(() => {
    const others = withoutTarget(logits, target);
    const highest = tf.max(others, 1);
    // With no other, the target is the reference.
    const reference = tf.where(tf.equal(highest, Number.NEGATIVE_INFINITY), targetLogit, highest);
    return [reference, tf.log(rowSums(tf.exp(tf.sub(others, reference.expandDims(1)))))];
  });
  const m = tf.where(
    // A maximum may pass over NaN, a sum does not.
    tf.isNaN(tf.add(targetLogit, logOthers)),
    tf.fill(targetLogit.shape, Number.NaN),
    finiteOrNaN(tf.maximum(highestOther, targetLogit)),
  ) as tf.Tensor1D;
  const t = tf.sub(targetLogit, m) as tf.Tensor1D;
  const r = tf.add(tf.sub(highestOther, m), logOthers) as tf.Tensor1D;
  const others = { highest: highestOther as tf.Tensor1D, logSum: logOthers as tf.Tensor1D };
  return { m, s: logAddExp(r, t), t, r, others };
}

/** log(1 + exp(x)), exact where that is small. */
export function softplus(x: tf.Tensor): tf.Tensor1D {
  return tf.add(tf.relu(x), log1p(tf.exp(tf.neg(tf.abs(x))))) as tf.Tensor1D;
}

/** Σ_j p_j nll_j: nothing in it cancels. */
function entropy(logits: tf.Tensor2D, m: tf.Tensor1D, s: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => {
    const nll = nllOf(logits, { m, s });
    return rowSums(tf.mul(tf.exp(tf.neg(nll)), belowInfinity(nll)));
  });
}

function nllOf(logits: tf.Tensor2D, { m, s }: LogSum): tf.Tensor2D {
  return tf.sub(s.expandDims(1), tf.sub(logits, m.expandDims(1)));
}

function dotOf(
  dot: Dot,
  input: WideInput,
  known: readonly Normaliser[],
  logits: tf.Tensor2D,
  normaliser: LogSum,
): tf.Tensor1D {
  return tf.tidy(() => {
    if (dot.weights === "ones") return plainDot(logits, normaliser.m, dot.table);
    const entries = weighed(entryWeights(dot.weights, input, known), dot.table);
    if (dot.times === "nothing") return rowSums(entries);
    const sum = rowSums(tf.mul(belowInfinity(nllOf(logits, normaliser)), entries));
    // A weight on a logit of −∞ leaves a sum that no finite logit can.
    const isLost = tf.greater(tf.abs(sum), 1e25);
    return tf.where(isLost, tf.mul(tf.sign(sum), Number.POSITIVE_INFINITY), sum) as tf.Tensor1D;
  });
}

function plainDot(logits: tf.Tensor2D, m: tf.Tensor1D, table: DotTable | null): tf.Tensor1D {
  const support = table?.support ?? null;
  // tensorflow.js 4.22 on wasm leaves the sum over no column unwritten.
  if (support?.length === 0) return tf.zerosLike(m);
  const columns = support === null ? logits : tf.gather(logits, tf.tensor1d(support, "int32"), 1);
  const relative = tf.sub(columns, m.expandDims(1));
  if (table === null) return rowSums(relative);
  const weights = support === null ? table.tensor : tf.gather(table.tensor, tf.tensor1d(support, "int32"));
  return rowSums(tf.mul(relative, weights));
}

/** Soft targets, or the teacher's probabilities, [N, V]. */
function entryWeights(
  weights: "targets" | number,
  input: WideInput,
  known: readonly Pick<RowStatistics, "m" | "s">[],
): tf.Tensor2D {
  if (weights === "targets") return withoutInvalidRows(input.targets as tf.Tensor2D, input.valid);
  const { m, s } = known[weights] as Normaliser;
  const logits = viewedLogits(input, input.views[weights]);
  return tf.exp(tf.sub(tf.sub(logits, m.expandDims(1)), s.expandDims(1)));
}

// -------------------------------------------------------------------------------------------------------- backward

function backward(
  input: WideInput,
  statistics: readonly RowStatistics[],
  cotangents: readonly (RowCotangents | null)[],
): tf.Tensor2D {
  const parts = input.views.flatMap((view, i) => {
    const g = cotangents[i];
    return g === null ? [] : [tf.tidy(() => viewBackward(input, view, statistics, statistics[i], g))];
  });
  if (parts.length === 0) return tf.zerosLike(input.logits as tf.Tensor2D);
  const gradient = parts.length === 1 ? parts[0] : tf.addN(parts);
  const plain = input.views.every(({ scale, cap }) => scale === 1 && cap === null);
  // A row that is not valid has no gradient, also where a view's slope there is NaN.
  return plain ? gradient : withoutInvalidRows(gradient, input.valid);
}

function viewBackward(
  input: WideInput,
  view: ViewInput,
  all: readonly RowStatistics[],
  statistics: RowStatistics,
  cotangents: RowCotangents,
): tf.Tensor2D {
  const logits = viewedLogits(input, view);
  const parts: tf.Tensor2D[] = [];
  const labels = labelsOf(input, view);
  if (labels === null) {
    if (cotangents.s !== null) parts.push(softmaxGradient(logits, statistics, cotangents.s));
  } else {
    parts.push(targetGradient(logits, labels, statistics, cotangents));
  }
  if (cotangents.e !== null) parts.push(entropyGradient(logits, statistics, cotangents.e));
  view.dots.forEach(({ weights, table, times }, k) => {
    const g = cotangents.dots[k];
    if (g === null || times === "nothing") return;
    const column = g.expandDims<tf.Tensor2D>(1);
    if (weights === "ones") parts.push(table === null ? column : tf.outerProduct(g, table.tensor));
    else
      parts.push(
        tf.tidy(() => {
          const reached = tf.mul(column, weighed(entryWeights(weights, input, all), table)) as tf.Tensor2D;
          return throughNll(nllOf(logits, statistics as LogSum), reached);
        }),
      );
  });
  const sum = parts.length === 0 ? tf.zerosLike(logits) : broadcastTo(parts.reduce(addAndDispose), logits.shape);
  return throughView(view, sourceOf(input, view), sum);
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
function softmaxGradient(logits: tf.Tensor2D, statistics: RowStatistics, g: tf.Tensor1D): tf.Tensor2D {
  const { m, s } = statistics as LogSum;
  return tf.tidy(() => tf.mul(tf.exp(tf.sub(tf.sub(logits, m.expandDims(1)), s.expandDims(1))), g.expandDims(1)));
}

/** The gradient through s, n, t and r, which share their exponentials. */
function targetGradient(
  logits: tf.Tensor2D,
  labels: tf.Tensor1D,
  statistics: RowStatistics,
  cotangents: RowCotangents,
): tf.Tensor2D {
  const { m, s } = statistics as LogSum;
  const r = statistics.r as tf.Tensor1D;
  const t = statistics.t as tf.Tensor1D;
  const [highestOther, logOthers] = statistics.state;
  return tf.tidy(() => {
    const target = positions(labels);
    const zero = tf.zerosLike(m);
    const forS = cotangents.s ?? zero;
    const forN = cotangents.n ?? zero;
    // ∂s/∂z_j = ∂n/∂z_j = p_j and ∂r/∂z_j = p_j / (1 − p_y) for j ≠ y, and p_j = (p_j / (1 − p_y)) · exp(r − s).
    const complement = tf.exp(tf.sub(r, s));
    const others = tf.add(cotangents.r ?? zero, tf.mul(tf.add(forS, forN), complement));
    const own = tf.sub(tf.mul(forS, tf.exp(tf.sub(t, s))), tf.mul(forN, complement));
    const atTarget = tf.add(cotangents.t ?? zero, own);
    const gradient: tf.Tensor2D = tf.tidy(() => {
      const relative = tf.sub(
        tf.sub(withoutTarget(logits, target), highestOther.expandDims(1)),
        finiteOrZero(logOthers).expandDims(1),
      );
      return tf.mul(tf.exp(relative), others.expandDims(1));
    });
    return scatterUpdate(gradient, target, atTarget);
  });
}

/** g_e p_j (nll_j − e). */
function entropyGradient(logits: tf.Tensor2D, statistics: RowStatistics, g: tf.Tensor1D): tf.Tensor2D {
  return tf.tidy(() => {
    const nll = nllOf(logits, statistics as LogSum);
    const above = tf.sub(belowInfinity(nll), (statistics.e as tf.Tensor1D).expandDims(1));
    return tf.mul(tf.mul(tf.exp(tf.neg(nll)), above), g.expandDims(1));
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

/** w_j u_j. */
function weighed(weights: tf.Tensor2D, table: DotTable | null): tf.Tensor2D {
  return table === null ? weights : tf.mul(weights, table.tensor);
}

/** Replaces ∞ by float32's highest number, whose product with 0 is 0. */
function belowInfinity(x: tf.Tensor): tf.Tensor {
  return tf.minimum(x, 3.4e38);
}

/** Replaces −∞ by 0: the logsumexp of nothing, subtracted from −∞, would be NaN. */
function finiteOrZero(x: tf.Tensor): tf.Tensor1D {
  return tf.where(tf.equal(x, Number.NEGATIVE_INFINITY), tf.zerosLike(x), x) as tf.Tensor1D;
}

/** NaN in rows that have no statistics. */
function orNaN(x: tf.Tensor1D, m: tf.Tensor1D): tf.Tensor1D {
  return tf.where(tf.isNaN(m), m, x);
}

/** A row with ∞, or with no entry above −∞, has no statistics. */
function finiteOrNaN(x: tf.Tensor): tf.Tensor1D {
  return tf.where(tf.isFinite(x), x, tf.fill(x.shape, Number.NaN)) as tf.Tensor1D;
}

/** log(exp(a) + exp(b)), exact where one is far below the other or −∞. */
function logAddExp(a: tf.Tensor1D, b: tf.Tensor1D): tf.Tensor1D {
  const low = tf.minimum(a, b);
  const high = tf.maximum(a, b);
  return tf.add(high, log1p(tf.exp(tf.sub(low, finiteOrZero(high))))) as tf.Tensor1D;
}
