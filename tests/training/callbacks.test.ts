/** Callbacks in TensorFlow.js's own fit, in withLoss and in loops by hand. */
import { beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { crossEntropy, LossError } from "lossmith";
import { drawLosses, jsonLines, lossFor, lossPlot, progressBar, trainStep, withLoss } from "lossmith/training";
import { startBackend } from "../support/backends.ts";

const x = tf.tensor2d([1, 0, 0, 1, 1, 1, 0, 0], [4, 2]);
const y = tf.tensor1d([0, 1, 1, 0], "int32");

function dense(): tf.Sequential {
  return tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] })] });
}

/** A terminal that keeps what is written. */
function terminal(): { text: () => string; isTTY: true; columns: number; write: (text: string) => boolean } {
  let text = "";
  return {
    isTTY: true,
    columns: 200,
    text: () => text,
    write: (more) => {
      text += more;
      return true;
    },
  };
}

describe("callbacks", () => {
  beforeAll(startBackend("cpu"));

  test("a progress bar shows loss, tokens a second and the time left, and is silent elsewhere", async () => {
    const screen = terminal();
    let time = 0;
    const now = (): number => (time += 100);
    const bar = progressBar({ steps: 4, stream: screen, now });
    const training = withLoss(dense(), crossEntropy, { optimizer: tf.train.sgd(0) });
    await training.fit(x, y, { batchSize: 2, epochs: 2, callbacks: bar, shuffle: false });
    expect(screen.text()).toContain("4/4");
    expect(screen.text()).toContain("20 tokens/s");
    expect(screen.text()).toContain("left");
    expect(screen.text()).toMatch(/loss \d\.\d{4}/);
    // In TensorFlow.js's own loop there are examples instead of tokens.
    const other = terminal();
    const model = dense();
    model.compile({ optimizer: "sgd", loss: lossFor(crossEntropy) });
    const own = progressBar({ steps: 2, stream: other, now });
    await model.fit(x, tf.oneHot(y, 2), { batchSize: 2, callbacks: own as tf.CustomCallbackArgs });
    expect(other.text()).toContain("20 examples/s");
    training.dispose();
  });

  test("a log of JSON lines goes on after half a line, and keeps what JSON has no number for", async () => {
    const folder = mkdtempSync(join(tmpdir(), "log-"));
    const path = join(folder, "log.jsonl");
    const weights = tf.variable(tf.zeros<tf.Rank.R2>([2, 2]));
    const step = trainStep({
      optimizer: tf.train.sgd(1),
      loss: crossEntropy,
      model: (z: tf.Tensor2D) => tf.matMul(z, weights),
    });
    const take = async (): Promise<void> => {
      const log = jsonLines(path, { now: () => 1000 });
      await log.onTrainBegin();
      for (let batch = 0; batch < 2; batch++) await log.onBatchEnd(batch, (await step({ x, labels: y })).logs);
      await log.onEpochEnd(0, { loss: Number.POSITIVE_INFINITY });
      await log.onTrainEnd();
    };
    await take();
    appendFileSync(path, '{"time":"1970-');
    await take();
    const lines = readFileSync(path, "utf8").split("\n");
    expect(lines.length).toBe(8);
    const [first, , epoch, half, again] = lines;
    expect(JSON.parse(first)).toMatchObject({ time: "1970-01-01T00:00:01.000Z", batch: 0, tokens: 4 });
    expect((JSON.parse(first) as { loss: number }).loss).toBeCloseTo(Math.log(2), 6);
    expect(JSON.parse(epoch)).toEqual({ time: "1970-01-01T00:00:01.000Z", epoch: 0, loss: "Infinity" });
    expect(half).toBe('{"time":"1970-');
    expect(JSON.parse(again)).toMatchObject({ batch: 0 });
    step.dispose();
    weights.dispose();
    rmSync(folder, { recursive: true });
  });

  test("a plot has the losses of steps and of validation, thinned out, in one whole file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "plot-"));
    const training = withLoss(dense(), crossEntropy, { optimizer: tf.train.adam(0.1) });
    const callbacks = [lossPlot(join(folder, "loss.svg"), { title: "Mine" })];
    await training.fit(x, y, { batchSize: 1, epochs: 3, validationData: [x, y], callbacks: callbacks as never });
    expect(readdirSync(folder)).toEqual(["loss.svg"]);
    const svg = readFileSync(join(folder, "loss.svg"), "utf8");
    for (const text of ["<svg", "Mine", "running average", "validation"]) expect(svg).toContain(text);
    const long = await drawLosses({ steps: Array.from({ length: 50_000 }, (_, i) => 1 / (1 + i)) });
    expect(long.length).toBeLessThan(100_000);
    await expect(drawLosses({ steps: [Number.NaN] })).rejects.toThrow(LossError);
    training.dispose();
    rmSync(folder, { recursive: true });
  });

  test("what is wrong is said", () => {
    expect(() => progressBar({ steps: 0 })).toThrow(LossError);
    expect(() => jsonLines(3 as never)).toThrow(LossError);
    expect(() => lossPlot(undefined as never)).toThrow(LossError);
  });
});
