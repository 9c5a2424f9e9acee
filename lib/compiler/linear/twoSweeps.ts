/**
 * The linear form in two sweeps: where the value of a row depends on other rows, or stays one number a row. The first
 * sweep keeps the statistics of the rows, the second makes each block of logits anew for its gradient.
 */
import * as tf from "@tensorflow/tfjs";
import { type RowNumbers, tensorOf } from "../../kernels/column.ts";
import type { RowStatistics } from "../../kernels/rowStatistics.ts";
import { sumOfScalars } from "../../kernels/sums.ts";
import { pivotRows } from "../candidates.ts";
import { bind, type Executable } from "../execute.ts";
import { directGradient, hasScale, ofModel, reachedByRows, scaleGradient, wideGradient } from "../gradients.ts";
import type { Plan } from "../plan.ts";
import { tidied } from "../saved.ts";
import { forwardState, lookUp, mapEntries, type State } from "../state.ts";
import { narrowRunner, type Reached } from "../values.ts";
import { addGradients, headLogits, noGradients, sumsOf, type Wanted, withRowsOf } from "./head.ts";
import type { LinearRows } from "./linearBatch.ts";
import { joinedGradients, type Swept } from "./oneSweep.ts";
import { joined, type Tiles, tileOf } from "./tiles.ts";

/** What the narrow part reads of a batch, gathered block by block: a state without logits. */
export function firstSweep(loss: Executable, plan: Plan, whole: LinearRows, tiles: Tiles): State {
  const states = tiles.blocks.map((block) => tidied(() => narrowState(stateOfTile(loss, plan, whole, block).state)));
  const join = (of: (state: State) => RowNumbers): tf.Tensor1D =>
    joined(
      tiles,
      states.map((state) => tensorOf(of(state))),
    ) as tf.Tensor1D;
  const first = states[0] ?? emptyState(loss, plan, whole);
  const joinAll = (of: (state: State) => ReadonlyMap<string, RowNumbers>): ReadonlyMap<string, tf.Tensor1D> =>
    mapEntries(of(first), (_, key) => join((state) => of(state).get(key) as RowNumbers));
  const statistics = mapEntries(first.statistics, (of, key): RowStatistics => {
    const at = (state: State): RowStatistics<RowNumbers> => state.statistics.get(key) as RowStatistics<RowNumbers>;
    const one = (name: "m" | "s" | "n" | "t" | "r" | "e"): tf.Tensor1D | null =>
      of[name] === null ? null : join((state) => at(state)[name] as RowNumbers);
    return {
      ...{ m: one("m"), s: one("s"), n: one("n"), t: one("t"), r: one("r"), e: one("e") },
      dots: of.dots.map((_, k) => join((state) => at(state).dots[k])),
      state: [],
    };
  });
  const { candidates, labelFacts } = whole.ofSequences;
  return {
    ...first,
    rows: whole.rows,
    candidates,
    labelFacts,
    pivots: joinedPivots(plan, whole, tiles, states, first),
    candidateSums: joinAll((state) => state.candidateSums) as State["candidateSums"],
    statistics,
    lookups: joinAll((state) => state.lookups) as State["lookups"],
    targetSums: joinAll((state) => state.targetSums) as State["targetSums"],
    classwise: joinAll((state) => state.classwise) as State["classwise"],
    wholeRows: mapEntries(first.wholeRows, (_, key) => ({
      value: join((state) => state.wholeRows.get(key)?.value as tf.Tensor1D),
      kept: [],
    })),
  };
}

/** The candidates of all rows in the views that read their pivot: those of rows that are not read are none. */
function joinedPivots(
  plan: Plan,
  { rows, ofSequences }: LinearRows,
  tiles: Tiles,
  states: readonly State[],
  { views }: State,
): State["pivots"] {
  if (rows.count === 0) return new Map();
  const pivots = [...plan.views].flatMap(([key, { pivotOf }]) => {
    const ids = pivotOf === undefined ? undefined : ofSequences.candidates.get(pivotOf);
    if (ids === undefined) return [];
    const blocks = states.map((state) => lookUp(state.pivots, key).logits);
    const gathered = joined(tiles, blocks, ids.shape[1]) as tf.Tensor2D;
    return [[key, pivotRows(ids, lookUp(views, key), gathered, rows)] as const];
  });
  return new Map(pivots);
}

/** The gradients of a layer and of the parameters, given what reaches the terms' numerators. */
export function secondSweep(
  loss: Executable,
  plan: Plan,
  whole: LinearRows,
  tiles: Tiles,
  state: State,
  reached: Reached,
  wanted: Wanted,
): Omit<Swept, "value"> {
  const names = [...plan.parameters.keys()];
  const { expressions } = plan.cotangents;
  // Nothing reaches the logits of a loss that looks at none.
  const all = expressions.length === 0 ? null : tf.stack([...narrowRunner(plan, state, reached).rows(expressions)]);
  let gradients = noGradients(whole.head, wanted);
  const scales: tf.Scalar[][] = names.map(() => []);
  for (const block of tiles.blocks) {
    const before = sumsOf(gradients);
    const swept = tidied(() => {
      const { state: tile, hidden } = stateOfTile(loss, plan, whole, block);
      const columns = all === null ? tf.zeros([0, tile.rows.count]) : block === null ? all : gathered(all, block);
      const statistics = reachedByRows(plan, tile, columns as tf.Tensor2D);
      const gradient = wideGradient(plan, tile, ofModel(plan), statistics);
      return {
        gradients: addGradients(before, whole.head, hidden, gradient),
        scales: names.map((name) => (hasScale(plan, name) ? [scaleGradient(plan, tile, statistics, name)] : [])),
      };
    });
    gradients = withRowsOf(gradients, swept.gradients);
    swept.scales.forEach((parts, i) => {
      scales[i].push(...parts);
    });
  }
  return {
    ...joinedGradients(whole, tiles, gradients),
    parameters: names.map((name, i) =>
      sumOfScalars(state.rows.count === 0 ? [] : [...directGradient(plan, state, reached, name), ...scales[i]]),
    ),
  };
}

function gathered(all: tf.Tensor, block: Int32Array): tf.Tensor {
  return tf.gather(all, tf.tensor1d(block, "int32"), 1);
}

function stateOfTile(
  loss: Executable,
  plan: Plan,
  whole: LinearRows,
  block: Int32Array | null,
): { readonly state: State; readonly hidden: tf.Tensor2D } {
  const { rows, hidden } = tileOf(whole, block);
  const bound = bind(loss, plan, rows, loss.variables);
  return { state: forwardState(plan, bound, headLogits(whole.head, hidden)), hidden };
}

/** A state without what is as wide as the vocabulary. */
function narrowState(state: State): State {
  const { rows } = state;
  return {
    ...state,
    logits: tf.zeros([0, 0]),
    rows: { ...rows, targets: null, teacher: null },
    statistics: mapEntries(state.statistics, (statistics) => ({ ...statistics, state: [] })),
    wholeRows: mapEntries(state.wholeRows, ({ value }) => ({ value, kept: [] })),
  };
}

/** The state of a batch of which no row is read. */
function emptyState(loss: Executable, plan: Plan, whole: LinearRows): State {
  return stateOfTile(loss, plan, whole, new Int32Array(0)).state;
}
