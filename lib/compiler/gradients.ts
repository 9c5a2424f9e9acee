/** The backward pass: from the gradient of each term's rows to the gradients of logits, parameters and soft labels. */
import * as tf from "@tensorflow/tfjs";
import { chooseKernel } from "../kernels/choose.ts";
import { withoutInvalidRows } from "../kernels/portable.ts";
import type { RowCotangents } from "../kernels/rowStatistics.ts";
import { rowSums, total } from "../kernels/sums.ts";
import { throughView } from "../kernels/views.ts";
import { differentiate } from "../loss/differentiate.ts";
import { type Expression, interpreter } from "../loss/expression.ts";
import type { ClassAtom } from "../loss/loss.ts";
import type { Rows } from "./batch.ts";
import { classwiseGradient, logitsAtomsOf, logitsAtomValue } from "./classwise.ts";
import { lowerRowAtom } from "./lower.ts";
import { keyOf, type Narrow } from "./narrow.ts";
import type { Plan, Slopes } from "./plan.ts";
import { classwiseContext, dotsOf, lookUp, ofKind, type State, scaleOf, wideInput } from "./state.ts";
import { type RowValues, tensorAlgebra } from "./tensorAlgebra.ts";
import { aggregateRows, type Meaning, narrowMeaning, selectRows, weighRows } from "./values.ts";

/** The gradient that reaches each term's rows: a scalar or [N] a term. */
export type TermGradients = readonly tf.Tensor[];

/** ∂loss/∂logits, [N, V]. */
export function logitsGradient(plan: Plan, state: State, g: TermGradients): tf.Tensor2D {
  return throughViews(plan, state, g, ofModel(plan));
}

/** The keys of the views of the model's own logits. */
function ofModel(plan: Plan): readonly string[] {
  return [...plan.views].flatMap(([key, view]) => (view.of === "logits" ? [key] : []));
}

/** The part of ∂loss/∂logits that comes through some of the views, [N, V]. */
function throughViews(plan: Plan, state: State, g: TermGradients, keys: readonly string[]): tf.Tensor2D {
  if (state.rows.count === 0) return tf.zerosLike(state.logits);
  const meaning = narrowMeaning(plan, state);
  const cotangent = (key: string): tf.Tensor1D | null => cotangentOf(plan, state, meaning, g, key);
  const cotangents = [...plan.views].map(([key, view]): RowCotangents | null => {
    if (!keys.includes(key)) return null;
    const of = (kind: "s" | "n" | "t" | "r" | "e"): tf.Tensor1D | null => cotangent(keyOf({ kind, view }));
    const dots = dotsOf(plan, key).map((dot) => cotangent(keyOf(dot)));
    const all = { s: of("s"), n: of("n"), t: of("t"), r: of("r"), e: of("e"), dots };
    return [...Object.values(all).flat()].every((x) => x === null) ? null : all;
  });
  const input = wideInput(plan, state, state.logits);
  const statistics = [...plan.views.keys()].map((key) => lookUp(state.statistics, key));
  const wide = chooseKernel(input.views, state.rows.classes).kernel.backward(input, statistics, cotangents);
  const classwise = classwiseParts(plan, state, keys, cotangent);
  return classwise.length === 0 ? wide : withoutInvalidRows(tf.addN([wide, ...classwise]), state.rows.read);
}

function classwiseParts(
  plan: Plan,
  state: State,
  keys: readonly string[],
  cotangent: (key: string) => tf.Tensor1D | null,
): readonly tf.Tensor2D[] {
  return [...ofKind(plan, "classwise")].flatMap(([key, { body, weighting }]) => {
    const rowG = cotangent(key);
    if (rowG === null) return [];
    return logitsAtomsOf(body).flatMap((a) => {
      const view = keyOf(a.view);
      if (!keys.includes(view)) return [];
      const viewed = classwiseGradient(body, a, rowG, classwiseContext(state, weighting));
      return [throughView(lookUp(state.views, view), state.logits, viewed)];
    });
  });
}

/** A part of a derivative: what reaches the rows, and the narrow expression that it is multiplied by. */
interface Contribution {
  readonly g: tf.Tensor;
  readonly slope: Narrow;
  /** Whether the row's sample weight is in `g` already. */
  readonly weighed: boolean;
}

/** The parts of ∂loss/∂x for what `pick` finds in slopes: in each term's value, and in the bodies of aggregates. */
function contributions(
  plan: Plan,
  state: State,
  meaning: Meaning,
  g: TermGradients,
  pick: (slopes: Slopes) => Narrow | undefined,
): readonly Contribution[] {
  const visit = (slopes: Slopes, rowG: tf.Tensor, weighed: boolean): readonly Contribution[] => {
    const own = pick(slopes);
    return [
      ...(own === undefined ? [] : [{ g: rowG, slope: own, weighed }]),
      ...slopes.aggregates.flatMap(({ aggregate, slope, body }) => {
        const h = contributed({ g: rowG, slope, weighed }, meaning, state.rows);
        return visit(body, aggregateRows(aggregate.over, h, state.rows), true);
      }),
    ];
  };
  return plan.terms.flatMap(({ slopes }, i) => visit(slopes, g[i], false));
}

