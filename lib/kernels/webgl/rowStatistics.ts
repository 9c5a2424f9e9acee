/**
 * Row statistics in WebGL 2: rows are reduced in chunks, one fragment for each chunk of two rows, and the chunks are
 * folded; the gradient is written by one program. Nothing is read back.
 */
import * as tf from "@tensorflow/tfjs";
import type { RowCotangents, RowStatistics, RowStatisticsKernel, ViewInput, WideInput } from "../rowStatistics.ts";
import { deviceRefusal, packed } from "./backend.ts";
import { gradientOf, type ViewGradient } from "./gradient.ts";
import { anchorOf, normaliserOf } from "./normaliser.ts";
import { maximum, statistic } from "./statistics.ts";
import { expectation, type RowSum, rowSumsOf } from "./sums.ts";
import type { KnownView } from "./weights.ts";

export const webglRowStatistics: RowStatisticsKernel = {
  name: "webgl",
  refusal: webglRefusal,
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

/** One pass for s, n, t, r and m; one for each pair of the other sums; one for the anchor of a view with a bias. */
function readsOf({ wanted, dots, bias }: ViewInput): number {
  const sums = dots.length + (wanted.has("e") ? 1 : 0);
  return 1 + Math.ceil(sums / 2) + (typeof bias === "number" ? 0 : 1);
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
    return { source, anchor, state: normaliserOf(view, source, input.labels, anchor) };
  });
  return input.views.map((view, index) => statisticsOf(input, view, index, known));
}

function statisticsOf(input: WideInput, view: ViewInput, index: number, known: readonly KnownView[]): RowStatistics {
  const { state, anchor } = known[index];
  const { wanted } = view;
  const valid = input.valid?.tensor ?? null;
  const of = (name: "s" | "n" | "t" | "r"): tf.Tensor1D | null =>
    wanted.has(name) ? statistic(name, state, valid) : null;
  const sums: readonly RowSum[] = wanted.has("e") ? [expectation, ...view.dots] : view.dots;
  const values = rowSumsOf(input, index, known, sums);
  return {
    m: wanted.has("m") ? maximum(view, known[index], input.labels, valid) : null,
    s: of("s"),
    n: of("n"),
    t: of("t"),
    r: of("r"),
    e: wanted.has("e") ? values[0] : null,
    dots: wanted.has("e") ? values.slice(1) : values,
    state: anchor === null ? [state] : [state, anchor],
  };
}

function backward(
  input: WideInput,
  sources: Sources,
  statistics: readonly RowStatistics[],
  cotangents: readonly (RowCotangents | null)[],
): tf.Tensor2D {
  const known = input.views.map((view, i): KnownView => {
    const [state, anchor] = statistics[i].state as readonly tf.Tensor2D[];
    return { source: sources[view.of] as tf.Tensor2D, state, anchor: anchor ?? null };
  });
  const views = cotangents.flatMap((g, index): ViewGradient[] =>
    g === null || input.views[index].of === "teacher" ? [] : [{ index, statistics: statistics[index], cotangents: g }],
  );
  if (views.length === 0) return tf.zerosLike(sources.logits as tf.Tensor2D);
  return gradientOf(input, known, views);
}
