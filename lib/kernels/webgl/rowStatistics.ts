/**
 * Row statistics in WebGL 2: rows are reduced in chunks, one fragment for each chunk of two rows, and the chunks are
 * folded; the gradient is written by one program. Nothing is read back.
 */
import * as tf from "@tensorflow/tfjs";
import { entriesAt } from "../portable.ts";
import {
  labelsOf,
  type RowCotangents,
  type RowStatistics,
  type RowStatisticsKernel,
  type ViewInput,
  type WideInput,
} from "../rowStatistics.ts";
import { addAt } from "./addAt.ts";
import { deviceRefusal, packed } from "./backend.ts";
import type { ViewGradient } from "./coefficients.ts";
import { gradientOf } from "./gradient.ts";
import { hasHighest } from "./highest.ts";
import { anchorOf, normaliserOf } from "./normaliser.ts";
import { maximum, statistic } from "./statistics.ts";
import { countOfSums, rowSumsOf } from "./sums.ts";
import { hasAnchor } from "./view.ts";
import type { KnownView } from "./weights.ts";

export const webglRowStatistics: RowStatisticsKernel = {
  name: "webgl",
  refusal: webglRefusal,
  addAt,
  entriesAt,
  reads: (views) => views.reduce((sum, view) => sum + readsOf(view), 0),
  forward: (input) => withPackedSources(input, forward),
  backward: (input, statistics, cotangents) =>
    withPackedSources(input, (own, sources) => backward(own, sources, statistics, cotangents)),
};

/** Why the kernel does not read such views, or does not run on this device; null if it does. */
function webglRefusal(views: readonly Pick<ViewInput, "of">[]): string | null {
  if (views.filter(({ of }) => of === "teacher").length > 1) return "it reads one view of a teacher's logits";
  return deviceRefusal();
}

/**
 * One pass for s, n, t, r and m; one for each pair of the other sums, of which a cross entropy has two; one for the
 * anchor of a view with a bias. The chunk of a row that holds its highest entry is read once more for a cross entropy.
 */
function readsOf(view: ViewInput): number {
  return 1 + Math.ceil(countOfSums(view) / 2) + (hasAnchor(view) ? 1 : 0);
}

type Sources = Readonly<Record<"logits" | "teacher", tf.Tensor2D | null>>;

/** Packs wide inputs once for all programs. */
function withPackedSources<T>(input: WideInput, body: (input: WideInput, sources: Sources) => T): T {
  const copies: tf.Tensor[] = [];
  const pack = (tensor: tf.Tensor2D | null): tf.Tensor2D | null => {
    if (tensor === null) return null;
    const result = packed(tensor);
    if (result !== tensor) copies.push(result);
    return result;
  };
  const sources = { logits: pack(input.logits), teacher: pack(input.teacher) };
  const result = body({ ...input, targets: pack(input.targets) }, sources);
  for (const copy of copies) copy.dispose();
  return result;
}

function forward(input: WideInput, sources: Sources): readonly RowStatistics[] {
  const known = input.views.map((view): KnownView => {
    const source = sources[view.of] as tf.Tensor2D;
    const anchor = anchorOf(view, source);
    return { source, anchor, state: normaliserOf(view, source, labelsOf(input, view), anchor) };
  });
  return input.views.map((view, index) => statisticsOf(input, view, index, known));
}

function statisticsOf(input: WideInput, view: ViewInput, index: number, known: readonly KnownView[]): RowStatistics {
  const { state, anchor } = known[index];
  const { wanted } = view;
  const valid = input.valid?.tensor ?? null;
  const of = (name: "s" | "n" | "t" | "r"): tf.Tensor1D | null =>
    wanted.has(name) ? statistic(name, view, state, valid) : null;
  const { e, dots, weights } = rowSumsOf(input, index, known);
  return {
    m: wanted.has("m") ? maximum(view, known[index], labelsOf(input, view), valid) : null,
    s: of("s"),
    n: of("n"),
    t: of("t"),
    r: of("r"),
    e,
    dots,
    state: [state, anchor, weights].filter((tensor) => tensor !== null),
  };
}

function backward(
  input: WideInput,
  sources: Sources,
  statistics: readonly RowStatistics[],
  cotangents: readonly (RowCotangents | null)[],
): tf.Tensor2D {
  const known = input.views.map((view, i): KnownView => {
    const [state, second] = statistics[i].state as readonly tf.Tensor2D[];
    return { source: sources[view.of] as tf.Tensor2D, state, anchor: hasAnchor(view) ? second : null };
  });
  const views = cotangents.flatMap((g, index): ViewGradient[] =>
    g === null || input.views[index].of === "teacher"
      ? []
      : [{ index, statistics: statistics[index], weights: weightsOf(input, statistics, index), cotangents: g }],
  );
  if (views.length === 0) return tf.zerosLike(sources.logits as tf.Tensor2D);
  return gradientOf(input, known, views);
}

/** The sums of the weights of a view's cross entropies. */
function weightsOf(input: WideInput, statistics: readonly RowStatistics[], index: number): tf.Tensor2D | null {
  const view = input.views[index];
  return hasHighest(view) ? (statistics[index].state[hasAnchor(view) ? 2 : 1] as tf.Tensor2D) : null;
}
