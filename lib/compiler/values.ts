/** Narrow arithmetic: from the statistics of the rows to numerators, denominators and values. */
import * as tf from "@tensorflow/tfjs";
import { rowSums, total } from "../kernels/sums.ts";
import { interpreter } from "../loss/expression.ts";
import type { AggregateAtom } from "../loss/loss.ts";
import { stepValue } from "../loss/schedule.ts";
import type { View } from "../loss/view.ts";
import type { Rows } from "./batch.ts";
import { isHostBackend } from "./entries.ts";
import { keyOf, type Narrow, type NarrowAggregate, type NarrowAtom, type Statistic } from "./narrow.ts";
import type { Plan, PlannedTerm } from "./plan.ts";
import { type RowInput, type RowLoop, rowLoop, scalarValue } from "./rowLoop.ts";
import { dotsOf, lookUp, type State } from "./state.ts";
import { type RowValues, tensorAlgebra } from "./tensorAlgebra.ts";

/** Narrow expressions as one number for each row. */
export type Meaning = (e: Narrow) => tf.Tensor1D;

export function narrowMeaning(plan: Plan, state: State): Meaning {
  return isHostBackend() ? loopMeaning(plan, state) : opsMeaning(plan, state);
}

/** With ordinary tensorflow.js ops: nothing waits for the device. */
function opsMeaning(plan: Plan, state: State): Meaning {
  const meaning: Meaning = (e) => fullRows(visit(e), state.rows);
  const visit = interpreter(tensorAlgebra((a: NarrowAtom) => atomValue(plan, state, meaning, a)));
  return meaning;
}

const loops = new WeakMap<Narrow, RowLoop>();

/** As one loop over typed arrays for each expression. */
function loopMeaning(plan: Plan, state: State): Meaning {
  const inputs = new Map<tf.Tensor | NarrowAggregate, RowInput>();
  const inputOf = (a: NarrowAtom): RowInput => {
    const seen = a.kind === "aggregate" ? inputs.get(a) : undefined;
    if (seen !== undefined) return seen;
    const value = atomValue(plan, state, meaning, a);
    if (typeof value === "number") return value;
    const known = inputs.get(value) ?? hostValue(value);
    inputs.set(a.kind === "aggregate" ? a : value, known);
    return known;
  };
  const meaning: Meaning = (e) => {
    const loop = loops.get(e) ?? rowLoop(e);
    loops.set(e, loop);
    const given = loop.atoms.map((a) =>
      a.kind === "scalar" ? scalarValue(a.e, (b) => inputOf(b) as number) : inputOf(a),
    );
    return tf.tensor1d(loop.run(given, state.rows.count));
  };
  return meaning;
}

/** A scalar as a number, rows as their array. */
function hostValue(tensor: tf.Tensor): RowInput {
  const values = tensor.dataSync<"float32">() as Float32Array;
  return tensor.rank === 0 ? values[0] : values;
}

function atomValue(plan: Plan, state: State, meaning: Meaning, a: NarrowAtom): RowValues {
  switch (a.kind) {
    case "step":
      return stepValue(a, state.rows.step);
    case "vocabularySize":
      return state.rows.classes;
    case "parameter":
      return lookUp(state.parameters, a.name) as tf.Tensor as tf.Tensor1D;
    case "statistic":
      return statisticOf(plan, state, a.statistic);
    case "lookup":
      return lookUp(state.lookups, keyOf(a.table));
    case "total":
      return lookUp(state.totals, keyOf(a.table));
    case "input":
      return lookUp(state.rows.inputs, a.name);
    case "position":
      return positions(state.rows);
    case "aggregate":
      return aggregateRows(a.over, selectRows(meaning(a.body), state.rows), state.rows);
  }
}

function sequenceLength({ shape }: Rows): number {
  return shape[shape.length - 1] ?? 1;
}

function positions(rows: Rows): tf.Tensor1D {
  const length = sequenceLength(rows);
  return tf.tensor1d(Float32Array.from({ length: rows.count }, (_, row) => row % length));
}

/**
 * The sum of each row's sequence, or the mean of the batch, for each row, [N]; `values` is 0 in rows that are not valid.
 * The map is its own transpose, so it takes cotangents back as well.
 */
export function aggregateRows(over: AggregateAtom["over"], values: tf.Tensor1D, rows: Rows): tf.Tensor1D {
  if (rows.count === 0) return values;
  const ones = tf.ones<tf.Rank.R1>([rows.count]);
  if (over === "batch") {
    const count = tf.maximum(total(selectValid(ones, rows)), 1);
    return tf.mul(ones, tf.div(total(values), count));
  }
  const length = sequenceLength(rows);
  return rowSums(values.reshape([-1, length]))
    .expandDims(1)
    .tile([1, length])
    .flatten();
}

