import * as tf from "@tensorflow/tfjs";
import type { WasmBackend } from "./backend.ts";
import { rightFactor } from "./packedWeights.ts";

/** How an activation is computed after the product: its kernel and the kernel's attributes. */
function activationOf(attrs: tf.NamedAttrMap): readonly [name: string, attrs: tf.NamedAttrMap] | null {
  const name = attrs["activation"] as string;
  if (name === "linear") return null;
  if (name === "leakyrelu") return ["LeakyRelu", { alpha: attrs["leakyreluAlpha"] as number }];
  return [`${name[0].toUpperCase()}${name.slice(1)}`, {}];
}

/**
 * A fused matMul whose right factor is packed as what it is, and whose bias is added to each row. tensorflow.js's wasm
 * kernel adds it to the wrong ones where there are several products.
 */
export function fusedMatMulWith(original: tf.KernelConfig): tf.KernelConfig {
  return {
    ...original,
    kernelFunc: (parameters) => {
      const backend = parameters.backend as WasmBackend;
      const { info, isOwn } = rightFactor(backend, parameters.inputs["b"] as tf.TensorInfo);
      const inputs = { ...parameters.inputs, b: info };
      try {
        return isSingle(inputs)
          ? original.kernelFunc({ ...parameters, inputs })
          : inSteps(backend, inputs, parameters.attrs as tf.NamedAttrMap);
      } finally {
        if (isOwn) backend.disposeData(info.dataId);
      }
    },
  };
}

/** Whether all factors are one matrix. */
function isSingle({ a, b }: tf.NamedTensorInfoMap): boolean {
  return [a, b].every((info) => (info as tf.TensorInfo).shape.slice(0, -2).every((length) => length === 1));
}

function inSteps(backend: WasmBackend, given: tf.NamedTensorInfoMap, attrs: tf.NamedAttrMap): tf.TensorInfo {
  const run = (name: string, inputs: tf.NamedTensorInfoMap, more: tf.NamedAttrMap): tf.TensorInfo =>
    tf.getKernel(name, "wasm").kernelFunc({ inputs, backend, attrs: more }) as tf.TensorInfo;
  const { a, b, bias, preluActivationWeights } = given;
  let result = run("BatchMatMul", { a, b }, attrs);
  const next = (name: string, inputs: tf.NamedTensorInfoMap, more: tf.NamedAttrMap): void => {
    const before = result;
    try {
      result = run(name, inputs, more);
    } finally {
      backend.disposeData(before.dataId);
    }
  };
  if (bias != null) next("Add", { a: result, b: bias }, {});
  const activation = activationOf(attrs);
  if (activation === null) return result;
  const [name, more] = activation;
  next(name, name === "Prelu" ? { x: result, alpha: preluActivationWeights } : { x: result }, more);
  return result;
}
