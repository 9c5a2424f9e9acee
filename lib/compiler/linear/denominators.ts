/** What the terms of a loss are divided by, where that comes from labels, weights and a teacher alone. */
import * as tf from "@tensorflow/tfjs";
import { sumOf } from "../../kernels/sums.ts";
import { bind } from "../execute.ts";
import { type State, stateWithoutLogits } from "../state.ts";
import { narrowRunner } from "../values.ts";
import { columnTilesWithoutLogits } from "./columnTilesPass.ts";
import type { LinearRun } from "./linearRun.ts";
import { rowBlocks, rowsOfBlock } from "./rowBlocks.ts";

/**
 * What each term's numerator is divided by, [terms]. Rows of weight 0 count in a mean. Only what is made as wide as the vocabulary is
 * taken in blocks and tiles.
 */
export function sweptDenominators(run: LinearRun): tf.Tensor1D {
  const { loss, plan, whole, tiles } = run;
  const { targets, teacher } = whole.rows;
  // With no row the fields are still checked.
  const isNarrow = whole.rows.count === 0 || [targets, teacher, whole.sparse, whole.teacher].every((x) => x === null);
  const { blocks } = isNarrow ? { blocks: [null] } : rowBlocks({ ...whole.rows, read: null }, run.rowsOfBlock);
  const stateOf = (block: Int32Array | null): State => {
    if (!isNarrow && tiles.length > 1) return columnTilesWithoutLogits(run, block);
    const { rows, wide } = rowsOfBlock(whole, block);
    return stateWithoutLogits(plan, bind(loss, plan, { ...rows, ...wide(null) }, loss.variables));
  };
  const parts = blocks.map((block) => tf.tidy(() => narrowRunner(plan, stateOf(block)).totals(plan.denominators)));
  return sumOf(parts);
}
