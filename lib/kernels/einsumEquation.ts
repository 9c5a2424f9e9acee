import * as tf from "@tensorflow/tfjs";

/** An equation such as "bij,bjk->bik", by the names of the dimensions. */
export interface EinsumEquation {
  readonly subscripts: readonly (readonly string[])[];
  readonly result: readonly string[];
}

/** Refuses what tensorflow.js's einsum refuses. */
export function parseEinsum(equation: string, tensors: readonly tf.TensorInfo[]): EinsumEquation {
  const { allDims, idDims } = tf.backend_util.decodeEinsumEquation(equation, tensors.length);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, tensors as tf.Tensor[]);
  const [left, right] = equation.replace(/\s/g, "").split("->");
  return { subscripts: left.split(",").map((names) => [...names]), result: [...right] };
}
