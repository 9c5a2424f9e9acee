/** The backward pass: from the gradient of each term's rows to the gradients of logits, parameters and soft labels. */
import * as tf from "@tensorflow/tfjs";
import { chooseKernel } from "../kernels/choose.ts";
import { type Column, type RowNumbers, tensorOf } from "../kernels/column.ts";
import { withoutInvalidRows } from "../kernels/portable.ts";
import type { InPlace, RowCotangents, RowStatistics, RowStatisticsKernel } from "../kernels/rowStatistics.ts";
import { rowSums, sumOf, sumOfScalars, total } from "../kernels/sums.ts";
import type { ClassSums } from "../kernels/throughSoftmax.ts";
import { throughView } from "../kernels/views.ts";
import type { Candidates } from "../loss/candidates.ts";
import { differentiate } from "../loss/differentiate.ts";
import { type Expression, interpreter, isConstant } from "../loss/expression.ts";
import type { ClassAtom, LogitsAtom } from "../loss/loss.ts";
import type { View } from "../loss/view.ts";
import { candidateGradient } from "./candidates.ts";
import { type ClasswiseContext, classwiseGradient, logitsAtomsOf, logitsAtomValue } from "./classwise.ts";
import { type ColumnState, columnTotal, columnValues, withCotangents } from "./columnRunner.ts";
import type { RunExpression } from "./columns.ts";
import { lowerRowAtom } from "./lower.ts";
import { keyOf, listOf, type Weighting } from "./narrow.ts";
import { type Plan, slopeForNll } from "./plan.ts";
import {
  candidateReading,
  classwiseContext,
  dotsOf,
  lookUp,
  ofKind,
  type State,
  scaleOf,
  viewedRows,
  wideInput,
} from "./state.ts";
import { type RowValues, tensorAlgebra } from "./tensorAlgebra.ts";
import { type NarrowRunner, narrowRunner, type Reached } from "./values.ts";
import { wholeRowGradient } from "./wholeRow.ts";

/** ∂loss/∂logits, [N, V], or ∂loss/∂predictions, [N, D]. */
export function inputGradient(plan: Plan, state: State, reached: Reached): tf.Tensor2D {
  if (plan.targets === "values") return valuesGradient(plan, state, reached, plan.columns.predictions);
  return throughViews(plan, state, reached, ofModel(plan));
}

/** ∂loss/∂targets of a loss over values, [N, D]. */
export function targetsGradient(plan: Plan, state: State, reached: Reached): tf.Tensor2D {
  return valuesGradient(plan, state, reached, plan.columns.targets);
}

function valuesGradient(plan: Plan, state: State, reached: Reached, e: RunExpression): tf.Tensor2D {
  return state.rows.count === 0 ? tf.zerosLike(state.logits) : columnValues(e, reachedColumns(plan, state, reached));
}

/** The columns of a batch with what reaches the numbers over them. */
function reachedColumns(plan: Plan, state: State, reached: Reached): ColumnState {
  const { rows, logits, parameters, columns } = state;
  const direct = byStatistic(plan, narrowRunner(plan, state, reached).rows(plan.cotangents.expressions));
  return withCotangents(plan.columns, { rows, predictions: logits, parameters, numbers: columns }, direct);
}

/** The keys of the views of the model's own logits. */
export function ofModel(plan: Plan): readonly string[] {
  return [...plan.views].flatMap(([key, view]) => (view.of === "logits" ? [key] : []));
}

/** The part of ∂loss/∂logits that comes through some of the views, [N, V]. */
function throughViews(plan: Plan, state: State, reached: Reached, keys: readonly string[]): tf.Tensor2D {
  if (state.rows.count === 0) return tf.zerosLike(state.logits);
  return wideGradient(plan, state, keys, reachedStatistics(plan, state, reached));
}

/** ∂loss/∂statistic in each row, by the statistic's key. */
export interface ReachedStatistics {
  readonly byKey: ReadonlyMap<string, RowNumbers>;
  /** Whether the numbers are rows of one tensor, and the kernel reads them there. */
  readonly inPlace: boolean;
}

