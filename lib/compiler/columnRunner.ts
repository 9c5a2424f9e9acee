/**
 * Runs a plan's numbers over the columns of values, and their gradients: where the host reads tensors without waiting
 * as one generated loop a pass, elsewhere as ordinary ops over [N, D].
 */
import * as tf from "@tensorflow/tfjs";
import { total } from "../kernels/sums.ts";
import type { Rows } from "./batch.ts";
import { loopColumns } from "./columnLoop.ts";
import { opsColumns } from "./columnOps.ts";
import type { ColumnPlan, RowNumber, RunExpression } from "./columns.ts";
import { isHostBackend } from "./entries.ts";
import type { ParameterValues } from "./state.ts";

/** Numbers of the rows, [N], by key. */
export type NumbersByKey = ReadonlyMap<string, tf.Tensor1D>;

/** A batch of values and what is known of its rows. */
export interface ColumnState {
  readonly rows: Rows;
  /** [N, D], as they came; the targets are with the rows. */
  readonly predictions: tf.Tensor2D;
  readonly parameters: ParameterValues;
  readonly numbers: NumbersByKey;
  readonly cotangents: NumbersByKey;
}

/** Evaluates expressions over the columns. */
export interface ColumnRunner {
  /** Numbers of each row, [N] each; anything but NaN in rows that are not read. */
  readonly rows: (numbers: readonly RowNumber[]) => readonly tf.Tensor1D[];
  /** A number for each column, [N, D]; 0 in rows that are not read. */
  readonly each: (e: RunExpression) => tf.Tensor2D;
}

function columnRunner(state: ColumnState): ColumnRunner {
  return isHostBackend() ? loopColumns(state) : opsColumns(state);
}

/** The numbers of the rows of a batch. */
export function columnNumbers(plan: ColumnPlan, given: Omit<ColumnState, "numbers" | "cotangents">): NumbersByKey {
  const numbers = new Map<string, tf.Tensor1D>();
  for (const pass of plan.forward) {
    if (given.rows.count === 0) for (const { key } of pass) numbers.set(key, tf.tensor1d([], "float32"));
    else {
      const found = columnRunner({ ...given, numbers, cotangents: new Map() }).rows(pass);
      pass.forEach(({ key }, i) => {
        numbers.set(key, found[i]);
      });
    }
  }
  return numbers;
}

/**
 * The state with what reaches each number, given what reaches it directly: with what comes through the numbers that
 * read it.
 */
export function withCotangents(
  plan: ColumnPlan,
  known: Omit<ColumnState, "cotangents">,
  direct: NumbersByKey,
): ColumnState {
  const cotangents = new Map(direct);
  const state = { ...known, cotangents };
  for (const number of plan.through) {
    const [through] = columnRunner(state).rows([number]);
    const other = cotangents.get(number.key);
    cotangents.set(number.key, other === undefined ? through : tf.add(other, through));
  }
  return state;
}

/** An expression in every column, [N, D]; 0 in rows that are not read. */
export function columnValues(e: RunExpression, state: ColumnState): tf.Tensor2D {
  return columnRunner(state).each(e);
}

/** The sum of an expression over rows and columns. */
export function columnTotal(body: RunExpression, state: ColumnState): tf.Scalar {
  return total(columnRunner(state).rows([{ key: "", aggregate: "sum", body }])[0]);
}
