/**
 * A block of rows whose logits exist a tile of columns at a time. The forward pass keeps the statistics of the tiles, from which those
 * of the rows follow; the way back makes each tile anew. All of it is the plan, kernels and gradients of whole rows.
 */
import * as tf from "@tensorflow/tfjs";
import { chooseKernel } from "../../kernels/choose.ts";
import { type RowNumbers, tensorOf } from "../../kernels/column.ts";
import { withoutInvalidRows } from "../../kernels/portable.ts";
import type { DotTable, RowStatistics } from "../../kernels/rowStatistics.ts";
import { rowSums, sumOf, total } from "../../kernels/sums.ts";
import type { Candidates } from "../../loss/candidates.ts";
import type { OfSequences } from "../batch.ts";
import { pivotRows } from "../candidates.ts";
import { isHostBackend } from "../entries.ts";
import { bind } from "../execute.ts";
import {
  addCandidates,
  candidateGradients,
  type GradientOfViews,
  hasScale,
  ofModel,
  reachedByRows,
  scaleGradient,
  wideGradient,
} from "../gradients.ts";
import { keyOf } from "../narrow.ts";
import type { Plan } from "../plan.ts";
import { positions } from "../positions.ts";
import { tidied } from "../saved.ts";
import {
  type Bound,
  candidatesOf,
  forwardState,
  lookUp,
  mapEntries,
  ofKind,
  type State,
  stateWithoutLogits,
  sumOverCandidates,
  targetSumsOf,
} from "../state.ts";
import { classwiseTiles, highestOfCapped, readsLogits } from "./classwiseTiles.ts";
import { type Columns, isWithin, localIds } from "./columnTiles.ts";
import { addToColumns, addToHidden, type Head, headColumns, headLogits, sideBySide } from "./head.ts";
import type { BlockPass, LinearRun } from "./linearRun.ts";
import { type MergedRows, mergeRows, type TileNumbers } from "./mergedRows.ts";
import { lowestLogit } from "./mergedView.ts";
import { type BlockRows, rowsOfBlock } from "./rowBlocks.ts";
import { tilePlan } from "./tilePlan.ts";

