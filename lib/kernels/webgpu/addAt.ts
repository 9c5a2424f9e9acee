import type * as tf from "@tensorflow/tfjs";
import { runProgram, workgroupSize } from "./program.ts";

/** Adds values to the gradient at the ids of each row, where it lies. */
export function addAt(gradient: tf.Tensor2D, ids: tf.Tensor2D, values: tf.Tensor2D): tf.Tensor2D {
  if (gradient.size === 0) return gradient;
  runProgram({
    key: "lossmith added at ids",
    source: () => /* wgsl */ `
fn main(index : i32) {
  if (index < uniforms.count) {
    let id = ids[index];
    if (id >= 0) {
      let place = index / uniforms.each * uniforms.classes + id;
      result[place] = result[place] + values[index];
    }
  }
}`,
    outputShape: gradient.shape,
    workgroups: Math.ceil(ids.size / workgroupSize),
    inputs: [
      { name: "ids", tensor: ids },
      { name: "values", tensor: values },
    ],
    uniforms: [
      { name: "count", type: "i32", value: ids.size },
      { name: "each", type: "i32", value: ids.shape[1] },
      { name: "classes", type: "i32", value: gradient.shape[1] },
    ],
    into: gradient,
  });
  return gradient;
}
