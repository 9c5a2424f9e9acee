/** What tensorflow.js's wasm kernels make of tensors that do not hold float32: garbage, and writes beyond the result. */
import type * as tf from "@tensorflow/tfjs";
import type { WasmBackend } from "./backend.ts";
import { byCpu } from "./byCpu.ts";

const float32: readonly tf.DataType[] = ["float32"];
const numbers: readonly tf.DataType[] = ["float32", "int32"];

const rightForFloat32 = "ClipByValue Expm1 IsNan Log1p Prelu Reciprocal StridedSlice";

const rightForNumbers =
  "Abs Atan2 Exp FloorDiv LeakyRelu Mod Neg Relu Relu6 Reverse Round Select Selu Sign Softplus Square Step TopK";

/** The types that each kernel is right for. */
const rightFor: Readonly<Record<string, readonly tf.DataType[]>> = {
  ...Object.fromEntries(rightForFloat32.split(" ").map((name) => [name, float32])),
  ...Object.fromEntries(rightForNumbers.split(" ").map((name) => [name, numbers])),
};

/** The kernels that are wrong for some types, by name. */
export const typedKernels: readonly string[] = Object.keys(rightFor);

/** A kernel that leaves to cpu's what it is not right for. */
export function withTypes(original: tf.KernelConfig): tf.KernelConfig {
  const types = rightFor[original.kernelName];
  const { kernelFunc: others } = byCpu(original.kernelName);
  return {
    ...original,
    kernelFunc: (parameters) => {
      // A choice's condition is boolean for all types.
      const { condition: _condition, ...inputs } = parameters.inputs;
      const isRight = Object.values(inputs).every((info) => types.includes((info as tf.TensorInfo).dtype));
      return (isRight ? original.kernelFunc : others)(parameters);
    },
  };
}

/** A cast whose booleans are 0 and 1. tensorflow.js's keeps the lowest byte of each number: 256 is false. */
export function castWith(original: tf.KernelConfig): tf.KernelConfig {
  return {
    ...original,
    kernelFunc: (parameters) => {
      const backend = parameters.backend as WasmBackend;
      const x = parameters.inputs["x"] as tf.TensorInfo;
      if (parameters.attrs?.["dtype"] !== "bool" || x.dtype === "bool") return original.kernelFunc(parameters);
      const output = backend.makeOutput(x.shape, "bool");
      const [from, to] = [x, output].map((info) => backend.typedArrayFromHeap(info));
      for (let i = 0; i < from.length; i++) to[i] = from[i] === 0 ? 0 : 1;
      return output;
    },
  };
}
