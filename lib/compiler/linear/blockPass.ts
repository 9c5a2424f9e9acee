/** A block of rows through the layer, whole or by columns, and what the blocks' gradients come to. */
import type * as tf from "@tensorflow/tfjs";
import { columnTilesPass } from "./columnTilesPass.ts";
import { type HeadGradients, joinColumns } from "./head.ts";
import type { BlockPass, LinearRun } from "./linearRun.ts";
import { joined } from "./rowBlocks.ts";
import { wholeRowsPass } from "./wholeRowsPass.ts";

export function blockPass(run: LinearRun, block: Int32Array | null): BlockPass {
  // No row is as wide as any.
  const isWhole = run.tiles.length === 1 || block?.length === 0;
  return isWhole ? wholeRowsPass(run, block) : columnTilesPass(run, block);
}

/** The gradients of what a loss reads. */
export interface Gradients {
  /** [N, D]. */
  readonly hidden: tf.Tensor2D | null;
  readonly pieces: readonly tf.Tensor2D[] | null;
  /** [V]. */
  readonly bias: tf.Tensor1D | null;
  readonly parameters: readonly tf.Scalar[] | null;
}

/** The gradients of the parts of a layer in the shape that each has there. */
export function joinedGradients(
  { whole, blocks }: LinearRun,
  { hidden, columns }: HeadGradients,
): Omit<Gradients, "parameters"> {
  const { head } = whole;
  return {
    hidden: hidden === null ? null : (joined(blocks, hidden, head.hidden.shape[1]) as tf.Tensor2D),
    ...joinColumns(head, columns),
  };
}
