/**
 * Sums over the classes that are not linear in nll, of rows whose logits exist a tile of columns at a time. Each class reads m and s of
 * the whole row, so that its tile is made once more when these are known; so are the sums that the gradient of each class reads.
 */
import * as tf from "@tensorflow/tfjs";
import type { ClassSums } from "../../kernels/throughSoftmax.ts";
import type { LogitsAtom } from "../../loss/loss.ts";
import type { View } from "../../loss/view.ts";
import { type ClasswiseContext, classwiseSum, classwiseSums, logitsAtomsOf } from "../classwise.ts";
import { classwiseParts } from "../gradients.ts";
import { keyOf, type Weighting } from "../narrow.ts";
import type { Plan } from "../plan.ts";
import { tidied } from "../saved.ts";
import { classwiseContext, lookUp, mapEntries, ofKind, type State, viewedRows } from "../state.ts";
import { orInfinite } from "./emptyTiles.ts";

export interface ClasswiseTiles {
  readonly values: State["classwise"];
  /** The parts of the gradient of a tile that come through such sums in some of the views. */
  readonly parts: (
    tile: State,
    keys: readonly string[],
    cotangent: (key: string) => tf.Tensor1D | null,
  ) => readonly tf.Tensor2D[];
}

/** Whether such sums read the model's logits. */
export function readsLogits(plan: Plan): boolean {
  return [...ofKind(plan, "classwise").values()].some(({ body }) => logitsAtomsOf(body).length > 0);
}

/** The highest entries of a tile in the views with a cap, which the kernel rounds otherwise. */
export function highestOfCapped(plan: Plan, tile: State): ReadonlyMap<string, tf.Tensor1D> {
  if (ofKind(plan, "classwise").size === 0) return new Map();
  const capped = new Map([...plan.views].filter(([, { cap }]) => cap !== null));
  return mapEntries(capped, (view) => viewedRows(tile, view).m);
}

/** `rows` are the whole rows, `tiles` a way to make each tile, and `highest` the highest entries in the views with a cap. */
export function classwiseTiles(
  plan: Plan,
  rows: State,
  tiles: readonly (() => State)[],
  highest: ReadonlyMap<string, tf.Tensor1D>,
): ClasswiseTiles {
  const sums = ofKind(plan, "classwise");
  const contextOf =
    (tile: State) =>
    (weighting: Weighting): ClasswiseContext => {
      const whole = { ...tile, statistics: rows.statistics };
      const viewed = (view: View): ReturnType<typeof viewedRows> => {
        const shown = viewedRows(whole, view);
        return { ...shown, m: highest.get(keyOf(view)) ?? shown.m };
      };
      return classwiseContext(whole, weighting, { viewed, classes: rows.rows.classes });
    };
  const swept = tiles.map((make) =>
    tidied(() => {
      const context = contextOf(make());
      return mapEntries(sums, ({ body, weighting }) => {
        const of = context(weighting);
        return {
          value: classwiseSum(body, of),
          atoms: logitsAtomsOf(body).map((a) => classwiseSums(body, a, of)),
        };
      });
    }),
  );
  const added = (of: (tile: (typeof swept)[number]) => tf.Tensor): tf.Tensor =>
    swept.map(of).reduce((sum, part) => tf.add(sum, part));
  const ofRows = mapEntries(sums, ({ body }, key) =>
    logitsAtomsOf(body).map((_, i): ClassSums => {
      const one = (name: keyof ClassSums): tf.Tensor => added((tile) => lookUp(tile, key).atoms[i][name]);
      return { sum: one("sum"), ofOthers: one("ofOthers") };
    }),
  );
  const sumsOf = (key: string, a: LogitsAtom): ClassSums => {
    const { body } = lookUp(sums, key);
    return lookUp(ofRows, key)[logitsAtomsOf(body).indexOf(a)];
  };
  return {
    values: mapEntries(sums, (_, key) => orInfinite(added((tile) => lookUp(tile, key).value) as tf.Tensor1D)),
    parts: (tile, keys, cotangent) =>
      classwiseParts(plan, tile, keys, cotangent, { contextOf: contextOf(tile), sumsOf }),
  };
}
