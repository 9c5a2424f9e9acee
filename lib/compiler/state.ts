/**
 * What a plan knows of one batch after the forward pass: row statistics in each view, tables, look-ups. All of it is
 * vectors [N] and tables [V], beside the logits and soft labels themselves.
 */
import * as tf from "@tensorflow/tfjs";
import { portableRowStatistics, withoutInvalidRows } from "../kernels/portable.ts";
import type { DotTable, RowStatistics, WideInput } from "../kernels/rowStatistics.ts";
import { rowSums } from "../kernels/sums.ts";
import { atom, atomsOf, interpreter } from "../loss/expression.ts";
import type { LogitsAtom } from "../loss/loss.ts";
import type { ParameterAtom } from "../loss/parameter.ts";
import { numberAlgebra, type Step } from "../loss/schedule.ts";
import type { View } from "../loss/view.ts";
import type { Rows } from "./batch.ts";
import { type ClasswiseContext, classwiseSum } from "./classwise.ts";
import { isHostBackend } from "./entries.ts";
import { keyOf, type Statistic, type Table, type Weighting } from "./narrow.ts";
import type { Plan } from "./plan.ts";
import type { Tables } from "./tables.ts";
import { applyView, type BoundView, type ParameterValues, scaleOf } from "./views.ts";

export interface State {
  readonly rows: Rows;
  /** [N, V], as they came. */
  readonly logits: tf.Tensor2D;
  readonly parameters: ParameterValues;
  readonly views: ReadonlyMap<string, BoundView>;
  /** The statistics of each view's logits. */
  readonly statistics: ReadonlyMap<string, RowStatistics>;
  readonly lookups: ReadonlyMap<string, tf.Tensor1D>;
  readonly totals: ReadonlyMap<string, number>;
  readonly targetSums: ReadonlyMap<string, tf.Tensor1D>;
  readonly classwise: ReadonlyMap<string, tf.Tensor1D>;
  /** Every table that is needed as a whole, on the device. */
  readonly tables: ReadonlyMap<string, DotTable>;
}

export type Bound = Omit<State, "logits" | "statistics" | "classwise">;

/** Everything that does not depend on the logits. */
export function bindBatch(plan: Plan, rows: Rows, tables: Tables, parameters: ParameterValues): Bound {
  const { step, classes, labels, targets } = rows;
  const onDevice = (table: Table): DotTable => tables.onDevice(table, step, classes);
  const whole = mapEntries(plan.wholeTables, onDevice);
  return {
    rows,
    parameters,
    tables: whole,
    views: mapEntries(plan.views, (view) => bindView(view, rows, parameters, onDevice)),
    lookups: mapEntries(plan.lookups, (table) => tf.gather(onDevice(table).tensor, labels as tf.Tensor1D)),
    totals: mapEntries(plan.totals, (table) => tables.total(table, step, classes)),
    targetSums: mapEntries(ofKind(plan, "targetSum"), ({ table }) => {
      const q = targets as tf.Tensor2D;
      return rowSums(table === null ? q : tf.mul(q, onDevice(table).tensor));
    }),
  };
}

function bindView(
  view: View,
  rows: Rows,
  parameters: ParameterValues,
  onDevice: (table: Table) => DotTable,
): BoundView {
  checkScale(view, rows.step, parameters);
  const perClass = atomsOf(view.bias).some((a) => a.kind === "weight");
  return {
    scale: scaleOf(view.scale, rows.step, parameters),
    cap: view.cap,
    bias: perClass || view.bias.kind !== "constant" ? onDevice(view.bias).tensor : view.bias.value,
  };
}

/** Evaluates the scale of a view as a number where that waits for no device, so that its bounds are checked. */
function checkScale(view: View, step: number, parameters: ParameterValues): void {
  if (!isHostBackend() || view.scale.kind === "constant") return;
  const numberOf = (a: Step | ParameterAtom): number =>
    a.kind === "step" ? step : lookUp(parameters, a.name).dataSync()[0];
  interpreter(numberAlgebra(numberOf))(view.scale);
}

