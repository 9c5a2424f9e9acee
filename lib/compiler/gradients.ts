/** The backward pass: from the gradient of each term's rows to the gradients of logits, parameters and soft labels. */
import * as tf from "@tensorflow/tfjs";
import { portableRowStatistics, withoutInvalidRows } from "../kernels/portable.ts";
import type { RowCotangents } from "../kernels/rowStatistics.ts";
import { rowSums, total } from "../kernels/sums.ts";
import { throughView } from "../kernels/views.ts";
import { differentiate } from "../loss/differentiate.ts";
import { type Expression, interpreter } from "../loss/expression.ts";
import type { ClassAtom } from "../loss/loss.ts";
import { classwiseGradient, logitsAtomsOf, logitsAtomValue } from "./classwise.ts";
import { lowerRowAtom } from "./lower.ts";
import { keyOf } from "./narrow.ts";
import type { Plan } from "./plan.ts";
import { classwiseContext, dotsOf, lookUp, ofKind, type State, scaleOf, wideInput } from "./state.ts";
import { type RowValues, tensorAlgebra } from "./tensorAlgebra.ts";
import { type Meaning, narrowMeaning, selectRows, weighRows } from "./values.ts";

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
  const wide = portableRowStatistics.backward(input, statistics, cotangents);
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

/** ∂loss/∂statistic for each row, [N]; null where it is 0. */
function cotangentOf(plan: Plan, state: State, meaning: Meaning, g: TermGradients, key: string): tf.Tensor1D | null {
  const parts = plan.terms.flatMap((term, i) => {
    const derivative = term.derivatives.get(key);
    return derivative === undefined ? [] : [tf.mul(g[i], meaning(derivative)) as tf.Tensor1D];
  });
  return parts.length === 0 ? null : weighRows(tf.addN(parts), state.rows);
}

/** ∂loss/∂parameter, a scalar: directly, and through the scales of views. */
export function parameterGradient(plan: Plan, state: State, g: TermGradients, name: string): tf.Scalar {
  if (state.rows.count === 0) return tf.scalar(0);
  const meaning = narrowMeaning(plan, state);
  const direct = plan.terms.flatMap((term, i) => {
    const derivative = term.parameterDerivatives.get(name);
    return derivative === undefined
      ? []
      : [total(weighRows(tf.mul(g[i], meaning(derivative)) as tf.Tensor1D, state.rows))];
  });
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
  const each = (gradient: tf.Tensor, e: Expression<ClassAtom>): tf.Tensor2D => {
    const rowG = weighRows(tf.mul(gradient, tf.ones([rows.count])) as tf.Tensor1D, rows).expandDims(1);
    return tf.mul(tf.mul(rowG, values(e)), tf.ones([rows.count, rows.classes])) as tf.Tensor2D;
  };
  const parts = plan.terms.flatMap(({ classes, targets }, i) =>
    targets === "labels"
      ? [tf.tidy(() => tf.sub(each(g[i], classes.value), each(h[i], classes.weight)) as tf.Tensor2D)]
      : [],
  );
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
      return meaning(lowerRowAtom(a)).expandDims(1) as tf.Tensor as tf.Tensor1D;
    }),
  );
}
