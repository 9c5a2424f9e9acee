/** Gradients that tensorflow.js lacks on every backend, and that small models ask for. */
import * as tf from "@tensorflow/tfjs";
import { parseEinsum } from "./einsumEquation.ts";

/** The gradient for one tensor is an einsum of dy and the other; what it alone had was summed, and is repeated. */
const einsum: tf.GradConfig = {
  kernelName: "Einsum",
  saveAllInputs: true,
  gradFunc: (given, saved, attrs) => {
    const dy = given as tf.Tensor;
    const { subscripts, result } = parseEinsum(attrs["equation"] as string, saved);
    const gradients = saved.map((x, i) => (): tf.Tensor => {
      const names = subscripts[i];
      const others = saved.flatMap((other, k) => (k === i ? [] : [{ names: subscripts[k], tensor: other }]));
      // einsum takes no name for a number.
      const factors = result.length === 0 ? others : [{ names: result, tensor: dy }, ...others];
      const reached = names.filter((name) => factors.some((factor) => factor.names.includes(name)));
      const equation = `${factors.map((factor) => factor.names.join("")).join(",")}->${reached.join("")}`;
      const product = factors.length === 0 ? dy : tf.einsum(equation, ...factors.map(({ tensor }) => tensor));
      const weighed = result.length === 0 && factors.length > 0 ? tf.mul(product, dy) : product;
      const shape = names.map((name, k) => (reached.includes(name) ? x.shape[k] : 1));
      return tf.broadcastTo(tf.reshape(weighed, shape), x.shape);
    });
    return Object.fromEntries(gradients.map((gradient, i) => [i, gradient]));
  },
};

/** Each entry of dy is added where it was taken from. */
const gatherNd: tf.GradConfig = {
  kernelName: "GatherNd",
  inputsToSave: ["params", "indices"],
  gradFunc: (dy, [params, indices]) => ({
    params: () => tf.scatterND(indices, dy as tf.Tensor, params.shape),
  }),
};

/** A gradient that is registered already, by tensorflow.js or by the user, stays. */
export function registerGradients(): void {
  for (const gradient of [einsum, gatherNd]) {
    if (tf.getGradient(gradient.kernelName) === undefined) tf.registerGradient(gradient);
  }
}