/** A contribution to each row, [N]; 0 in rows that are not valid. */
function contributed({ g, slope, weighed }: Contribution, meaning: Meaning, rows: Rows): tf.Tensor1D {
  const product = tf.mul(g, meaning(slope)) as tf.Tensor1D;
  return weighed ? selectRows(product, rows) : weighRows(product, rows);
}

/** ∂loss/∂statistic for each row, [N]; null where it is 0. */
function cotangentOf(plan: Plan, state: State, meaning: Meaning, g: TermGradients, key: string): tf.Tensor1D | null {
  const parts = contributions(plan, state, meaning, g, ({ statistics }) => statistics.get(key));
  return parts.length === 0 ? null : tf.addN(parts.map((part) => contributed(part, meaning, state.rows)));
}

/** ∂loss/∂parameter, a scalar: directly, and through the scales of views. */
export function parameterGradient(plan: Plan, state: State, g: TermGradients, name: string): tf.Scalar {
  if (state.rows.count === 0) return tf.scalar(0);
  const meaning = narrowMeaning(plan, state);
  const direct = contributions(plan, state, meaning, g, ({ parameters }) => parameters.get(name)).map((part) =>
    total(contributed(part, meaning, state.rows)),
  );
  const throughScales = [...plan.views].flatMap(([key, view]) => {
    const slope = differentiate(view.scale, (a) => a.kind === "parameter" && a.name === name);
    if ((slope.kind === "constant" && slope.value === 0) || view.of === "teacher") return [];
    const { rows, logits, parameters } = state;
    const gradient = tf.div(throughViews(plan, state, g, [key]), lookUp(state.views, key).scale);
    const finite = withoutInvalidRows(logits, rows.read);
    // −∞ · 0 is 0: a class without probability does not move the scale.
    const product = tf.where(tf.equal(gradient, 0), tf.zerosLike(gradient), tf.mul(gradient, finite));
    return [tf.mul(total(rowSums(product)), scaleOf(slope, rows.step, parameters))];
  });
  const parts = [...direct, ...throughScales] as tf.Scalar[];
  return parts.length === 0 ? tf.scalar(0) : tf.addN(parts);
}

/**
 * ∂loss/∂q for soft labels q, [N, V]: Σ_t g_t value_tc − h_t weight_tc, where h_t is the gradient that reaches the term's
 * denominator.
 */
export function labelsGradient(plan: Plan, state: State, g: TermGradients, h: TermGradients): tf.Tensor2D {
  const { rows } = state;
  if (rows.count === 0) return tf.zerosLike(state.logits);
  const meaning = narrowMeaning(plan, state);
  const values = classValuesOf(state, meaning);
  const each = (rowG: tf.Tensor1D, e: Expression<ClassAtom>): tf.Tensor2D =>
    tf.mul(tf.mul(rowG.expandDims(1), values(e)), tf.ones([rows.count, rows.classes])) as tf.Tensor2D;
  const weighed = (gradient: tf.Tensor): tf.Tensor1D =>
    weighRows(tf.mul(gradient, tf.ones([rows.count])) as tf.Tensor1D, rows);
  const throughAggregates = (slopes: Slopes, part: Omit<Contribution, "slope">): readonly tf.Tensor2D[] =>
    slopes.aggregates.flatMap(({ aggregate, slope, body }) => {
      const reached = aggregateRows(aggregate.over, contributed({ ...part, slope }, meaning, rows), rows);
      const own = each(selectRows(reached, rows), aggregate.classes);
      return [own, ...throughAggregates(body, { g: reached, weighed: true })];
    });
  const parts = plan.terms.flatMap(({ by, classes, slopes }, i) => {
    if (by !== "targets") return [];
    const own = tf.tidy(() => tf.sub(each(weighed(g[i]), classes.value), each(weighed(h[i]), classes.weight)));
    return [own as tf.Tensor2D, ...throughAggregates(slopes, { g: g[i], weighed: false })];
  });
  return parts.length === 0 ? tf.zerosLike(state.logits) : withoutInvalidRows(tf.addN(parts), rows.valid);
}

/** ∂loss/∂sampleWeight, [N]: Σ_t g_t value_t − h_t weight_t. */
export function sampleWeightGradient(plan: Plan, state: State, g: TermGradients, h: TermGradients): tf.Tensor1D {
  const meaning = narrowMeaning(plan, state);
  const parts = plan.terms.map(
    (term, i) => tf.sub(tf.mul(g[i], meaning(term.value)), tf.mul(h[i], meaning(term.weight))) as tf.Tensor1D,
  );
  return parts.length === 0 ? tf.zeros([state.rows.count]) : selectRows(tf.addN(parts), state.rows);
}

/** Per-class expressions over rows and classes: a number, or a tensor that broadcasts to [N, V]. */
function classValuesOf(state: State, meaning: Meaning): (e: Expression<ClassAtom>) => tf.Tensor | number {
  const context = classwiseContext(state, "targets");
  return interpreter(
    tensorAlgebra((a: ClassAtom): RowValues => {
      if (a.kind === "nll" || a.kind === "logOdds") return logitsAtomValue(a, context) as tf.Tensor as tf.Tensor1D;
      if (a.kind === "weight" || a.kind === "step" || a.kind === "vocabularySize")
        return context.constantOf(a) as RowValues;
      return meaning(lowerRowAtom(a, "targets")).expandDims(1) as tf.Tensor as tf.Tensor1D;
    }),
  );
}
