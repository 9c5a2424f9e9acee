/**
 * Runs a plan on a batch: one wide pass over the logits forward, narrow arithmetic on one number a row, one wide pass
 * back. The gradient is symbolic, so only vectors [N] are kept for it beside the logits.
 */
import * as tf from "@tensorflow/tfjs";
import { portableRowStatistics } from "../kernels/portable.ts";
import type { DotTable, RowCotangents, RowStatistics, WideInput } from "../kernels/rowStatistics.ts";
import { LossError } from "../loss/error.ts";
import { interpreter } from "../loss/expression.ts";
import { type Batch, type Rows, readBatch } from "./batch.ts";
import { type Narrow, type NarrowAtom, type Statistic, statisticKey, tableKey } from "./narrow.ts";
import type { Plan, PlannedTerm } from "./plan.ts";
import { detachTensors } from "./saved.ts";
import type { Tables } from "./tables.ts";
import { type RowValues, tensorAlgebra } from "./tensorAlgebra.ts";

/** What the narrow arithmetic of a batch reads. */
interface Context {
  readonly rows: Rows;
  readonly statistics: RowStatistics;
  readonly lookups: ReadonlyMap<string, tf.Tensor1D>;
  readonly totals: ReadonlyMap<string, number>;
}

/** The value of a planned loss on a batch, differentiable with respect to the logits. */
export function execute(plan: Plan, tables: Tables, batch: Batch): tf.Tensor {
  return tf.tidy(() => {
    const rows = readBatch(plan, batch);
    const wide = { labels: rows.labels, valid: rows.valid, dots: dotTables(plan, tables, rows) };
    const lookups = mapEntries(plan.lookups, (table) => {
      const { tensor } = tables.onDevice(table, rows.step, rows.classes);
      return tf.gather(tensor, rows.labels) as tf.Tensor1D;
    });
    const totals = mapEntries(plan.totals, (table) => tables.total(table, rows.step, rows.classes));
    const loss = tf.customGrad((...inputs: unknown[]) => {
      const [logits, save] = inputs as [tf.Tensor, (tensors: tf.Tensor[]) => void];
      const statistics =
        rows.count === 0
          ? emptyStatistics(wide.dots.length)
          : portableRowStatistics.forward({ ...wide, logits: asRows(logits, rows) });
      const context: Context = { rows, statistics, lookups, totals };
      const meaning = narrowMeaning(plan, context);
      const denominators = plan.terms.map((term) => denominatorOf(term, rows, meaning));
      const { tensors, attach } = detachTensors({ wide, context, denominators });
      save([logits, ...tensors]);
      const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor => {
        refuseSecondOrder();
        const [savedLogits, ...rest] = saved;
        const state = attach(rest);
        const wideAgain = { ...state.wide, logits: asRows(savedLogits, rows) };
        return logitsGradient(plan, wideAgain, state.context, state.denominators, dy).reshape(savedLogits.shape);
      };
      return { value: lossValue(plan, rows, meaning, denominators), gradFunc };
    });
    return loss(batch.logits);
  });
}

function asRows(logits: tf.Tensor, rows: Rows): tf.Tensor2D {
  return logits.reshape([rows.count, rows.classes]);
}

function mapEntries<A, B>(map: ReadonlyMap<string, A>, f: (a: A) => B): ReadonlyMap<string, B> {
  return new Map([...map].map(([key, a]) => [key, f(a)]));
}

type Dot = Extract<Statistic, { kind: "dot" }>;

function dotsOf(plan: Plan): readonly Dot[] {
  return [...plan.statistics.values()].filter((s): s is Dot => s.kind === "dot");
}

function dotTables(plan: Plan, tables: Tables, rows: Rows): readonly (DotTable | null)[] {
  return dotsOf(plan).map(({ table }) => table && tables.onDevice(table, rows.step, rows.classes));
}

function emptyStatistics(dots: number): RowStatistics {
  const empty = tf.tensor1d([], "float32");
  return { m: empty, s: empty, t: empty, r: empty, dots: Array.from({ length: dots }, () => empty) };
}

function refuseSecondOrder(): void {
  if (!tf.engine().isTapeOn()) return;
  throw new LossError(
    "gradient",
    "a gradient of the gradient of a compiled loss was asked for",
    "Take first-order gradients alone; tf.grad inside tf.grad is not supported",
  );
}

// ----------------------------------------------------------------------------------------------------------- value

/** Narrow expressions as numbers for each row. */
type Meaning = (e: Narrow) => RowValues;

