/**
 * Prints as JSON what comes of starting wasm in every order, in a process that has not started it: by tensorflow.js itself,
 * from files that are named, which are there or not, and from the one that the package carries.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { disposeBackend, useBackend } from "lossmith/runtime";

async function outcome(body) {
  try {
    return await body();
  } catch (error) {
    return String(error?.message ?? error);
  }
}

const folder = new URL("../../../node_modules/@tensorflow/tfjs-backend-wasm/dist", import.meta.url).pathname;
const start = (wasmPaths) => outcome(() => useBackend("wasm", wasmPaths === undefined ? {} : { wasmPaths }));
const results = {};

tf.setBackend("wasm");
results.withoutWaiting = [await outcome(() => useBackend("cpu")), tf.getBackend()];

await tf.setBackend("wasm");
const kept = tf.tensor1d([1, 2, 3]);
const copy = tf.clone(kept);
results.byItself = [await start(), [...(await kept.data())]];
const { numTensors } = tf.memory();
await disposeBackend();
results.again = await start();
results.gone = [await outcome(() => kept.data()), await outcome(() => tf.add(kept, 1))];
tf.dispose([kept, copy]);
results.freed = tf.memory().numTensors - numTensors;

await disposeBackend();
const other = mkdtempSync(join(tmpdir(), "lossmith-wasm-"));
writeFileSync(join(other, "tfjs-backend-wasm-simd.wasm"), "<html>");
results.nowhere = await start(`${folder}/nowhere`);
results.notWasm = await start(other);
rmSync(other, { recursive: true });
results.incomplete = await start({ "tfjs-backend-wasm.wasm": "a.wasm" });
results.named = await start(folder);
await disposeBackend();
results.carried = [await start(), [...(await tf.add(tf.ones([2]), 1).data())]];
console.log(`results ${JSON.stringify(results)}`);
