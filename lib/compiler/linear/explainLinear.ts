/** The linear form in words: its blocks, and its bytes beside those of the dense form. */
import * as tf from "@tensorflow/tfjs";
import { chooseProducts } from "../../kernels/products/choose.ts";
import { LossError } from "../../loss/error.ts";
import { checkVocabulary } from "../../loss/inventory.ts";
import type { Plan } from "../plan.ts";
import { readsLogits } from "./classwiseTiles.ts";
import { columnTiles } from "./columnTiles.ts";
import { largestBinding } from "./deviceLimit.ts";
import { heldBlocks } from "./heldBlocks.ts";
import { isOneSweep } from "./oneSweep.ts";
import { checkOverLogits } from "./overLogits.ts";
import { checkTileOptions, type LinearTileOptions, tileSizes, wholeRowNeed } from "./tileSizes.ts";

/** The sizes of a batch of the linear form. */
export interface LinearSizes extends LinearTileOptions {
  /** N, the rows of a batch. */
  readonly rows: number;
  /** D, the length of a hidden state. */
  readonly width: number;
  /** V. */
  readonly classes: number;
}

export function explainLinear(plan: Plan, sizes: LinearSizes): readonly string[] {
  checkOverLogits(plan, "explain({ linear })");
  checkSizes(sizes);
  checkVocabulary(plan.fields, sizes.classes);
  const { rows, width, classes } = sizes;
  const held = heldBlocks(plan);
  const limit = tf.getBackend() === undefined ? null : largestBinding();
  const tile = tileSizes(sizes, sizes, limit, wholeRowNeed(plan), held);
  const blocks = Math.ceil(rows / tile.rows);
  const tiles = columnTiles(classes, tile.columns).length;
  const spare = tf.getBackend() === undefined ? null : chooseProducts().spare;
  const kernel = 4 * width * classes;
  const part = 4 * width * tile.columns;
  const ofTile = held * 4 * tile.rows * tile.columns + (spare ?? 0) * part;
  // A tile reads a copy of its part of the kernel, and gradients of the parts are put together.
  const peak = tiles === 1 ? ofTile : Math.max(ofTile + part, kernel);
  return [
    "linear form",
    `  ${counted(blocks, "block")} of at most ${tile.rows} rows, ${
      tiles === 1 ? "" : `in ${tiles} tiles of at most ${tile.columns} columns, `
    }[${tile.rows}, ${tile.columns}] logits each`,
    `  ${sweeps(plan, tiles > 1)}`,
    spare === null
      ? "  the gradient of the kernel is added up by the backend, which is not started yet"
      : spare === 0
        ? "  the gradient of the kernel is added up in place"
        : `  the gradient of the kernel is added up with ${spare} more of its ${tiles === 1 ? "" : "part's "}size`,
    `  peak, beside inputs and their gradients: ${megabytes(peak)}, ${held} ${
      tiles === 1 ? "blocks" : "tiles with their part of the kernel"
    }${spare ? ` and sums of the ${tiles === 1 ? "kernel's" : "part's"} size` : ""}`,
    `  the dense form: ${megabytes(held * 4 * rows * classes)}`,
  ];
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** By columns the tiles of a block are made again for their gradient, and for sums that read the statistics of whole rows. */
function sweeps(plan: Plan, byColumns: boolean): string {
  const one = isOneSweep(plan);
  const forward = byColumns && readsLogits(plan) ? 2 : 1;
  const products = (one ? forward : 2 * forward) + (byColumns ? 3 : 2);
  const each = `${["three", "four", "five", "six", "seven"][products - 3]} products a block`;
  const again = byColumns ? ", whose tiles are made again for their gradient" : "";
  return one
    ? `one sweep: value and gradients with ${each}${again}`
    : `two sweeps, since a row's value depends on other rows or stays one number a row: ${each}${again}`;
}

function checkSizes(sizes: LinearSizes): void {
  for (const name of ["rows", "width", "classes"] as const) {
    const size = sizes?.[name];
    if (Number.isInteger(size) && size > 0) continue;
    throw new LossError(`explain({ linear: { ${name} } })`, `got ${String(size)}`, "Give a whole number above 0");
  }
  checkTileOptions(sizes);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toPrecision(3)} MB`;
}
