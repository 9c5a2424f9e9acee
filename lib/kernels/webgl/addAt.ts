import type * as tf from "@tensorflow/tfjs";
import { Inputs, withinRow } from "./program.ts";

/** The gradient with values added at the ids of each row: a fragment cannot scatter, so each looks for its own ids. */
export function addAt(gradient: tf.Tensor2D, ids: tf.Tensor2D, values: tf.Tensor2D): tf.Tensor2D {
  const [rows, classes] = gradient.shape;
  const inputs = new Inputs();
  inputs.tensor("gradient", gradient);
  inputs.tensor("ids", ids);
  inputs.tensor("values", values);
  const source = `
    void main() {
      ivec2 coords = getOutputCoords();
      int row = coords.x;
      int column = coords.y;
      ivec4 columns = ivec4(column, column + 1, column, column + 1);
      vec4 sum = getGradient(row, column);
      for (int k = 0; k < ${ids.shape[1]}; k += 2) {
        ivec4 ids = ivec4(floor(getIds(row, k) + .5));
        vec4 values = getValues(row, k);
        sum += mix(vec4(0.), values.xxzz, equal(columns, ids.xxzz));
        sum += mix(vec4(0.), values.yyww, equal(columns, ids.yyww));
      }
      ${rows % 2 === 0 ? "" : `if (row == ${rows - 1}) sum.zw = vec2(0.);`}
      ${withinRow(classes, "column", "sum", "0.")}
      setOutput(sum);
    }`;
  return inputs.run(source, [rows, classes]) as tf.Tensor2D;
}
