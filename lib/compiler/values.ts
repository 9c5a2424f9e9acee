/** Narrow arithmetic: from the statistics of the rows to numerators, denominators and values. */
import * as tf from "@tensorflow/tfjs";
import { type Column, type RowNumbers, tensorOf } from "../kernels/column.ts";
import type { RowDevice, RowLanguage, RowProgram } from "../kernels/rowProgram.ts";
import { rowSums, total } from "../kernels/sums.ts";
import { webglRows } from "../kernels/webgl/rowProgram.ts";
import { interpreter } from "../loss/expression.ts";
import type { SharedAtom } from "../loss/loss.ts";
import { at, stepValue } from "../loss/schedule.ts";
import type { View } from "../loss/view.ts";
import type { Rows } from "./batch.ts";
import { hasCandidate } from "./candidates.ts";
import { isHostBackend } from "./entries.ts";
import { highestOf } from "./highest.ts";
import {
  keyOf,
  listOf,
  type Narrow,
  type NarrowAggregate,
  type NarrowAtom,
  type ReadView,
  type Statistic,
  type Table,
} from "./narrow.ts";
import type { Plan } from "./plan.ts";
import { positions, sequenceLength } from "./positions.ts";
import { type RowInput, type RowLoop, rowLoop, scalarValue } from "./rowLoop.ts";
import { rowDevice, rowProgram } from "./rowSource.ts";
import { dotsOf, lookUp, type State, sumOverCandidates } from "./state.ts";
import { type RowValues, tensorAlgebra } from "./tensorAlgebra.ts";

/** Evaluates narrow expressions on the rows of a batch. */
export interface NarrowRunner {
  /** Each expression's values, [N]. */
  readonly rows: (expressions: readonly Narrow[]) => readonly tf.Tensor1D[];
  /** Each expression's sum over the rows, [expressions]. */
  readonly totals: (expressions: readonly Narrow[]) => tf.Tensor1D;
  /** Each expression's values as rows of one tensor; null where the kernel of the backend does not read them there. */
  readonly columns: ((expressions: readonly Narrow[]) => readonly Column[]) | null;
}

/** The gradients that reach each term's numerator and denominator: one number or one for each row a term. */
export interface Reached {
  readonly numerators: readonly RowNumbers[];
  readonly denominators: readonly RowNumbers[];
}

const nothingReached: Reached = { numerators: [], denominators: [] };

export function narrowRunner(plan: Plan, state: State, reached: Reached = nothingReached): NarrowRunner {
  if (isHostBackend()) return loopRunner(plan, state, reached);
  const ops = opsRunner(plan, state, reached);
  const device = rowDevice(state.rows.classes);
  return device === null ? ops : programRunner(device, plan, state, reached, ops);
}

/** As one program for the expressions that are asked for together. */
function programRunner(device: RowDevice, plan: Plan, state: State, reached: Reached, ops: NarrowRunner): NarrowRunner {
  const { count } = state.rows;
  const programOf = (expressions: readonly Narrow[]): RowProgram | null =>
    count === 0 || expressions.length === 0
      ? null
      : rowProgram(expressions, (a) => atomValue(plan, state, reached, rows, a), device.language);
  const packed = (expressions: readonly Narrow[]): tf.Tensor2D | null => {
    const program = programOf(expressions);
    return program === null ? null : device.rows(program, count);
  };
  const columns = (expressions: readonly Narrow[]): readonly Column[] => {
    const within = packed(expressions) ?? (tf.stack([...ops.rows(expressions)]) as tf.Tensor2D);
    return expressions.map((_, index) => ({ within, as: "row", index }));
  };
  const rows: NarrowRunner["rows"] = (expressions) => {
    const values = packed(expressions);
    if (values === null) return ops.rows(expressions);
    return expressions.map((_, index) => tensorOf({ within: values, as: "row", index }));
  };
  const totals: NarrowRunner["totals"] = (expressions) => {
    const program = programOf(expressions);
    return program === null ? ops.totals(expressions) : device.totals(program, count);
  };
  // The kernel of webgl reads lists.
  return { rows, totals, columns: device === webglRows ? null : columns };
}

