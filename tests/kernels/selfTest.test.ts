/** A kernel that computes something wrong is found out before it is used, in either of its ways. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { chooseKernel } from "../../lib/kernels/choose.ts";
import type { RowStatisticsKernel } from "../../lib/kernels/rowStatistics.ts";
import { faultOf, faultOfNow } from "../../lib/kernels/selfTest.ts";
import { backends, startBackend } from "../support/backends.ts";

for (const backend of backends) {
  describe(`the self-test on ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("passes the backend's own kernel, and leaves no tensor", async () => {
      const { kernel, because } = chooseKernel([]);
      expect(because).toBe(null);
      const { numTensors } = tf.memory();
      for (const classes of [1, 5, 20, 32, 33, 1031, 8209]) {
        expect(faultOfNow(kernel, classes)).toBe(null);
        expect(await faultOf(kernel, classes)).toBe(null);
      }
      expect(tf.memory().numTensors).toBe(numTensors);
    });

    /** The kernel, but wrong in calls that want so many statistics. */
    const wrongWhere = (count: number, pass: "forward" | "backward"): RowStatisticsKernel => {
      const { kernel } = chooseKernel([]);
      return {
        ...kernel,
        forward: (input) => {
          const [statistics] = kernel.forward(input);
          if (pass !== "forward" || input.views[0].wanted.size !== count) return [statistics];
          return [{ ...statistics, n: tf.add(statistics.n as tf.Tensor1D, 0.01) as tf.Tensor1D }];
        },
        backward: (input, statistics, cotangents) => {
          const gradient = kernel.backward(input, statistics, cotangents);
          const isWrong = pass === "backward" && input.views[0].wanted.size === count;
          return isWrong ? (tf.mul(gradient, 1.01) as tf.Tensor2D) : gradient;
        },
      };
    };

    test("finds a wrong n, and a wrong gradient, with other statistics and alone", () => {
      expect(faultOfNow(wrongWhere(3, "forward"), 5)).toMatch(/^n\[/);
      expect(faultOfNow(wrongWhere(3, "backward"), 5)).toMatch(/^gradient\[/);
      expect(faultOfNow(wrongWhere(1, "forward"), 5)).toMatch(/^n alone\[/);
      expect(faultOfNow(wrongWhere(1, "backward"), 5)).toMatch(/^gradient of n alone\[/);
    });
  });
}