export function reachedStatistics(plan: Plan, state: State, reached: Reached): ReachedStatistics {
  const runner = narrowRunner(plan, state, reached);
  const { expressions } = plan.cotangents;
  const inPlace = readsInPlace(plan, state) && runner.columns !== null;
  const columns = inPlace ? runner.columns?.(expressions) : undefined;
  return { byKey: byStatistic<RowNumbers>(plan, columns ?? runner.rows(expressions)), inPlace };
}

/** The same from the rows of a tensor [statistics, N]. */
export function reachedByRows(plan: Plan, state: State, within: tf.Tensor2D): ReachedStatistics {
  const inPlace = readsInPlace(plan, state);
  const columns = plan.cotangents.statistics.map((_, index): Column => ({ within, as: "row", index }));
  return { byKey: byStatistic<RowNumbers>(plan, inPlace ? columns : columns.map(tensorOf)), inPlace };
}

/** Whether the kernel takes numbers where they lie. */
function readsInPlace(plan: Plan, state: State): boolean {
  const { kernel } = chooseKernel(wideInput(plan, state, state.logits).views, state.rows.classes);
  return kernel.inPlace !== undefined;
}

/** The part of ∂loss/∂logits through some of the views, [N, V], given what reaches the statistics. */
export function wideGradient(
  plan: Plan,
  state: State,
  keys: readonly string[],
  { byKey, inPlace }: ReachedStatistics,
): tf.Tensor2D {
  const input = wideInput(plan, state, state.logits);
  const statistics = [...plan.views.keys()].map((key) => lookUp(state.statistics, key));
  const { kernel } = chooseKernel(input.views, state.rows.classes);
  const cotangents = cotangentsOf(plan, keys, byKey);
  const backward = inPlace ? (kernel.inPlace as InPlace).backward : kernel.backward;
  const direct = (backward as InPlace["backward"])(
    input,
    statistics as RowStatistics<Column>[],
    cotangents as RowCotangents<Column>[],
  );
  const cotangent = (key: string): tf.Tensor1D | null => {
    const numbers = byKey.get(key);
    return numbers === undefined ? null : tensorOf(numbers);
  };
  const ofCandidates = candidateGradients(plan, state, keys, cotangent);
  const wide = addCandidates(direct, ofCandidates, state.candidates, kernel);
  const others = [...classwiseParts(plan, state, keys, cotangent), ...wholeRowParts(plan, state, keys, cotangent)];
  return others.length === 0 ? wide : withoutInvalidRows(sumOf([wide, ...others]), state.rows.read);
}

/** The cotangents by the key of what they are of. */
function byStatistic<Numbers>(plan: Plan, values: readonly Numbers[]): ReadonlyMap<string, Numbers> {
  return new Map(plan.cotangents.statistics.map((key, i) => [key, values[i]]));
}

/** What reaches each view, of some of the views. */
function cotangentsOf<Numbers extends RowNumbers>(
  plan: Plan,
  keys: readonly string[],
  known: ReadonlyMap<string, Numbers>,
): readonly (RowCotangents<Numbers> | null)[] {
  return [...plan.views].map(([key, view]) => {
    if (!keys.includes(key)) return null;
    const of = (kind: "s" | "n" | "t" | "r" | "e"): Numbers | null => known.get(keyOf({ kind, view })) ?? null;
    const dots = dotsOf(plan, key).map((dot) => known.get(keyOf(dot)) ?? null);
    const all = { s: of("s"), n: of("n"), t: of("t"), r: of("r"), e: of("e"), dots };
    return [...Object.values(all).flat()].every((x) => x === null) ? null : all;
  });
}

/** What reaches the logits of candidates beside what comes through s: as many numbers as there are ids, [N, K]. */
export interface CandidateGradient {
  readonly candidates: Candidates;
  readonly values: tf.Tensor2D;
}

