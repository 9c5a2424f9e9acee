/** The webgpu backend: what it does in silence elsewhere is an error here. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { compile, crossEntropy, explain, useBackend } from "lossmith";
import { runProgram } from "../../lib/kernels/webgpu/program.ts";
import { gpuBackends } from "../support/backends.ts";

/** Twos: small tensors that the host knows are added on the host. */
function onDevice(): tf.Tensor {
  return tf.add(tf.ones([5000]), 1);
}

if (gpuBackends.length === 0) {
  test("a runtime without WebGPU is told so", async () => {
    await expect(useBackend("webgpu")).rejects.toThrow(/has no WebGPU of its own|there is no adapter/);
  });
} else {
  describe("webgpu", () => {
    beforeAll(async () => {
      expect(await useBackend("webgpu")).toBe("webgpu");
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

    test("a tensor read without waiting is an error", () => {
      const sum = onDevice();
      expect(() => sum.dataSync()).toThrow("Use await tensor.data() in place of tensor.dataSync()");
      // What was never on the device alone can be read.
      expect([...tf.tensor1d([1, 2]).dataSync()]).toEqual([1, 2]);
    });

    test("a tensor above the largest binding is an error that says so", () => {
      const { device } = tf.backend() as unknown as { device: GPUDevice };
      const size = Math.ceil(device.limits.maxStorageBufferBindingSize / 4) + 1;
      expect(() => tf.zeros([size]).add(1)).toThrow("a tensor needs a buffer of");
    });

    test("a program that the device refuses is an error where its result is read", async () => {
      const broken = runProgram({
        key: "broken",
        source: () => "fn main(index : i32) { result[index] = noSuchFunction(index); }",
        outputShape: [4],
        workgroups: 1,
        inputs: [],
        uniforms: [],
      });
      await expect(broken.data()).rejects.toThrow("webgpu: the device refused a command");
      expect((await onDevice().data()).every((x) => x === 2)).toBe(true);
    });

    test("started again it works as before", async () => {
      await useBackend("cpu");
      await useBackend("webgpu");
      expect((await onDevice().data()).every((x) => x === 2)).toBe(true);
    });
  });
}
