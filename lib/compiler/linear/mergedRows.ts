/** What a plan reads of whole rows, from what was read of their tiles of columns; and what the tiles get of its gradient. */
import * as tf from "@tensorflow/tfjs";
import type { RowStatistics, StatisticName } from "../../kernels/rowStatistics.ts";
import { keyOf } from "../narrow.ts";
import type { Plan } from "../plan.ts";
import { tidied } from "../saved.ts";
import { dotsOf, lookUp, mapEntries, type OfKind, type State, wantedOf } from "../state.ts";
import { type Columns, isWithin } from "./columnTiles.ts";
import {
  type MergedView,
  mergeCrossEntropy,
  mergeDot,
  mergeView,
  type Shares,
  shared,
  throughTiles,
} from "./mergedView.ts";
import { tilePlan, weightsOf } from "./tilePlan.ts";

/** What is kept of a tile: numbers of its rows, by the keys of the tile's plan. */
export interface TileNumbers {
  readonly columns: Columns;
  readonly statistics: ReadonlyMap<string, RowStatistics>;
  readonly targetSums: State["targetSums"];
  /** The sum of each table that is read whole. */
  readonly totals: ReadonlyMap<string, tf.Scalar>;
}

export interface MergedRows {
  readonly statistics: ReadonlyMap<string, RowStatistics>;
  readonly targetSums: State["targetSums"];
  /** What reaches the statistics of each tile, [statistics, R], in the order of the tile's plan. */
  readonly through: (reached: (key: string) => tf.Tensor1D | null) => readonly tf.Tensor2D[];
}

/** `labelOf` is what a view leaves out of its sums: the row's label, or the pivot of candidates. */
export function mergeRows(
  plan: Plan,
  tiles: readonly TileNumbers[],
  labelOf: (view: string) => tf.Tensor1D,
): MergedRows {
  const ofTile = tilePlan(plan);
  const views = [...(tiles[0]?.statistics.keys() ?? [])];
  const merged = new Map(views.map((key) => [key, tidied(() => mergeView(tilesOfView(tiles, key, labelOf)))]));
  const dots = new Map(views.flatMap((view) => dotsOfTiles(ofTile, tiles, view, merged)));
  const weights = (dot: OfKind<"crossEntropy">): tf.Tensor2D => {
    const key = keyOf(weightsOf(dot));
    return dot.weighting === "targets" ? stacked(tiles, (tile) => lookUp(tile.targetSums, key)) : lookUp(dots, key);
  };
  const rowsOf = (dot: Dot, shares: Shares): tf.Tensor1D => {
    const values = lookUp(dots, keyOf(dot));
    if (dot.kind === "targetSum") return tf.sum(values, 0) as tf.Tensor1D;
    if (dot.kind === "crossEntropy") return mergeCrossEntropy(values, weights(dot), shares);
    return mergeDot(values, totalsOf(tiles, dot), shares);
  };
  return {
    statistics: mapEntries(merged, (view, key): RowStatistics => {
      const { m, s, ofLabel, e, shares } = view;
      const wanted = wantedOf(plan, key);
      const of = (name: StatisticName, value: tf.Tensor1D | null | undefined): tf.Tensor1D | null =>
        wanted.has(name) ? (value ?? null) : null;
      return {
        ...{ m: of("m", m), s: of("s", s), e: of("e", e) },
        ...{ n: of("n", ofLabel?.n), t: of("t", ofLabel?.t), r: of("r", ofLabel?.r) },
        dots: dotsOf(plan, key).map((dot) => rowsOf(dot, shares)),
        state: [],
      };
    }),
    targetSums: mapEntries(
      tiles[0].targetSums,
      (_, key) =>
        tf.sum(
          stacked(tiles, (tile) => lookUp(tile.targetSums, key)),
          0,
        ) as tf.Tensor1D,
    ),
    through: (reached) =>
      tf.tidy(() => {
        const known = new Map(
          [...merged].flatMap(([key, view]) => reachedTiles(plan, key, view, reached, weights, merged)),
        );
        const { statistics } = ofTile.cotangents;
        const nothing = (): tf.Tensor => tf.zeros([tiles.length, rows(tiles)]);
        if (statistics.length === 0) return tiles.map(() => tf.zeros<tf.Rank.R2>([0, rows(tiles)]));
        const within = tf.stack(statistics.map((key) => known.get(key) ?? nothing()));
        return tiles.map((_, i) =>
          tf.slice(within, [0, i, 0], [statistics.length, 1, -1]).reshape<tf.Tensor2D>([statistics.length, -1]),
        );
      }),
  };
}