/** The forward pass over the logits. */
export function forwardState(plan: Plan, bound: Bound, logits: tf.Tensor2D): State {
  const statistics = mapEntries(bound.views, (view, key) =>
    bound.rows.count === 0
      ? emptyStatistics(plan, key)
      : portableRowStatistics.forward(wideInput(plan, bound, key, applyView(view, logits))),
  );
  const state: State = { ...bound, logits, statistics, classwise: new Map() };
  const sum = ({ body, weighting }: OfKind<"classwise">): tf.Tensor1D =>
    bound.rows.count === 0 ? tf.tensor1d([]) : classwiseSum(body, classwiseContext(state, weighting));
  return { ...state, classwise: mapEntries(ofKind(plan, "classwise"), sum) };
}

/** What the kernel of a view reads. */
export function wideInput(plan: Plan, bound: Bound, view: string, logits: tf.Tensor2D): WideInput {
  const { rows, tables } = bound;
  const table = ({ table: t }: OfKind<"dot">): DotTable | null => (t === null ? null : lookUp(tables, keyOf(t)));
  return {
    logits,
    labels: rows.labels,
    targets: rows.targets,
    valid: rows.read,
    entropy: uses(plan, view, "e"),
    dots: dotsOf(plan, view, "ones").map(table),
    targetDots: dotsOf(plan, view, "targets").map(table),
  };
}

/** The dot statistics of a view, in the plan's order. */
export function dotsOf(plan: Plan, view: string, weighting: Weighting): readonly OfKind<"dot">[] {
  const dots = [...ofKind(plan, "dot").values()];
  return dots.filter((dot) => dot.weighting === weighting && keyOf(dot.view) === view);
}

function uses(plan: Plan, view: string, kind: "e"): boolean {
  return [...plan.statistics.values()].some((s) => s.kind === kind && keyOf(s.view) === view);
}

export type OfKind<K extends Statistic["kind"]> = Extract<Statistic, { readonly kind: K }>;

/** The statistics of one kind, by key. */
export function ofKind<K extends Statistic["kind"]>(plan: Plan, kind: K): ReadonlyMap<string, OfKind<K>> {
  const entries = [...plan.statistics].filter((entry): entry is [string, OfKind<K>] => entry[1].kind === kind);
  return new Map(entries);
}

/** What class-wise expressions read of a state; the soft targets, or 1, as weights. */
export function classwiseContext(state: State, weighting: Weighting): ClasswiseContext {
  const { rows, logits, views, statistics, tables } = state;
  return {
    weights: weighting === "targets" ? withoutInvalid(rows.targets as tf.Tensor2D, rows) : null,
    viewed: (a: LogitsAtom) => {
      const key = keyOf(a.view);
      const { m, s } = lookUp(statistics, key);
      return { logits: withoutInvalid(applyView(lookUp(views, key), logits), rows), m, s };
    },
    constantOf: (a) => {
      if (a.kind === "step") return rows.step;
      if (a.kind === "vocabularySize") return rows.classes;
      if (a.kind === "weight" && a.field !== null)
        return lookUp(tables, keyOf(atom({ kind: "weight", field: a.field }))).tensor;
      throw new Error(`unreachable: ${a.kind} in a class-wise sum`);
    },
  };
}

function withoutInvalid(x: tf.Tensor2D, rows: Rows): tf.Tensor2D {
  return withoutInvalidRows(x, rows.read);
}

function emptyStatistics(plan: Plan, view: string): RowStatistics {
  const empty = tf.tensor1d([], "float32");
  const none = (weighting: Weighting): tf.Tensor1D[] => dotsOf(plan, view, weighting).map(() => empty);
  return { m: empty, s: empty, t: empty, r: empty, e: empty, dots: none("ones"), targetDots: none("targets") };
}

export function mapEntries<A, B>(map: ReadonlyMap<string, A>, f: (a: A, key: string) => B): ReadonlyMap<string, B> {
  return new Map([...map].map(([key, a]) => [key, f(a, key)]));
}

/** The entry of a key that the plan has put there. */
export function lookUp<T>(map: ReadonlyMap<string, T>, key: string): T {
  const value = map.get(key);
  if (value === undefined) throw new Error(`unreachable: ${key} is not in the plan`);
  return value;
}
