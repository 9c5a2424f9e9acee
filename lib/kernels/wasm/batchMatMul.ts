import * as tf from "@tensorflow/tfjs";
import { type WasmBackend, zeros } from "./backend.ts";
import { rightFactor } from "./packedWeights.ts";

/**
 * matMul that transposes its inputs first. tensorflow.js's wasm kernel walks a transposed input entry by entry and is
 * several times slower than on a plain one; every dense layer's gradient has transposed inputs.
 */
export function batchMatMulWith(original: tf.KernelConfig): tf.KernelConfig {
  return {
    ...original,
    kernelFunc: (parameters) => {
      const { inputs, backend, attrs } = parameters;
      const kernel = backend as tf.KernelBackend;
      const shape = emptyProductShape(inputs, attrs);
      if (shape !== null) return zeros(backend as WasmBackend, shape, "float32");
      const operands = [
        operand(inputs["a"] as tf.TensorInfo, attrs?.["transposeA"] === true, kernel),
        attrs?.["transposeB"] === true
          ? operand(inputs["b"] as tf.TensorInfo, true, kernel)
          : rightFactor(backend as WasmBackend, inputs["b"] as tf.TensorInfo),
      ];
      const [a, b] = operands.map(({ info }) => info);
      try {
        const plain = { transposeA: false, transposeB: false };
        return original.kernelFunc({ inputs: { a, b }, backend, attrs: plain });
      } finally {
        for (const { info, isOwn } of operands) if (isOwn) kernel.disposeData(info.dataId);
      }
    },
  };
}

/** The shape of a product whose sums are over nothing, or null. The original leaves its memory as it finds it. */
function emptyProductShape(inputs: tf.NamedTensorInfoMap, attrs: tf.NamedAttrMap | undefined): number[] | null {
  const [a, b] = [inputs["a"], inputs["b"]].map((x) => (x as tf.TensorInfo).shape);
  const last = (shape: number[], transposed: unknown): [number, number] =>
    transposed === true
      ? [shape[shape.length - 1], shape[shape.length - 2]]
      : [shape[shape.length - 2], shape[shape.length - 1]];
  const [m, k] = last(a, attrs?.["transposeA"]);
  const [, n] = last(b, attrs?.["transposeB"]);
  if (k !== 0) return null;
  return [...tf.broadcast_util.assertAndGetBroadcastShape(a.slice(0, -2), b.slice(0, -2)), m, n];
}

interface Operand {
  readonly info: tf.TensorInfo;
  /** Whether the memory was made here. */
  readonly isOwn: boolean;
}

function operand(x: tf.TensorInfo, transposed: boolean, backend: tf.KernelBackend): Operand {
  if (!transposed) return { info: x, isOwn: false };
  const perm = x.shape.map((_, axis) => axis);
  perm.push(perm.splice(-2, 1)[0]);
  const transpose = tf.getKernel("Transpose", "wasm");
  return { info: transpose.kernelFunc({ inputs: { x }, backend, attrs: { perm } }) as tf.TensorInfo, isOwn: true };
}