function narrowMeaning(plan: Plan, context: Context): Meaning {
  const { rows, statistics, lookups, totals } = context;
  const dots = dotsOf(plan).map(statisticKey);
  const meaning = (a: NarrowAtom): RowValues | undefined => {
    switch (a.kind) {
      case "step":
        return rows.step;
      case "vocabularySize":
        return rows.classes;
      case "statistic":
        return a.statistic.kind === "dot"
          ? statistics.dots[dots.indexOf(statisticKey(a.statistic))]
          : statistics[a.statistic.kind];
      case "lookup":
        return lookups.get(tableKey(a.table));
      case "total":
        return totals.get(tableKey(a.table));
    }
  };
  return interpreter(
    tensorAlgebra((a: NarrowAtom) => {
      const value = meaning(a);
      if (value === undefined) throw new Error(`unreachable: ${a.kind} is not in the plan`);
      return value;
    }),
  );
}

function fullRows(values: RowValues, rows: Rows): tf.Tensor1D {
  return typeof values === "number" ? tf.fill<tf.Rank.R1>([rows.count], values) : values;
}

/** Row values times the sample weight, 0 in rows that are not valid, NaN where a valid row's label is no class. */
function weighRows(values: tf.Tensor1D, rows: Rows): tf.Tensor1D {
  const { sampleWeight } = rows;
  const weighed =
    sampleWeight === null
      ? values
      : choose(tf.equal(sampleWeight, 0), tf.zerosLike(values), tf.mul(sampleWeight, values));
  return selectRows(weighed, rows);
}

function selectRows(values: tf.Tensor1D, rows: Rows): tf.Tensor1D {
  const { outOfRange, valid } = rows;
  const checked = outOfRange === null ? values : choose(outOfRange, tf.fill(values.shape, Number.NaN), values);
  return valid === null ? checked : choose(valid.tensor, checked, tf.zerosLike(checked));
}

function choose(condition: tf.Tensor, whenTrue: tf.Tensor, otherwise: tf.Tensor): tf.Tensor1D {
  return tf.where(condition, whenTrue, otherwise) as tf.Tensor1D;
}

function total(values: tf.Tensor1D): tf.Scalar {
  return values.size === 0 ? tf.scalar(0) : tf.sum(values);
}

/** What a term's numerator is divided by; null for 1. */
function denominatorOf(term: PlannedTerm, rows: Rows, meaning: Meaning): tf.Scalar | null {
  switch (term.reduction) {
    case "sum":
    case "perToken":
      return null;
    case "mean":
      return total(selectRows(tf.ones([rows.count]), rows));
    case "weightedMean":
      return total(weighRows(fullRows(meaning(term.weight), rows), rows));
  }
}

/** x / denominator, and 0 where the denominator is 0. */
function divide(x: tf.Tensor, denominator: tf.Scalar | null): tf.Tensor {
  return denominator === null ? x : tf.where(tf.equal(denominator, 0), tf.zerosLike(x), tf.div(x, denominator));
}

function lossValue(plan: Plan, rows: Rows, meaning: Meaning, denominators: readonly (tf.Scalar | null)[]): tf.Tensor {
  const terms = plan.terms.map((term) => weighRows(fullRows(meaning(term.value), rows), rows));
  if (plan.perToken) return tf.addN(terms).reshape(rows.shape);
  const reduced = terms.map((values, i) => divide(total(values), denominators[i]));
  return reduced.length === 0 ? tf.scalar(0) : tf.addN(reduced);
}

// -------------------------------------------------------------------------------------------------------- gradient

/** The gradient of the logits, given that of the value: a scalar, or one for each row. */
function logitsGradient(
  plan: Plan,
  wide: WideInput,
  context: Context,
  denominators: readonly (tf.Scalar | null)[],
  dy: tf.Tensor,
): tf.Tensor {
  const { rows, statistics } = context;
  if (rows.count === 0) return tf.zerosLike(wide.logits);
  const meaning = narrowMeaning(plan, context);
  const shares = denominators.map((denominator) => divide(dy.flatten().squeeze(), denominator));
  const cotangent = (key: string): tf.Tensor1D | null => {
    const parts = plan.terms.flatMap((term, i) => {
      const derivative = term.derivatives.get(key);
      return derivative === undefined ? [] : [tf.mul(shares[i], fullRows(meaning(derivative), rows)) as tf.Tensor1D];
    });
    return parts.length === 0 ? null : weighRows(tf.addN(parts), rows);
  };
  const cotangents: RowCotangents = {
    s: cotangent("s"),
    t: cotangent("t"),
    r: cotangent("r"),
    dots: dotsOf(plan).map((dot) => cotangent(statisticKey(dot))),
  };
  return portableRowStatistics.backward(wide, statistics, cotangents);
}