/** Of the candidates in some of the views. */
export function candidateGradients(
  plan: Plan,
  state: State,
  keys: readonly string[],
  cotangent: (key: string) => tf.Tensor1D | null,
): readonly CandidateGradient[] {
  return [...ofKind(plan, "candidates")].flatMap(([key, statistic]) => {
    const { view, body, candidates } = statistic;
    const slope = slopeForNll(body);
    if (view === null || !keys.includes(keyOf(view)) || isConstant(slope, 0)) return [];
    const g = cotangent(key);
    return g === null ? [] : [{ candidates, values: candidateGradient(slope, g, candidateReading(state, statistic)) }];
  });
}

/** The gradient of logits with that of candidates added where these are in them. */
export function addCandidates(
  gradient: tf.Tensor2D,
  parts: readonly CandidateGradient[],
  ids: State["candidates"],
  { addAt }: RowStatisticsKernel,
): tf.Tensor2D {
  return parts.reduce((sum, { candidates, values }) => addAt(sum, lookUp(ids, candidates), values), gradient);
}

/** How the gradient of class-wise sums is made. */
export interface ClasswiseReading {
  readonly contextOf: (weighting: Weighting) => ClasswiseContext;
  /** What is summed over the classes of whole rows, for an atom of a sum, where those of the state are some of them. */
  readonly sumsOf?: (key: string, a: LogitsAtom) => ClassSums;
}

/** The parts of ∂loss/∂logits that come through class-wise sums in some of the views. */
export function classwiseParts(
  plan: Plan,
  state: State,
  keys: readonly string[],
  cotangent: (key: string) => tf.Tensor1D | null,
  { contextOf, sumsOf }: ClasswiseReading = { contextOf: (weighting) => classwiseContext(state, weighting) },
): readonly tf.Tensor2D[] {
  return [...ofKind(plan, "classwise")].flatMap(([key, { body, weighting }]) => {
    const rowG = cotangent(key);
    if (rowG === null) return [];
    return logitsAtomsOf(body).flatMap((a) => {
      const view = keyOf(a.view);
      if (!keys.includes(view)) return [];
      const viewed = classwiseGradient(body, a, rowG, contextOf(weighting), sumsOf?.(key, a));
      return [throughView(lookUp(state.views, view), state.logits, viewed)];
    });
  });
}

function wholeRowParts(
  plan: Plan,
  state: State,
  keys: readonly string[],
  cotangent: (key: string) => tf.Tensor1D | null,
): readonly tf.Tensor2D[] {
  return [...ofKind(plan, "wholeRow")].flatMap(([key, { of, view }]) => {
    const rowG = cotangent(key);
    if (rowG === null || !keys.includes(keyOf(view))) return [];
    const own = lookUp(state.wholeRows, key);
    const viewed = wholeRowGradient(of, viewedRows(state, view), own, state.rows.step, rowG);
    return [throughView(lookUp(state.views, keyOf(view)), state.logits, viewed)];
  });
}

/** ∂loss/∂parameter, a scalar: directly, through the scales of views, and through numbers over the columns of values. */
export function parameterGradient(plan: Plan, state: State, reached: Reached, name: string): tf.Scalar {
  if (state.rows.count === 0) return tf.scalar(0);
  const throughScale = (): tf.Scalar => {
    const statistics = reachedStatistics(plan, state, reached);
    return scaleGradient(plan, state, name, (keys) => wideGradient(plan, state, keys, statistics));
  };
  const throughScales = hasScale(plan, name) ? [throughScale()] : [];
  const ofColumns = plan.columns.parameters.get(name);
  const throughColumns = ofColumns === undefined ? [] : [columnTotal(ofColumns, reachedColumns(plan, state, reached))];
  return sumOfScalars([
    ...directGradient(plan, state, reached, name),
    ...throughScales,
    ...throughColumns,
  ] as tf.Scalar[]);
}

