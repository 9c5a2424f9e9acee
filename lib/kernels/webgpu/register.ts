import * as tf from "@tensorflow/tfjs";

let registered = false;

/**
 * Lets cumulative sums and products on tensorflow.js's webgpu backend take a negative axis, which they look for where there
 * is none. Needs @tensorflow/tfjs-backend-webgpu to be imported; a second call does nothing.
 */
export function registerWebGPUKernels(): void {
  if (registered) return;
  for (const kernelName of ["Cumsum", "Cumprod"]) {
    const original = tf.getKernel(kernelName, "webgpu");
    tf.unregisterKernel(kernelName, "webgpu");
    tf.registerKernel({
      ...original,
      kernelFunc: ({ inputs, attrs, backend }) => {
        const { shape } = inputs["x"] as tf.TensorInfo;
        const [axis] = tf.util.parseAxisParam((attrs as { readonly axis: number }).axis, shape);
        return original.kernelFunc({ inputs, backend, attrs: { ...attrs, axis } });
      },
    });
  }
  registered = true;
}
