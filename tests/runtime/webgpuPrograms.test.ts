/**
 * What is wrong with the programs of TensorFlow.js 4.22's webgpu backend, and right where useBackend started it. When the
 * first half of a case fails, TensorFlow.js has been repaired, and the correction of ours can go.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { useBackend } from "lossmith";
import { gpuBackends } from "../support/backends.ts";
import { startWebGPU } from "../support/webgpu.ts";
import { areRight, type Outcome, programCases, runProgramCases } from "../support/webgpuPrograms.ts";

(gpuBackends.length === 0 ? describe.skip : describe)("programs of the webgpu backend", () => {
  let alone: readonly Outcome[];
  let ours: readonly Outcome[];

  beforeAll(async () => {
    await startWebGPU();
    // Small tensors that the host has would be computed there.
    tf.env().set("WEBGPU_CPU_FORWARD", false);
    alone = await runProgramCases();
    await useBackend("webgpu");
    ours = await runProgramCases();
  });

  afterAll(() => {
    tf.env().set("WEBGPU_CPU_FORWARD", true);
  });

  programCases.forEach((programCase, i) => {
    test(programCase.name, () => {
      expect(areRight(programCase, alone[i])).toBe(false);
      const { right } = programCase;
      expect(areRight(programCase, ours[i]) ? right : ours[i]).toEqual(right);
    });
  });
});