function statisticOf(plan: Plan, state: State, statistic: Statistic): tf.Tensor1D {
  const key = keyOf(statistic);
  if (statistic.kind === "classwise") return lookUp(state.classwise, key);
  if (statistic.kind === "targetSum" && statistic.weighting === "targets") return lookUp(state.targetSums, key);
  const view = keyOf(statistic.kind === "targetSum" ? (statistic.weighting as View) : statistic.view);
  const values = lookUp(state.statistics, view);
  if (statistic.kind !== "dot" && statistic.kind !== "targetSum") return values[statistic.kind] as tf.Tensor1D;
  return values.dots[dotsOf(plan, view).findIndex((dot) => keyOf(dot) === key)];
}

/** A number, or a scalar tensor, for each row. */
function fullRows(values: RowValues, rows: Rows): tf.Tensor1D {
  if (typeof values === "number") return tf.fill<tf.Rank.R1>([rows.count], values);
  return (values as tf.Tensor).rank === 0 ? tf.mul(values, tf.ones<tf.Rank.R1>([rows.count])) : values;
}

/** Row values times the sample weight, 0 in rows that are not valid, NaN where a valid row's label is no class. */
export function weighRows(values: tf.Tensor1D, rows: Rows): tf.Tensor1D {
  const { sampleWeight } = rows;
  const weighed =
    sampleWeight === null
      ? values
      : choose(tf.equal(sampleWeight, 0), tf.zerosLike(values), tf.mul(sampleWeight, values));
  return selectRows(weighed, rows);
}

/** 0 in rows that are not valid, NaN where a valid row's label is no class. */
export function selectRows(values: tf.Tensor1D, rows: Rows): tf.Tensor1D {
  const { outOfRange } = rows;
  return selectValid(
    outOfRange === null ? values : choose(outOfRange, tf.fill(values.shape, Number.NaN), values),
    rows,
  );
}

function selectValid(values: tf.Tensor1D, { valid }: Rows): tf.Tensor1D {
  return valid === null ? values : choose(valid.tensor, values, tf.zerosLike(values));
}

function choose(condition: tf.Tensor, whenTrue: tf.Tensor, otherwise: tf.Tensor): tf.Tensor1D {
  return tf.where(condition, whenTrue, otherwise) as tf.Tensor1D;
}

/** What each term adds up over the rows, [terms]. */
export function numeratorsOf(plan: Plan, rows: Rows, meaning: Meaning): tf.Tensor1D {
  return stack(plan.terms.map((term) => total(weighRows(meaning(term.value), rows))));
}

/** What each numerator is divided by, [terms]; 0 for a term that is a sum, whose numerator is divided by nothing. */
export function denominatorsOf(plan: Plan, rows: Rows, meaning: Meaning): tf.Tensor1D {
  return stack(plan.terms.map((term) => denominatorOf(term, rows, meaning)));
}

function denominatorOf(term: PlannedTerm, rows: Rows, meaning: Meaning): tf.Scalar {
  switch (term.reduction) {
    case "sum":
    case "perToken":
      return tf.scalar(0);
    case "mean":
      return total(selectRows(tf.ones([rows.count]), rows));
    case "weightedMean":
      return total(weighRows(meaning(term.weight), rows));
  }
}

/** One over each denominator, [terms]: 1 for sums, and 0 where a denominator is 0. */
export function sharesOf(plan: Plan, denominators: tf.Tensor1D): tf.Tensor1D {
  const isSum = tf.tensor1d(
    plan.terms.map(({ reduction }) => reduction === "sum"),
    "bool",
  );
  const isZero = tf.equal(denominators, 0);
  const one = tf.onesLike(denominators);
  const inverse = choose(isZero, tf.zerosLike(one), tf.div(one, choose(isZero, one, denominators)));
  return choose(isSum, one, inverse);
}

/** Σ over the terms of numerator times share. */
export function combineTerms(numerators: tf.Tensor1D, shares: tf.Tensor1D): tf.Scalar {
  return total(tf.mul(numerators, shares));
}

/** The weighed values of the rows, all terms added, in the shape of the labels. */
export function perTokenValues(plan: Plan, rows: Rows, meaning: Meaning): tf.Tensor {
  return tf.addN(plan.terms.map((term) => weighRows(meaning(term.value), rows))).reshape([...rows.shape]);
}

function stack(scalars: readonly tf.Scalar[]): tf.Tensor1D {
  return scalars.length === 0 ? tf.tensor1d([], "float32") : (tf.stack([...scalars]) as tf.Tensor1D);
}