type Dot = OfKind<"dot" | "crossEntropy" | "targetSum">;

function rows([{ statistics }]: readonly TileNumbers[]): number {
  const [first] = statistics.values();
  return first?.m?.size ?? 0;
}

function stacked(tiles: readonly TileNumbers[], of: (tile: TileNumbers) => tf.Tensor): tf.Tensor2D {
  return tf.stack(tiles.map(of)) as tf.Tensor2D;
}

function tilesOfView(
  tiles: readonly TileNumbers[],
  key: string,
  labelOf: (view: string) => tf.Tensor1D,
): Parameters<typeof mergeView>[0] {
  const numbers = (name: StatisticName): tf.Tensor2D =>
    stacked(tiles, ({ statistics }) => lookUp(statistics, key)[name] as tf.Tensor1D);
  const has = (name: StatisticName): boolean => lookUp(tiles[0].statistics, key)[name] !== null;
  return {
    m: numbers("m"),
    s: numbers("s"),
    ofLabel: has("t")
      ? {
          t: numbers("t"),
          r: numbers("r"),
          isOwn: stacked(tiles, ({ columns }) => isWithin(labelOf(key), columns)),
        }
      : null,
    e: has("e") ? numbers("e") : null,
  };
}

/** The sums over the vocabulary with a view, [T, R] each, those that a teacher's softmax weighs as parts of the row's. */
function dotsOfTiles(
  ofTile: Plan,
  tiles: readonly TileNumbers[],
  view: string,
  merged: ReadonlyMap<string, MergedView>,
): readonly (readonly [string, tf.Tensor2D])[] {
  return dotsOf(ofTile, view).map((dot, k) => {
    const values = stacked(tiles, ({ statistics }) => lookUp(statistics, view).dots[k]);
    const isShared = dot.kind !== "dot" && dot.weighting !== "targets";
    return [keyOf(dot), isShared ? shared(values, lookUp(merged, keyOf(dot.weighting)).shares) : values];
  });
}

/** The sum of a dot's table in each tile, [T, 1]. */
function totalsOf(tiles: readonly TileNumbers[], { table }: OfKind<"dot">): tf.Tensor2D {
  const total = ({ columns, totals }: TileNumbers): tf.Scalar =>
    table === null ? tf.scalar(columns.size) : lookUp(totals, keyOf(table));
  return stacked(tiles, total).reshape([tiles.length, 1]);
}

/** What reaches the tiles' statistics in a view, [T, R] each, by key. */
function reachedTiles(
  plan: Plan,
  key: string,
  merged: MergedView,
  reached: (key: string) => tf.Tensor1D | null,
  weightsIn: (dot: OfKind<"crossEntropy">) => tf.Tensor2D,
  all: ReadonlyMap<string, MergedView>,
): readonly (readonly [string, tf.Tensor2D])[] {
  const view = lookUp(plan.views, key);
  if (view.of === "teacher") return [];
  const of = (kind: StatisticName): tf.Tensor1D | null => reached(keyOf({ kind, view }));
  const dots = dotsOf(plan, key).flatMap((dot) => {
    const g = reached(keyOf(dot));
    return g === null ? [] : [{ dot, g }];
  });
  const crossEntropies = dots.flatMap(({ dot, g }) =>
    dot.kind === "crossEntropy" ? [{ g, weights: weightsIn(dot) }] : [],
  );
  const tiles = throughTiles(merged, {
    ...{ s: of("s"), n: of("n"), t: of("t") },
    r: of("r"),
    e: of("e"),
    crossEntropies,
  });
  const named = (["s", "t", "r", "e"] as const).flatMap((kind) => {
    const numbers = tiles[kind];
    return numbers === null ? [] : [[keyOf({ kind, view }), numbers] as const];
  });
  const ofDots = dots.map(({ dot, g }) => {
    const ones = tf.onesLike(merged.shares.p);
    const part = dot.kind === "dot" || dot.weighting === "targets" ? ones : lookUp(all, keyOf(dot.weighting)).shares.p;
    return [keyOf(dot), tf.mul(g, part) as tf.Tensor2D] as const;
  });
  return [...named, ...ofDots];
}
