/**
 * What losses over values read: the predictions and targets of a row, column by column, and numbers of the row over its
 * columns.
 */
import { LossError } from "./error.ts";
import { atom, constant, type Expression, max, min, subtract } from "./expression.ts";
import type { ClassAtom, ColumnAggregate, ColumnAtom, ColumnExpression } from "./loss.ts";

/** Over columns: the prediction in the column. */
export const prediction: ColumnExpression = atom({ kind: "prediction" });

/**
 * Over the columns of values: the target in the column. In a loss over logits: the weight of the class among the row's targets, 1
 * at an integer label, where there are no others. Such a loss is not linear in soft labels, and has no value at the other classes.
 */
export const target: Expression<ClassAtom & ColumnAtom> = atom({ kind: "target" });

/** prediction − target. */
export const error: ColumnExpression = subtract(prediction, target);

/**
 * In a loss over values: the sum, the mean or the maximum of an expression over the columns of the row. The gradient of
 * a maximum is shared evenly by the columns that have it.
 */
export function overColumns(aggregate: ColumnAggregate, body: ColumnExpression): Expression<ClassAtom & ColumnAtom> {
  if (aggregate !== "sum" && aggregate !== "mean" && aggregate !== "max") {
    throw new LossError("overColumns(aggregate)", `got ${JSON.stringify(aggregate)}`, 'Give "sum", "mean" or "max"');
  }
  return atom({ kind: "overColumns", aggregate, body });
}

/** What probabilities are kept away from 0 and 1 by, as in Keras. */
export const epsilon = 1e-7;

/** x within [lowest, highest], with the gradient of x there, the bounds included, and none outside. */
export function clamp<A>(x: Expression<A>, lowest: number, highest: number): Expression<A> {
  return min(constant(highest), max(x, constant(lowest)));
}
