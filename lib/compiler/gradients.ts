/** The backward pass: from the gradient of each term's rows to the gradients of logits, parameters and soft labels. */
import * as tf from "@tensorflow/tfjs";
import { portableRowStatistics, withoutInvalidRows } from "../kernels/portable.ts";
import type { RowCotangents } from "../kernels/rowStatistics.ts";
import { rowSums, total } from "../kernels/sums.ts";
import { differentiate } from "../loss/differentiate.ts";
import { type Expression, interpreter } from "../loss/expression.ts";
import type { ClassAtom } from "../loss/loss.ts";
import { classwiseGradient, logitsAtomsOf, logitsAtomValue } from "./classwise.ts";
import { lowerRowAtom } from "./lower.ts";
import { keyOf } from "./narrow.ts";
import type { Plan } from "./plan.ts";
import { classwiseContext, dotsOf, lookUp, ofKind, type State, wideInput } from "./state.ts";
import { type RowValues, tensorAlgebra } from "./tensorAlgebra.ts";
import { type Meaning, narrowMeaning, selectRows, weighRows } from "./values.ts";
import { applyView, scaleOf, throughCap } from "./views.ts";

/** The gradient that reaches each term's rows: a scalar or [N] a term. */
export type TermGradients = readonly tf.Tensor[];

/** ∂loss/∂logits, [N, V]. */
export function logitsGradient(plan: Plan, state: State, g: TermGradients): tf.Tensor2D {
  if (state.rows.count === 0) return tf.zerosLike(state.logits);
  const parts = [...plan.views.keys()].map((key) => {
    const view = lookUp(state.views, key);
    return tf.tidy(() => {
      const scaled = throughCap(view, state.logits, viewGradient(plan, state, key, g));
      return view.scale === 1 ? scaled : (tf.mul(scaled, view.scale) as tf.Tensor2D);
    });
  });
  const gradient = parts.length === 0 ? tf.zerosLike(state.logits) : parts.length === 1 ? parts[0] : tf.addN(parts);
  // A row that is not valid has no gradient, also where a view's slope there is NaN.
  return isPlainOnly(state) ? gradient : withoutInvalidRows(gradient, state.rows.read);
}

function isPlainOnly(state: State): boolean {
  return [...state.views.values()].every(({ scale, cap }) => scale === 1 && cap === null);
}

/** ∂loss/∂z' for the logits z' of a view, [N, V]. */
function viewGradient(plan: Plan, state: State, view: string, g: TermGradients): tf.Tensor2D {
  const meaning = narrowMeaning(plan, state);
  const cotangent = (key: string): tf.Tensor1D | null => cotangentOf(plan, state, meaning, g, key);
  const of = (kind: "s" | "t" | "r" | "e"): tf.Tensor1D | null =>
    cotangent(keyOf({ kind, view: lookUp(plan.views, view) }));
  const cotangents: RowCotangents = {
    s: of("s"),
    t: of("t"),
    r: of("r"),
    e: of("e"),
    dots: dotsOf(plan, view, "ones").map((dot) => cotangent(keyOf(dot))),
    targetDots: dotsOf(plan, view, "targets").map((dot) => cotangent(keyOf(dot))),
  };
  const input = wideInput(plan, state, view, applyView(lookUp(state.views, view), state.logits));
  const wide = portableRowStatistics.backward(input, lookUp(state.statistics, view), cotangents);
  const classwise = [...ofKind(plan, "classwise")].flatMap(([key, { body, weighting }]) => {
    const rowG = cotangent(key);
    const atoms = logitsAtomsOf(body).filter((a) => keyOf(a.view) === view);
    return rowG === null ? [] : atoms.map((a) => classwiseGradient(body, a, rowG, classwiseContext(state, weighting)));
  });
  return classwise.length === 0 ? wide : tf.addN([wide, ...classwise]);
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
  const throughViews = [...plan.views].flatMap(([key, view]) => {
    const slope = differentiate(view.scale, (a) => a.kind === "parameter" && a.name === name);
    if (slope.kind === "constant" && slope.value === 0) return [];
    const { rows, logits, parameters } = state;
    const finite = withoutInvalidRows(logits, rows.read);
    const gradient = throughCap(lookUp(state.views, key), finite, viewGradient(plan, state, key, g));
    // −∞ · 0 is 0: a class without probability does not move the scale.
    const product = tf.where(tf.equal(gradient, 0), tf.zerosLike(gradient), tf.mul(gradient, finite));
    return [tf.mul(total(rowSums(product)), scaleOf(slope, rows.step, parameters))];
  });
  const parts = [...direct, ...throughViews] as tf.Scalar[];
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
  const parts = plan.terms.map(({ classes }, i) =>
    tf.tidy(() => tf.sub(each(g[i], classes.value), each(h[i], classes.weight)) as tf.Tensor2D),
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
