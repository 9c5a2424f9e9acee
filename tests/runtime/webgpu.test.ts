/** The webgpu backend in the runtime's own process, where the runtime has WebGPU of its own. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { compile, crossEntropy, explain, useBackend } from "lossmith";
import { gpuBackends } from "../support/backends.ts";
import { startWebGPU } from "../support/webgpu.ts";

(gpuBackends.length === 0 ? describe.skip : describe)("webgpu", () => {
  let before: tf.Tensor;

  beforeAll(async () => {
    await startWebGPU();
    before = tf.tidy(() => tf.add(tf.ones([5000]), 1));
    expect(await useBackend("webgpu")).toBe("webgpu");
  });

  test("takes the place of one that the program started, and its tensors say so", async () => {
    const says = "webgpu: useBackend put one in its place that has all of the adapter's limits. What was on it is gone";
    await expect(before.data()).rejects.toThrow(says);
    expect(() => tf.add(before, 1)).toThrow(says);
    before.dispose();
  });

  test("uses the fused kernels after their self-test", () => {
    expect(explain(crossEntropy)).toContain("fused for webgpu: the logits are read once forward and once backward");
  });

  test("trains: a loss falls, and leaves no tensor behind", async () => {
    const loss = compile(crossEntropy);
    const weights = tf.variable(tf.zeros([4, 3]));
    const x = tf.ones([2, 4]);
    const optimizer = tf.train.sgd(0.5);
    const step = async (): Promise<number> => {
      const run = (): tf.Scalar => loss({ logits: tf.matMul(x, weights as unknown as tf.Tensor2D), labels: [0, 0] });
      const cost = optimizer.minimize(run, true) as tf.Scalar;
      const [value] = await cost.data();
      cost.dispose();
      return value;
    };
    const first = await step();
    const { numTensors } = tf.memory();
    let last = first;
    for (let i = 0; i < 20; i++) last = await step();
    expect(first).toBeCloseTo(Math.log(3), 6);
    expect(last).toBeLessThan(0.1);
    expect(tf.memory().numTensors).toBe(numTensors);
    tf.dispose([weights, x]);
  });
});