export function columnTilesPass(run: LinearRun, block: Int32Array | null): BlockPass {
  const { plan, whole, tiles } = run;
  const read = readBlock(run, block);
  const { bound, ofSequences } = read;
  const made = (columns: Columns): { readonly part: Head; readonly logits: tf.Tensor2D } => {
    const part = headColumns(whole.head, columns);
    return { part, logits: headLogits(part, read.hidden) };
  };
  const shown = (logits: tf.Tensor2D): tf.Tensor2D =>
    // Without a bias no row of a tile is −∞.
    whole.head.bias === null ? logits : withoutEmptyRows(logits);
  const stateOf = (columns: Columns, logits: tf.Tensor2D): State =>
    forwardState(tilePlan(plan), boundOfTile(plan, read, columns), shown(logits));
  const forward = tiles.map((columns) =>
    tidied(() => {
      const state = stateOf(columns, made(columns).logits);
      return {
        numbers: numbersOf(plan, columns, state),
        gathered: mapEntries(state.pivots, ({ logits }) => logits),
        highest: highestOfCapped(plan, state),
      };
    }),
  );
  const pivots = mapEntries(forward[0].gathered, (_, key) => {
    const ids = lookUp(ofSequences.candidates, lookUp(plan.views, key).pivotOf as Candidates);
    const gathered = forward.map((tile) => lookUp(tile.gathered, key));
    return pivotRows(ids, lookUp(bound.views, key), entriesOfTiles(ids, tiles, gathered), bound.rows);
  });
  const numbers = forward.map((tile) => tile.numbers);
  const merged = mergeRows(plan, numbers, (view) => pivots.get(view)?.pivot ?? (bound.rows.labels as tf.Tensor1D));
  const withoutSums: State = { ...mergedState(bound, merged), candidates: ofSequences.candidates, pivots };
  const candidateSums = mapEntries(ofKind(plan, "candidates"), (s) => sumOverCandidates(withoutSums, s));
  const highest = mapEntries(forward[0].highest, (_, key) =>
    forward.map((tile) => lookUp(tile.highest, key)).reduce((a, b) => tf.maximum(a, b)),
  );
  const tilesAgain = tiles.map((columns) => (): State => {
    const tile = { ...withoutSums, ...boundOfTile(plan, read, columns) };
    return readsLogits(plan) ? { ...tile, logits: shown(made(columns).logits) } : tile;
  });
  const classwise =
    ofKind(plan, "classwise").size === 0 ? null : classwiseTiles(plan, withoutSums, tilesAgain, highest);
  const state: State = { ...withoutSums, candidateSums, classwise: classwise?.values ?? new Map() };
  return {
    state,
    backward: (reached, before) => {
      const cotangent = (key: string): tf.Tensor1D | null => {
        const numbersOfKey = reached.byKey.get(key);
        return numbersOfKey === undefined ? null : tensorOf(numbersOfKey);
      };
      const within = merged.through(cotangent);
      const names = [...plan.parameters.keys()];
      const gradientOfTile = (tile: State, i: number): GradientOfViews => {
        const throughTile = reachedByRows(tilePlan(plan), tile, within[i]);
        const { kernel } = chooseKernel([], tile.rows.classes);
        return (keys) => {
          const wide = wideGradient(tilePlan(plan), tile, keys, throughTile);
          const ofCandidates = candidateGradients(plan, state, keys, cotangent);
          const gradient = addCandidates(wide, ofCandidates, tile.candidates, kernel);
          const parts = classwise?.parts(tile, keys, cotangent) ?? [];
          return parts.length === 0 ? gradient : withoutInvalidRows(sumOf([gradient, ...parts]), tile.rows.read);
        };
      };
      let hidden: readonly tf.Tensor2D[] | null = null;
      const scales = names.map((): tf.Scalar[] => []);
      const columns = tiles.map((tile, i) => {
        const soFar = hidden;
        const swept = tidied(() => {
          const { part, logits } = made(tile);
          const tileState = stateOf(tile, logits);
          const gradientOf = gradientOfTile(tileState, i);
          const gradient = gradientOf(ofModel(plan));
          return {
            columns: addToColumns(before.columns[i], part, read.hidden, gradient),
            hidden: before.hidden === null ? null : addToHidden(soFar, part, gradient),
            scales: names.map((name) =>
              hasScale(plan, name) ? [scaleGradient(plan, { ...tileState, logits }, name, gradientOf)] : [],
            ),
          };
        });
        hidden = swept.hidden;
        swept.scales.forEach((parts, k) => {
          scales[k].push(...parts);
        });
        return swept.columns;
      });
      const ofBlock = hidden === null ? [] : [sideBySide(hidden)];
      return {
        gradients: { hidden: before.hidden === null ? null : [...before.hidden, ...ofBlock], columns },
        scales,
      };
    },
  };
}

/** What the denominators of a block need: a state without the model's logits. */
export function columnTilesWithoutLogits(run: LinearRun, block: Int32Array | null): State {
  const { plan, tiles } = run;
  const read = readBlock(run, block);
  const numbers = tiles.map((columns) =>
    tidied(() => numbersOf(plan, columns, stateWithoutLogits(tilePlan(plan), boundOfTile(plan, read, columns)))),
  );
  return mergedState(
    read.bound,
    mergeRows(plan, numbers, () => read.bound.rows.labels as tf.Tensor1D),
  );
}

/** A block as all of its tiles see it. */
interface ReadBlock extends Pick<BlockRows, "hidden" | "wide"> {
  /** Of whole rows. */
  readonly bound: Bound;
  readonly ofSequences: OfSequences;
}