/** With ordinary tensorflow.js ops: nothing waits for the device. */
function opsRunner(plan: Plan, state: State, reached: Reached): NarrowRunner {
  // Some ops take an empty tensor beside a scalar for one number.
  const rows: NarrowRunner["rows"] = (expressions) =>
    expressions.map((e) => (state.rows.count === 0 ? tf.tensor1d([], "float32") : fullRows(visit(e), state.rows)));
  const visit = interpreter(
    tensorAlgebra((a: NarrowAtom) => {
      const value = atomValue(plan, state, reached, rows, a);
      return typeof value === "number" ? value : tensorOf(value);
    }),
  );
  return { rows, totals: (expressions) => stack(rows(expressions).map(total)), columns: null };
}

const loops = new WeakMap<readonly Narrow[], RowLoop<NarrowAtom>>();

/** As one loop over typed arrays for the expressions that are asked for together. */
function loopRunner(plan: Plan, state: State, reached: Reached): NarrowRunner {
  const inputs = new Map<RowNumbers | NarrowAggregate, RowInput>();
  const inputOf = (a: NarrowAtom): RowInput => {
    const seen = a.kind === "aggregate" ? inputs.get(a) : undefined;
    if (seen !== undefined) return seen;
    const value = atomValue(plan, state, reached, rows, a);
    if (typeof value === "number") return value;
    const known = inputs.get(value) ?? hostValue(value);
    inputs.set(a.kind === "aggregate" ? a : value, known);
    return known;
  };
  const prepare = (
    expressions: readonly Narrow[],
  ): { readonly loop: RowLoop<NarrowAtom>; readonly given: readonly RowInput[] } => {
    const loop = loops.get(expressions) ?? rowLoop(expressions);
    loops.set(expressions, loop);
    const given = loop.atoms.map((a) =>
      a.kind === "scalar" ? scalarValue(a.e, (b) => inputOf(b) as number) : inputOf(a),
    );
    return { loop, given };
  };
  const rows: NarrowRunner["rows"] = (expressions) => {
    const { loop, given } = prepare(expressions);
    return loop.rows(given, state.rows.count).map((values) => tf.tensor1d(values));
  };
  const totals: NarrowRunner["totals"] = (expressions) => {
    const { loop, given } = prepare(expressions);
    return tf.tensor1d([...loop.totals(given, state.rows.count)], "float32");
  };
  return { rows, totals, columns: null };
}

/** A number for all rows as a number, rows as their array. */
function hostValue(numbers: RowNumbers): RowInput {
  if (!(numbers instanceof tf.Tensor) && numbers.as === "entry") return numbers.within.dataSync()[numbers.index];
  const tensor = tensorOf(numbers);
  const values = tensor.dataSync<"float32">() as Float32Array;
  return tensor.rank === 0 ? values[0] : values;
}

/** What an atom is for a batch: a number that the host knows, or numbers on the device. */
type AtomValue = number | RowNumbers;

function atomValue(plan: Plan, state: State, reached: Reached, rows: NarrowRunner["rows"], a: NarrowAtom): AtomValue {
  switch (a.kind) {
    case "step":
      return stepValue(a, state.rows.step);
    case "vocabularySize":
      return state.rows.classes;
    case "parameter":
      return lookUp(state.parameters, a.name);
    case "statistic":
      return statisticOf(plan, state, a.statistic);
    case "lookup":
      return a.at === null ? lookUp(state.lookups, keyOf(a.table)) : atPivot(state, a.table, a.at);
    case "isCandidate":
    case "inRepeat":
      return lookUp(state.labelFacts, keyOf(a));
    case "hasCandidate":
      return hasCandidate(lookUp(state.candidates, a.candidates));
    case "total":
      return lookUp(state.totals, keyOf(a.table));
    case "input":
      return lookUp(state.rows.inputs, a.name);
    case "position":
      return positions(state.rows);
    case "aggregate":
      return typeof a.over === "object"
        ? highestOf(at(a.over.share, state.rows.step), rows(listOf(a.body))[0], state.rows)
        : aggregateRows(a.over, rows(listOf(a.body))[0], state.rows);
    case "rowWeight":
      return state.rows.rowWeight ?? 1;
    case "valid":
      return state.rows.validWeight ?? 1;
    case "reachedNumerator":
      return reached.numerators[a.term];
    case "reachedDenominator":
      return reached.denominators[a.term];
  }
}

/**
 * Each row's own number, the sum of its sequence, or the mean of the batch, for each row, [N]; `values` is 0 in rows that are
 * not valid.
 */
