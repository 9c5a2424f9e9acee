/** Batches as a metric looks at them. */
import * as tf from "@tensorflow/tfjs";
import { type Batch, type Rows, readBatch } from "../compiler/batch.ts";
import type { Batches } from "../compiler/compile.ts";
import type { Plan } from "../compiler/plan.ts";
import { readValues, type ValuesBatch } from "../compiler/valuesBatch.ts";
import { type AnyLoss, type Input, inputOf } from "../loss/loss.ts";

/** What a batch is: the model's output is its logits or its predictions. */
export type Entries = Omit<Batch, "logits"> | Omit<ValuesBatch, "predictions">;

/** The batch that a model's output makes of its other entries. */
export function batchOf(loss: AnyLoss, entries: Entries, output: tf.Tensor): Batches[Input] {
  return inputOf(loss) === "values"
    ? { ...(entries as Omit<ValuesBatch, "predictions">), predictions: output }
    : { ...(entries as Omit<Batch, "logits">), logits: output };
}

/** A batch laid out by rows. Its tensors belong to the surrounding tidy. */
export function rowsOf(loss: AnyLoss, plan: Plan, batch: Batches[Input]): Rows {
  // Inputs and a teacher are no part of what rows there are.
  const facts = { ...plan, inputs: [], teacher: false, look: false };
  return inputOf(loss) === "values" ? readValues(facts, batch as ValuesBatch) : readBatch(facts, batch as Batch);
}

/** 1 for each valid row, 0 for the others, NaN where a label is no class; [N]. */
export function validOf({ validWeight, count }: Rows): tf.Tensor1D {
  return validWeight ?? tf.ones([count]);
}
