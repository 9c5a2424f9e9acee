/**
 * A block of rows whose logits exist a tile of columns at a time. The forward pass keeps the statistics of the tiles, from which those
 * of the rows follow; the way back makes each tile anew. All of it is the plan, kernels and gradients of whole rows.
 */
import * as tf from "@tensorflow/tfjs";
import { chooseKernel } from "../../kernels/choose.ts";
import { type RowNumbers, tensorOf } from "../../kernels/column.ts";
import { withoutInvalidRows } from "../../kernels/portable.ts";
import type { RowStatistics } from "../../kernels/rowStatistics.ts";
import { sumOf, total } from "../../kernels/sums.ts";
import type { Candidates } from "../../loss/candidates.ts";
import { pivotRows } from "../candidates.ts";
import {
  addCandidates,
  candidateGradients,
  type GradientOfViews,
  hasScale,
  ofModel,
  type ReachedStatistics,
  reachedByRows,
  scaleGradient,
  wideGradient,
} from "../gradients.ts";
import { keyOf } from "../narrow.ts";
import type { Plan } from "../plan.ts";
import { tidied } from "../saved.ts";
import {
  type Bound,
  forwardState,
  lookUp,
  mapEntries,
  ofKind,
  type State,
  stateWithoutLogits,
  sumOverCandidates,
} from "../state.ts";
import { type ClasswiseTiles, classwiseTiles, highestOfCapped, readsLogits } from "./classwiseTiles.ts";
import { type Columns, isWithin } from "./columnTiles.ts";
import { orInfinite } from "./emptyTiles.ts";
import { addToColumns, addToHidden, type Head, headColumns, headLogits, sideBySide } from "./head.ts";
import type { BlockPass, LinearRun } from "./linearRun.ts";
import { type MergedRows, mergeRows, type TileNumbers } from "./mergedRows.ts";
import { boundOfTile, type ReadBlock, readBlock } from "./tileBound.ts";
import { tilePlan } from "./tilePlan.ts";

export function columnTilesPass(run: LinearRun, block: Int32Array | null): BlockPass {
  const { plan } = run;
  const tiles = tilesOfBlock(run, block);
  const forward = mergeTiles(plan, tiles);
  return {
    state: forward.state,
    backward: (reached, before) => {
      const names = [...plan.parameters.keys()].map((name) => ({ name, isRead: hasScale(plan, name) }));
      const gradientOf = gradientsOfTiles(plan, forward, reached);
      let hidden: readonly tf.Tensor2D[] | null = null;
      const scales = names.map((): tf.Scalar[] => []);
      const columns = tiles.tiles.map((tile, i) => {
        const soFar = hidden;
        const swept = tidied(() => {
          const { part, state } = tiles.make(tile);
          const ofViews = gradientOf(state, i);
          const gradient = ofViews(ofModel(plan));
          return {
            columns: addToColumns(before.columns[i], part, tiles.read.hidden, gradient),
            hidden: before.hidden === null ? null : addToHidden(soFar, part, gradient),
            scales: names.map(({ name, isRead }) =>
              isRead ? [orInfinite(scaleGradient(plan, state, name, ofViews))] : [],
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

/** The tiles of a block, and how each is made. */
interface BlockTiles {
  readonly read: ReadBlock;
  readonly tiles: readonly Columns[];
  /** A tile's part of the layer, and what the kernel reads of its logits. */
  readonly make: (columns: Columns) => { readonly part: Head; readonly state: State };
  /** The same with the statistics of `rows`, which are whole, for sums over the classes. */
  readonly makeFor: (rows: State, columns: Columns) => State;
}

function tilesOfBlock(run: LinearRun, block: Int32Array | null): BlockTiles {
  const { plan, whole, tiles } = run;
  const read = readBlock(run, block);
  return {
    ...{ read, tiles },
    make: (columns) => {
      const part = headColumns(whole.head, columns);
      const logits = headLogits(part, read.hidden);
      return { part, state: forwardState(tilePlan(plan), boundOfTile(plan, read, columns), logits) };
    },
    makeFor: (rows, columns) => {
      const tile = { ...rows, ...boundOfTile(plan, read, columns) };
      return readsLogits(plan) ? { ...tile, logits: headLogits(headColumns(whole.head, columns), read.hidden) } : tile;
    },
  };
}

/** A block after its forward pass over all tiles. */
interface MergedBlock {
  readonly state: State;
  readonly merged: MergedRows;
  /** Null without such sums. */
  readonly classwise: ClasswiseTiles | null;
}

function mergeTiles(plan: Plan, { read, tiles, make, makeFor }: BlockTiles): MergedBlock {
  const { bound, ofSequences } = read;
  const forward = tiles.map((columns) =>
    tidied(() => {
      const { state } = make(columns);
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
  const again = tiles.map((columns) => () => makeFor(withoutSums, columns));
  const classwise = ofKind(plan, "classwise").size === 0 ? null : classwiseTiles(plan, withoutSums, again, highest);
  return { state: { ...withoutSums, candidateSums, classwise: classwise?.values ?? new Map() }, merged, classwise };
}

/** The gradient of each tile through some of the views, given what reaches the statistics of the rows. */
function gradientsOfTiles(
  plan: Plan,
  { state, merged, classwise }: MergedBlock,
  { byKey }: ReachedStatistics,
): (tile: State, index: number) => GradientOfViews {
  const cotangent = (key: string): tf.Tensor1D | null => {
    const numbers = byKey.get(key);
    return numbers === undefined ? null : tensorOf(numbers);
  };
  const within = merged.through(cotangent);
  return (tile, index) => {
    const throughTile = reachedByRows(tilePlan(plan), tile, within[index]);
    const { kernel } = chooseKernel([], tile.rows.classes);
    return (keys) => {
      const wide = wideGradient(tilePlan(plan), tile, keys, throughTile);
      const ofCandidates = candidateGradients(plan, state, keys, cotangent);
      const gradient = addCandidates(wide, ofCandidates, tile.candidates, kernel);
      const parts = classwise?.parts(tile, keys, cotangent) ?? [];
      return parts.length === 0 ? gradient : withoutInvalidRows(sumOf([gradient, ...parts]), tile.rows.read);
    };
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
