/** The linear form in words: its blocks, and its bytes beside those of the dense form. */
import * as tf from "@tensorflow/tfjs";
import { chooseProducts } from "../../kernels/products/choose.ts";
import { LossError } from "../../loss/error.ts";
import { checkVocabulary } from "../../loss/inventory.ts";
import type { Plan } from "../plan.ts";
import { heldBlocks } from "./heldBlocks.ts";
import { isOneSweep } from "./oneSweep.ts";
import { checkOverLogits } from "./overLogits.ts";
import { checkTileRows, rowsOfTile } from "./tiles.ts";

/** The sizes of a batch of the linear form. */
export interface LinearSizes {
  /** N, the rows of a batch. */
  readonly rows: number;
  /** D, the length of a hidden state. */
  readonly width: number;
  /** V. */
  readonly classes: number;
  /** As given to `compileLinear`. */
  readonly tileRows?: number;
}

export function explainLinear(plan: Plan, sizes: LinearSizes): readonly string[] {
  checkOverLogits(plan, "explain({ linear })");
  checkSizes(sizes);
  checkVocabulary(plan.fields, sizes.classes);
  const { rows, width, classes, tileRows } = sizes;
  const held = heldBlocks(plan);
  const ofBlock = Math.min(rows, rowsOfTile(classes, tileRows, held));
  const blocks = Math.ceil(rows / ofBlock);
  const one = isOneSweep(plan);
  const spare = tf.getBackend() === undefined ? null : chooseProducts().spare;
  const logits = 4 * rows * classes;
  const peak = held * 4 * ofBlock * classes + (spare ?? 0) * 4 * width * classes;
  return [
    "linear form",
    `  ${blocks} ${blocks === 1 ? "block" : "blocks"} of at most ${ofBlock} rows, [${ofBlock}, ${classes}] logits each`,
    one
      ? "  one sweep: value and gradients with three products a block"
      : "  two sweeps, since a row's value depends on other rows or stays one number a row: four products a block",
    spare === null
      ? "  the gradient of the kernel is added up by the backend, which is not started yet"
      : spare === 0
        ? "  the gradient of the kernel is added up in place"
        : `  the gradient of the kernel is added up with ${spare} more of its size`,
    `  peak, beside inputs and their gradients: ${megabytes(peak)}, ${held} blocks${spare ? " and sums of the kernel's size" : ""}`,
    `  the dense form: ${megabytes(held * logits)}`,
  ];
}

function checkSizes(sizes: LinearSizes): void {
  for (const name of ["rows", "width", "classes"] as const) {
    const size = sizes?.[name];
    if (Number.isInteger(size) && size > 0) continue;
    throw new LossError(`explain({ linear: { ${name} } })`, `got ${String(size)}`, "Give a whole number above 0");
  }
  checkTileRows(sizes.tileRows);
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toPrecision(3)} MB`;
}