function aggregateRows(over: SharedAtom["over"], values: tf.Tensor1D, rows: Rows): tf.Tensor1D {
  if (over === "row" || rows.count === 0) return values;
  const ones = tf.ones<tf.Rank.R1>([rows.count]);
  if (over === "batch") {
    const count = tf.maximum(total(rows.validWeight ?? ones), 1);
    return tf.mul(ones, tf.div(total(values), count));
  }
  const length = sequenceLength(rows);
  return rowSums(values.reshape([-1, length]))
    .expandDims(1)
    .tile([1, length])
    .flatten();
}

function statisticOf(plan: Plan, state: State, statistic: Statistic): RowNumbers {
  const key = keyOf(statistic);
  // A slope's sum is asked for once, in the backward pass.
  if (statistic.kind === "candidates") return state.candidateSums.get(key) ?? sumOverCandidates(state, statistic);
  if (statistic.kind === "classwise") return lookUp(state.classwise, key);
  if (statistic.kind === "columns") return lookUp(state.columns, key);
  if (statistic.kind === "wholeRow") return lookUp(state.wholeRows, key).value;
  if (statistic.kind === "targetSum" && statistic.weighting === "targets") return lookUp(state.targetSums, key);
  const view = keyOf(statistic.kind === "targetSum" ? (statistic.weighting as View) : statistic.view);
  const values = lookUp(state.statistics, view);
  if (statistic.kind === "dot" || statistic.kind === "crossEntropy" || statistic.kind === "targetSum")
    return values.dots[dotsOf(plan, view).findIndex((dot) => keyOf(dot) === key)];
  return values[statistic.kind] as RowNumbers;
}

/** A table's entry at the pivot of a view, [N]. */
function atPivot(state: State, table: Table, view: ReadView): tf.Tensor1D {
  const { pivot } = lookUp(state.pivots, keyOf(view));
  return tf.gather(lookUp(state.tables, keyOf(table)).tensor, pivot);
}

/** A number, or a scalar tensor, for each row. */
function fullRows(values: RowValues, rows: Rows): tf.Tensor1D {
  if (typeof values === "number") return tf.fill<tf.Rank.R1>([rows.count], values);
  return (values as tf.Tensor).rank === 0 ? tf.mul(values, tf.ones<tf.Rank.R1>([rows.count])) : values;
}

function choose(condition: tf.Tensor, whenTrue: tf.Tensor, otherwise: tf.Tensor): tf.Tensor1D {
  return tf.where(condition, whenTrue, otherwise) as tf.Tensor1D;
}

/** One over each denominator, [terms]: 1 for sums, and 0 where a denominator is 0. */
export function sharesOf(plan: Plan, denominators: tf.Tensor1D): tf.Tensor1D {
  const isSum = plan.terms.map(({ reduction }) => reduction === "sum");
  const device = rowDevice(Number.POSITIVE_INFINITY);
  if (device !== null) {
    return device.rows(sharesProgram(isSum, denominators, device.language), isSum.length).flatten();
  }
  const isZero = tf.equal(denominators, 0);
  const one = tf.onesLike(denominators);
  const inverse = choose(isZero, tf.zerosLike(one), tf.div(one, choose(isZero, one, denominators)));
  return choose(tf.tensor1d(isSum, "bool"), one, inverse);
}

/** The same as a program whose rows are the terms. */
function sharesProgram(
  isSum: readonly boolean[],
  denominators: tf.Tensor1D,
  { define, constant, isRow, select }: RowLanguage,
): RowProgram {
  const [zero, one] = [constant("0.0"), constant("1.0")];
  const statements = [
    define("divisor", select("isZero(x0)", one, "x0")),
    define("inverse", select("isZero(x0)", zero, `${one} / divisor`)),
  ];
  const share = isSum.reduce((otherwise, is, i) => (is ? select(isRow(i), one, otherwise) : otherwise), "inverse");
  return { given: [denominators], numbers: [], statements, outputs: [share] };
}

/** Σ over the terms of numerator times share. */
export function combineTerms(numerators: tf.Tensor1D, shares: tf.Tensor1D): tf.Scalar {
  return total(tf.mul(numerators, shares));
}

function stack(scalars: readonly tf.Scalar[]): tf.Tensor1D {
  return scalars.length === 0 ? tf.tensor1d([], "float32") : (tf.stack([...scalars]) as tf.Tensor1D);
}
