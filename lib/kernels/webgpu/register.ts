import * as tf from "@tensorflow/tfjs";

type Kernel = tf.KernelConfig["kernelFunc"];

/** A negative axis is looked for where there is none. */
const alongAxis =
  (kernel: Kernel): Kernel =>
  ({ inputs, attrs, backend }) => {
    const { shape } = inputs["x"] as tf.TensorInfo;
    const [axis] = tf.util.parseAxisParam((attrs as { readonly axis: number }).axis, shape);
    return kernel({ inputs, backend, attrs: { ...attrs, axis } });
  };

/** Of one axis the place is a number, not a list of one. */
const withoutAxis =
  (kernel: Kernel): Kernel =>
  (given) => {
    const info = kernel(given) as tf.TensorInfo;
    return (given.inputs["x"] as tf.TensorInfo).shape.length === 1 ? { ...info, shape: [] } : info;
  };

const replacements: Readonly<Record<string, (kernel: Kernel) => Kernel>> = {
  Cumsum: alongAxis,
  Cumprod: alongAxis,
  ArgMax: withoutAxis,
  ArgMin: withoutAxis,
};

let registered = false;

/**
 * Gives kernels of tensorflow.js's webgpu backend the axes and shapes that they mistake. Needs
 * @tensorflow/tfjs-backend-webgpu to be imported; a second call does nothing.
 */
export function registerWebGPUKernels(): void {
  if (registered) return;
  for (const [kernelName, replace] of Object.entries(replacements)) {
    const original = tf.getKernel(kernelName, "webgpu");
    tf.unregisterKernel(kernelName, "webgpu");
    tf.registerKernel({ ...original, kernelFunc: replace(original.kernelFunc) });
  }
  registered = true;
}