/** What of ∂loss/∂parameter does not come through the logits; nothing where that is 0. */
export function directGradient(plan: Plan, state: State, reached: Reached, name: string): readonly tf.Scalar[] {
  const own = plan.parameterCotangents.get(name);
  return own === undefined ? [] : [narrowRunner(plan, state, reached).totals(listOf(own)).squeeze() as tf.Scalar];
}

/** Whether a parameter is in the scale of a view of the model's logits. */
export function hasScale(plan: Plan, name: string): boolean {
  return slopesOf(plan, name).length > 0;
}

/** The part of ∂loss/∂logits that comes through some of the views. */
export type GradientOfViews = (keys: readonly string[]) => tf.Tensor2D;

/** What of ∂loss/∂parameter comes through the scales of views. */
export function scaleGradient(plan: Plan, state: State, name: string, gradientOf: GradientOfViews): tf.Scalar {
  const partOf = ({ key, slope }: ReturnType<typeof slopesOf>[number]): tf.Tensor => {
    const { rows, logits, parameters } = state;
    const gradient = tf.div(gradientOf([key]), lookUp(state.views, key).scale);
    const finite = withoutInvalidRows(logits, rows.read);
    // −∞ · 0 is 0: a class without probability does not move the scale.
    const product = tf.where(tf.equal(gradient, 0), tf.zerosLike(gradient), tf.mul(gradient, finite));
    return tf.mul(total(rowSums(product)), scaleOf(slope, rows.step, parameters));
  };
  const parts = slopesOf(plan, name).map((slope) => tf.tidy(() => partOf(slope) as tf.Scalar));
  return sumOfScalars(parts);
}

/** The derivative of the scale of each view of the model's logits that a parameter is in. */
function slopesOf(plan: Plan, name: string): readonly { readonly key: string; readonly slope: View["scale"] }[] {
  return [...plan.views].flatMap(([key, view]) => {
    const slope = differentiate(view.scale, (a) => a.kind === "parameter" && a.name === name);
    return isConstant(slope, 0) || view.of === "teacher" ? [] : [{ key, slope }];
  });
}

/** ∂loss/∂q for soft labels q, [N, V]. */
export function labelsGradient(plan: Plan, state: State, reached: Reached): tf.Tensor2D {
  const { rows } = state;
  if (rows.count === 0) return tf.zerosLike(state.logits);
  const runner = narrowRunner(plan, state, reached);
  const context = classwiseContext(state, "targets");
  const weights = runner.rows(plan.labelsParts.rows);
  const ones = tf.ones([rows.count, rows.classes]);
  const parts = plan.labelsParts.classes.map((classes, i) =>
    tf.tidy(() => {
      const values = classValuesOf(context, runner)(classes);
      return tf.mul(tf.mul(weights[i].expandDims(1), values), ones) as tf.Tensor2D;
    }),
  );
  return parts.length === 0 ? tf.zerosLike(state.logits) : withoutInvalidRows(sumOf(parts), rows.valid);
}

/** ∂loss/∂sampleWeight, [N]. */
export function sampleWeightGradient(plan: Plan, state: State, reached: Reached): tf.Tensor1D {
  return narrowRunner(plan, state, reached).rows(listOf(plan.sampleWeightCotangent))[0];
}

/** Per-class expressions over rows and classes: a number, or a tensor that broadcasts to [N, V]. */
function classValuesOf(
  context: ClasswiseContext,
  runner: NarrowRunner,
): (e: Expression<ClassAtom>) => tf.Tensor | number {
  return interpreter(
    tensorAlgebra((a: ClassAtom): RowValues => {
      if (a.kind === "nll" || a.kind === "logOdds") return logitsAtomValue(a, context) as tf.Tensor as tf.Tensor1D;
      if (a.kind === "weight" || a.kind === "step" || a.kind === "vocabularySize" || a.kind === "target")
        return context.constantOf(a) as RowValues;
      return runner.rows(listOf(lowerRowAtom(a, "targets")))[0].expandDims(1) as tf.Tensor as tf.Tensor1D;
    }),
  );
}
