import * as tf from "@tensorflow/tfjs";

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
      const operands = [
        operand(inputs["a"] as tf.TensorInfo, attrs?.["transposeA"] === true, kernel),
        operand(inputs["b"] as tf.TensorInfo, attrs?.["transposeB"] === true, kernel),
      ];
      const [a, b] = operands.map(({ info }) => info);
      const result = original.kernelFunc({
        inputs: { a, b },
        backend,
        attrs: { transposeA: false, transposeB: false },
      });
      for (const { info, isOwn } of operands) if (isOwn) kernel.disposeData(info.dataId);
      return result;
    },
  };
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
