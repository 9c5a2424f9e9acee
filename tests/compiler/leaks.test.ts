/** Two hundred steps of each feature, or as many as LEAK_STEPS says, leave as many tensors and buffers behind as ten do. */
import { beforeAll, describe, expect, test } from "bun:test";
import process from "node:process";
import * as tf from "@tensorflow/tfjs";
import { backends, startBackend } from "../support/backends.ts";
import { features } from "../support/features.ts";

const count = Number(process.env.LEAK_STEPS ?? 200);
const steps = { cpu: count, wasm: count } as const;

for (const backend of backends) {
  describe(`${steps[backend]} steps on ${backend}`, () => {
    beforeAll(startBackend(backend));

    for (const [name, make] of Object.entries(features)) {
      test(name, () => {
        const before = tf.memory();
        const { step, free } = make();
        for (let t = 1; t <= 10; t++) step(t);
        const early = tf.memory();
        expect(early.numTensors).toBeGreaterThan(before.numTensors);
        for (let t = 11; t <= steps[backend]; t++) step(t);
        const late = tf.memory();
        expect(late.numTensors).toBe(early.numTensors);
        expect(late.numDataBuffers).toBe(early.numDataBuffers);
        expect(late.numBytes).toBe(early.numBytes);
        free();
        expect(tf.memory().numTensors).toBe(before.numTensors);
        expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
      }, 120_000);
    }
  });
}
