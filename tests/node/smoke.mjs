/** The build under Node: what a user of the npm package gets. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs";
import {
  compile,
  compose,
  crossEntropy,
  evaluate,
  evaluateGradient,
  explain,
  freqWeights,
  fromCounts,
  LossError,
  pipe,
  powerLaw,
  useBackend,
} from "lossmith";
import { checkpoint, drawLosses, tokenAccuracy, withLoss } from "lossmith/training";

const logits = [
  [2, 1, 0.1],
  [0.5, 2.5, 0.3],
  [1, 1, 1],
];
const labels = [0, 1, 2];
const pdl = pipe(crossEntropy, freqWeights(fromCounts([100, 10, 1])), powerLaw(0.5));

test("the package resolves to the build", () => {
  assert.match(import.meta.resolve("lossmith"), /dist\/mod\.js$/);
});

test("the reference gives the published value", () => {
  assert.ok(Math.abs(evaluate(pdl, { logits, labels }) - 0.85431248) < 1e-8);
  assert.deepEqual(compose(powerLaw(0.5), freqWeights(fromCounts([100, 10, 1])))(crossEntropy).terms.length, 1);
});

for (const backend of ["cpu", "wasm"]) {
  test(`compiled on ${backend}: value, gradient, errors`, async () => {
    assert.equal(await useBackend(backend), backend);
    assert.ok(explain(pdl).includes(`fused for ${backend}: the logits are read once forward and once backward`));
    const loss = compile(pdl);
    const z = tf.tensor2d(logits);
    const { value, grad } = tf.valueAndGrad((x) => loss({ logits: x, labels }))(z);
    assert.ok(Math.abs((await value.data())[0] - 0.85431248) < 1e-6);
    const expected = evaluateGradient(pdl, { logits, labels }).flat();
    for (const [i, g] of (await grad.data()).entries()) assert.ok(Math.abs(g - expected[i]) < 1e-6);
    assert.throws(() => loss({ logits: z, labels: [0, 1, 7] }), LossError);
    tf.dispose([value, grad, z]);
    loss.dispose();
  });
}

test("an embedding trains on wasm", async () => {
  await useBackend("wasm");
  const table = tf.variable(
    tf.tensor2d([
      [1, 2],
      [3, 4],
    ]),
  );
  const { grads } = tf.variableGrads(() => tf.sum(tf.gather(table, tf.tensor1d([1, 1], "int32"))), [table]);
  assert.deepEqual([...(await grads[table.name].data())], [0, 0, 2, 2]);
});

test("the command line counts by workers, in a runtime without TypeScript", () => {
  const folder = mkdtempSync(join(tmpdir(), "lossmith-node-"));
  try {
    for (const name of ["a.uint16", "b.uint16"]) {
      writeFileSync(join(folder, name), new Uint8Array(Uint16Array.from([1, 2, 2]).buffer));
    }
    const script = fileURLToPath(new URL("../../dist/lib/cli/main.js", import.meta.url));
    const args = ["count", "*.uint16", "--vocab-size", "3", "--workers", "2"];
    const { counts } = JSON.parse(execFileSync(process.execPath, [script, ...args], { cwd: folder, encoding: "utf8" }));
    assert.deepEqual(counts, [2, 4]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("explain speaks", () => {
  assert.match(explain(pdl), /w\(c\) = \(f\(c\) \+ 1e−7\)\^−0\.5/);
});

test("lossmith/training trains, saves and loads", async () => {
  await useBackend("cpu");
  const model = tf.sequential({ layers: [tf.layers.dense({ units: 3, inputShape: [3] })] });
  const optimizer = tf.train.adam(0.1);
  const training = withLoss(model, pdl, { optimizer, metrics: [tokenAccuracy()] });
  const [x, y] = [tf.eye(3), tf.tensor1d(labels, "int32")];
  const { history } = await training.fit(x, y, { epochs: 40 });
  assert.equal(history.accuracy.at(-1), 1);
  const folder = await mkdtemp(join(tmpdir(), "smoke-"));
  const saved = checkpoint({ variables: model, optimizer, clock: training.clock });
  await saved.save(join(folder, "a.checkpoint"));
  const next = await training.trainOnBatch(x, y);
  await saved.load(join(folder, "a.checkpoint"));
  assert.deepEqual(await training.trainOnBatch(x, y), next);
  await rm(folder, { recursive: true });
  assert.match(await drawLosses({ steps: history.loss }), /^<svg/);
});