function readBlock({ loss, plan, whole }: LinearRun, block: Int32Array | null): ReadBlock {
  const { rows, hidden, wide } = rowsOfBlock(whole, block);
  const bound = bind(loss, plan, rows, loss.variables);
  const { labelFacts } = bound;
  return {
    ...{ hidden, wide, bound },
    ofSequences: { positions: positions(rows), candidates: candidatesOf(plan, rows), labelFacts },
  };
}

/** A batch and its tables as a tile sees them. */
function boundOfTile(plan: Plan, { bound, wide, ofSequences }: ReadBlock, columns: Columns): Bound {
  const { start, size } = columns;
  const { targets, teacher } = wide(columns);
  const tables = mapEntries(
    bound.tables,
    ({ tensor, support }): DotTable => ({
      tensor: tf.slice(tensor, [start], [size]),
      support: support?.filter((id) => id >= start && id < start + size).map((id) => id - start) ?? null,
    }),
  );
  const { labels } = bound.rows;
  return {
    ...bound,
    rows: {
      ...bound.rows,
      classes: size,
      labels: labels === null ? null : localIds(labels, columns, 0),
      targets,
      teacher: teacher === null ? null : withoutEmptyRows(teacher),
      ofSequences: {
        ...ofSequences,
        candidates: new Map([...ofSequences.candidates].map(([of, ids]) => [of, localIds(ids, columns, -1)])),
      },
    },
    views: mapEntries(bound.views, (view) =>
      typeof view.bias === "number" ? view : { ...view, bias: tf.slice(view.bias, [start], [size]) },
    ),
    tables,
    targetSums:
      targets === null ? new Map() : targetSumsOf(tilePlan(plan), targets, (table) => lookUp(tables, keyOf(table))),
  };
}

function numbersOf(plan: Plan, columns: Columns, { statistics, targetSums, tables }: State): TileNumbers {
  const one = (numbers: RowNumbers | null): tf.Tensor1D | null => (numbers === null ? null : tensorOf(numbers));
  const ofDots = [...ofKind(plan, "dot").values()].flatMap(({ table }) => (table === null ? [] : [keyOf(table)]));
  return {
    ...{ columns, targetSums },
    statistics: mapEntries(
      statistics,
      ({ m, s, n, t, r, e, dots }): RowStatistics => ({
        ...{ m: one(m), s: one(s), n: one(n), t: one(t), r: one(r), e: one(e) },
        dots: dots.map(tensorOf),
        state: [],
      }),
    ),
    totals: new Map(ofDots.map((key) => [key, total(lookUp(tables, key).tensor)])),
  };
}

function mergedState(bound: Bound, { statistics, targetSums }: MergedRows): State {
  return {
    ...{ ...bound, statistics, targetSums },
    ...{ logits: tf.zeros([0, 0]), columns: new Map(), classwise: new Map(), wholeRows: new Map() },
    ...{ candidates: new Map(), pivots: new Map(), candidateSums: new Map() },
  };
}

/** Of entries [R, K] that were read in each tile those of the tile that has the id. */
function entriesOfTiles(ids: tf.Tensor2D, tiles: readonly Columns[], gathered: readonly tf.Tensor2D[]): tf.Tensor2D {
  return tf.tidy(() =>
    tiles.reduce<tf.Tensor2D>(
      (known, columns, i) => tf.where(isWithin(ids, columns), gathered[i], known),
      tf.zeros(ids.shape),
    ),
  );
}

/** Logits with a finite number in the place of −∞ in rows that have nothing else: they get statistics, and p stays 0. */
function withoutEmptyRows(logits: tf.Tensor2D): tf.Tensor2D {
  return tf.tidy(() => {
    // A maximum may pass over NaN, a sum does not.
    const isLow = tf.less(tf.max(logits, 1), -3e38);
    const isEmpty = tf.logicalAnd(isLow, tf.equal(rowSums(tf.exp(logits)), 0));
    if (isHostBackend() && !isEmpty.dataSync().includes(1)) return logits;
    return tf.where(isEmpty.expandDims(1), tf.fill(logits.shape, lowestLogit), logits);
  });
}
