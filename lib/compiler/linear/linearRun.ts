/** A loss on a batch of the linear form, cut into blocks of rows and tiles of columns. */
import type * as tf from "@tensorflow/tfjs";
import type { Executable } from "../execute.ts";
import type { ReachedStatistics } from "../gradients.ts";
import type { Plan } from "../plan.ts";
import type { State } from "../state.ts";
import type { Columns } from "./columnTiles.ts";
import type { HeadGradients } from "./head.ts";
import type { LinearRows } from "./linearBatch.ts";
import type { RowBlocks } from "./rowBlocks.ts";

export interface LinearRun {
  readonly loss: Executable;
  readonly plan: Plan;
  readonly whole: LinearRows;
  readonly rowsOfBlock: number;
  readonly blocks: RowBlocks;
  /** One is the whole row. */
  readonly tiles: readonly Columns[];
}

/** A block of rows after its forward pass. The tensors belong to the surrounding tidy. */
export interface BlockPass {
  /** What the narrow part reads of the block. */
  readonly state: State;
  /** The way back, given what reaches the statistics of the rows. The gradients before are used up. */
  readonly backward: (reached: ReachedStatistics, before: HeadGradients) => BlockGradients;
}

export interface BlockGradients {
  readonly gradients: HeadGradients;
  /** What reaches each parameter of the plan through the scales of views; nothing where it is in none. */
  readonly scales: readonly (readonly tf.Scalar[])[];
}
