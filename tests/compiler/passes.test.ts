/** What explain says of the passes over the logits, and of what is kept for the backward pass, is what happens. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  add,
  classWeights,
  compile,
  confidencePenalty,
  crossEntropy,
  distillation,
  explain,
  focal,
  fromCounts,
  labelSmoothing,
  logitAdjustment,
  pipe,
  powerLaw,
  softcap,
  sum,
  temperature,
  zLoss,
} from "lossmith";
import { backends, behindGlass, startBackend } from "../support/backends.ts";
import { LiveBytes } from "../support/liveBytes.ts";

/** A square, so that no sum over the vocabulary needs padding. */
const classes = 4096;
const rows = 2;
const counts = fromCounts(Array.from({ length: classes }, (_, i) => 1 + (i % 3)));

const losses: Readonly<Record<string, AnyLoss>> = {
  "cross entropy": crossEntropy,
  "power-law decay": pipe(crossEntropy, classWeights(counts.counts, { counts: counts.counts }), powerLaw(0.5)),
  "label smoothing": pipe(crossEntropy, labelSmoothing(0.1)),
  "weighted smoothing": pipe(crossEntropy, classWeights(counts.counts), labelSmoothing(0.1)),
  "confidence penalty": pipe(crossEntropy, confidencePenalty(0.1)),
  "focal, z-loss and confidence penalty": pipe(crossEntropy, focal({ gamma: 2 }), zLoss(0.1), confidencePenalty(0.1)),
  temperature: pipe(crossEntropy, temperature(2)),
  "temperature and softcap": pipe(crossEntropy, temperature(2), softcap(30)),
  "two views": pipe(crossEntropy, logitAdjustment(counts), add(crossEntropy)),
  distillation: distillation(),
  "cross entropy and distillation": pipe(crossEntropy, add(distillation({ temperature: 2 }))),
};

const batch = () => ({
  labels: new Int32Array([1, 2]),
  teacher: tf.randomNormal([rows, classes], 0, 1, "float32", 2),
});
const logits = (): tf.Tensor => tf.randomNormal([rows, classes], 0, 1, "float32", 1);

/** The kernels over all entries that `compute` runs; on a copying scatter the copy before it is not counted. */
async function wideKernels(compute: () => tf.Tensor): Promise<number> {
  const { kernels } = await tf.profile(compute as never);
  const size = (shape: number[] | undefined): number => (shape ?? []).reduce((product, n) => product * n, 1);
  const wide = kernels
    .filter(({ outputShapes, inputShapes }) => [...outputShapes, ...inputShapes].some((s) => size(s) >= rows * classes))
    .map(({ name }) => name)
    .filter((name) => !["Reshape", "Identity", "GatherNd", "unnamed scope"].includes(name));
  return wide.length - wide.filter((name) => name === "TensorScatterUpdate").length;
}

describe("by ordinary ops", () => {
  test("explain counts the passes over the vocabulary", async () => {
    await behindGlass(async () => {
      for (const [name, loss] of Object.entries(losses)) {
        const compiled = compile(pipe(loss as typeof crossEntropy, sum));
        const given = batch();
        const z = logits();
        const run = (x: tf.Tensor): tf.Tensor => compiled({ ...given, logits: x });
        run(z);
        const forward = await wideKernels(() => run(z));
        const both = await wideKernels(() => tf.grad(run)(z));
        const text = explain(loss).match(/own ops: (.*)/)?.[1];
        expect(`${name}: ${text}`).toBe(`${name}: ${forward} forward, ${both - forward} backward`);
      }
    });
  });
});

for (const backend of backends) {
  describe(`fused, ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("one pass forward and one back: no kernel of tensorflow.js's reads all entries", async () => {
      for (const loss of Object.values(losses)) {
        expect(explain(loss)).toContain(`fused for ${backend}: the logits are read once forward and once backward`);
        const compiled = compile(pipe(loss as typeof crossEntropy, sum));
        const given = batch();
        const z = logits();
        expect(await wideKernels(() => tf.grad((x: tf.Tensor) => compiled({ ...given, logits: x }))(z))).toBe(0);
      }
    });

    test("explain says how many bytes a row are kept for the backward pass", () => {
      for (const [name, loss] of Object.entries(losses)) {
        const compiled = compile(pipe(loss as typeof crossEntropy, sum));
        const [given, z] = [batch(), logits()];
        compiled({ ...given, logits: z });
        const meter = new LiveBytes();
        let kept = 0;
        tf.grad((x: tf.Tensor) => {
          const value = compiled({ ...given, logits: x });
          kept = meter.live;
          return value;
        })(z);
        meter.stop();
        const said = Number(explain(loss).match(/backward pass: (\d+) bytes a row/)?.[1]);
        const terms = compiled.plan.terms.length;
        // Beside the rows' bytes: the loss itself, and a numerator and a share for each term.
        expect(`${name}: ${kept - 4 * (1 + 2 * terms)}`).toBe(`${name}: ${rows * said}`);
      }
    });
  });
}
