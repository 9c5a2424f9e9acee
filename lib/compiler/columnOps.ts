/** Expressions over the columns of values with ordinary tensorflow.js ops. */
import * as tf from "@tensorflow/tfjs";
import { withoutInvalidRows } from "../kernels/portable.ts";
import { rowSums } from "../kernels/sums.ts";
import { interpreter } from "../loss/expression.ts";
import { stepValue } from "../loss/schedule.ts";
import { isInPart } from "../loss/values.ts";
import type { ColumnRunner, ColumnState } from "./columnRunner.ts";
import type { RowNumber, RunAtom } from "./columns.ts";
import { positions } from "./positions.ts";
import { type RowValues, tensorAlgebra } from "./tensorAlgebra.ts";

export function opsColumns(state: ColumnState): ColumnRunner {
  const { rows, parameters, numbers, cotangents } = state;
  const predictions = withoutInvalidRows(state.predictions, rows.read);
  const targets = withoutInvalidRows(rows.targets as tf.Tensor2D, rows.read);
  const { shape } = predictions;
  const ofRow = (values: tf.Tensor1D | undefined): tf.Tensor => (values as tf.Tensor1D).expandDims(1);
  const meaning = (a: RunAtom): tf.Tensor | number => {
    switch (a.kind) {
      case "step":
        return stepValue(a, rows.step);
      case "parameter":
        return parameters.get(a.name) as tf.Scalar;
      case "columnCount":
        return shape[1];
      case "prediction":
        return predictions;
      case "target":
        return targets;
      case "part":
        return tf.tensor2d([Array.from({ length: shape[1] }, (_, j) => isInPart(a, j, shape[1]))]);
      case "input":
        return ofRow(rows.inputs.get(a.name));
      case "position":
        return ofRow(positions(rows));
      case "columns":
        return ofRow(numbers.get(a.key));
      case "cotangent":
        return ofRow(cotangents.get(a.key));
      case "isHighest":
        return tf.equal(visit(a.body), visit(a.maximum)).toFloat();
    }
  };
  // The algebra is that of rows; its operations stretch over columns all the same.
  const visit = interpreter(tensorAlgebra(meaning as (a: RunAtom) => RowValues));

  /** A number, or one for each row, in each column. */
  const everyColumn = (values: RowValues): tf.Tensor2D => {
    if (typeof values === "number") return tf.fill(shape, values);
    const has: readonly number[] = values.shape;
    const isFull = has[0] === shape[0] && has[1] === shape[1];
    return isFull ? (values as tf.Tensor as tf.Tensor2D) : tf.mul(values, tf.ones(shape));
  };
  const rowNumber = ({ aggregate, body }: RowNumber): tf.Tensor1D => {
    const values = everyColumn(visit(body));
    if (aggregate === "max") return tf.max(values, 1) as tf.Tensor1D;
    return aggregate === "mean" ? tf.div(rowSums(values), shape[1]) : rowSums(values);
  };
  return {
    rows: (wanted) => wanted.map(rowNumber),
    each: (e) => withoutInvalidRows(everyColumn(visit(e)), rows.read),
  };
}
