/**
 * The linear form in two sweeps: where the value of a row depends on other rows, or stays one number a row. The first
 * sweep keeps the statistics of the rows, the second makes each block of logits anew for its gradient.
 */
import * as tf from "@tensorflow/tfjs";
import { type RowNumbers, tensorOf } from "../../kernels/column.ts";
import type { RowStatistics } from "../../kernels/rowStatistics.ts";
import { sumOfScalars } from "../../kernels/sums.ts";
import { pivotRows } from "../candidates.ts";
import { directGradient, reachedByRows } from "../gradients.ts";
import { tidied } from "../saved.ts";
import { lookUp, mapEntries, type State } from "../state.ts";
import { narrowRunner, type Reached } from "../values.ts";
import { blockPass, type Gradients, joinedGradients } from "./blockPass.ts";
import { noGradients, sumsOf, type Wanted, withRowsOf } from "./head.ts";
import type { LinearRun } from "./linearRun.ts";
import { joined } from "./rowBlocks.ts";

/** What the narrow part reads of a batch, gathered block by block: a state without logits. */
export function firstSweep(run: LinearRun): State {
  const { whole, blocks } = run;
  const narrowOf = (block: Int32Array | null): State => tidied(() => narrowState(blockPass(run, block).state));
  const states = blocks.blocks.map(narrowOf);
  const join = (of: (state: State) => RowNumbers): tf.Tensor1D =>
    joined(
      blocks,
      states.map((state) => tensorOf(of(state))),
    ) as tf.Tensor1D;
  // Of a batch of which no row is read there is no block.
  const first = states[0] ?? blockPass(run, new Int32Array(0)).state;
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
    pivots: joinedPivots(run, states, first),
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
  { plan, whole: { rows, ofSequences }, blocks }: LinearRun,
  states: readonly State[],
  { views }: State,
): State["pivots"] {
  if (rows.count === 0) return new Map();
  const pivots = [...plan.views].flatMap(([key, { pivotOf }]) => {
    const ids = pivotOf === undefined ? undefined : ofSequences.candidates.get(pivotOf);
    if (ids === undefined) return [];
    const parts = states.map((state) => lookUp(state.pivots, key).logits);
    const gathered = joined(blocks, parts, ids.shape[1]) as tf.Tensor2D;
    return [[key, pivotRows(ids, lookUp(views, key), gathered, rows)] as const];
  });
  return new Map(pivots);
}

/** The gradients of a layer and of the parameters, given what reaches the terms' numerators. */
export function secondSweep(run: LinearRun, state: State, reached: Reached, wanted: Wanted): Gradients {
  const { plan, whole, blocks, tiles } = run;
  const names = [...plan.parameters.keys()];
  const { expressions } = plan.cotangents;
  // Nothing reaches the logits of a loss that looks at none.
  const all = expressions.length === 0 ? null : tf.stack([...narrowRunner(plan, state, reached).rows(expressions)]);
  let gradients = noGradients(whole.head, wanted, tiles);
  const scales: tf.Scalar[][] = names.map(() => []);
  for (const block of blocks.blocks) {
    const before = sumsOf(gradients);
    const swept = tidied(() => {
      const { state: ofBlock, backward } = blockPass(run, block);
      const columns = all === null ? tf.zeros([0, ofBlock.rows.count]) : block === null ? all : gathered(all, block);
      return backward(reachedByRows(plan, ofBlock, columns as tf.Tensor2D), before);
    });
    gradients = withRowsOf(gradients, swept.gradients);
    swept.scales.forEach((parts, i) => {
      scales[i].push(...parts);
    });
  }
  return {
    ...joinedGradients(run, gradients),
    parameters: names.map((name, i) =>
      sumOfScalars(state.rows.count === 0 ? [] : [...directGradient(plan, state, reached, name), ...scales[i]]),
    ),
  };
}

function gathered(all: tf.Tensor, block: Int32Array): tf.Tensor {
  return tf.gather(all, tf.tensor1d(block, "int32"), 1);
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
