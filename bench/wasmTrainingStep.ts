/**
 * One training step of a language model's output layer on the wasm backend, with tensorflow.js's own kernels and with
 * ours, one after the other in one run. Prints medians and their ratio, and writes them to bench/results; with --quick
 * fewer steps, and nothing is written.
 */
import process from "node:process";
import * as tf from "@tensorflow/tfjs";
import { compile, crossEntropy } from "lossmith";
import { Bench } from "tinybench";
import { startWasm } from "./backends/kernelSets.ts";
import { saveResult } from "./resultFiles.ts";

const [tokens, width, vocabulary] = [512, 128, 8192];
const quick = process.argv.includes("--quick");

const { useStock, useOurs } = await startWasm();

const ids = tf.randomUniform([tokens], 0, vocabulary, "int32", 1) as tf.Tensor1D;
const labels = new Int32Array(await ids.data());
const hidden = tf.randomNormal([tokens, width], 0, 1, "float32", 2);
const kernel = tf.variable(tf.randomNormal([width, vocabulary], 0, 0.05, "float32", 3));
const embedding = tf.variable(tf.randomNormal([vocabulary, width], 0, 1, "float32", 4));
const loss = compile(crossEntropy);

const outputLayer = (): tf.Scalar => loss({ logits: tf.matMul(hidden, kernel), labels }) as tf.Scalar;
const withEmbedding = (): tf.Scalar =>
  loss({ logits: tf.matMul(tf.gather(embedding, ids), kernel), labels }) as tf.Scalar;

/** Value and gradients of one step; nothing is kept. */
function step(value: () => tf.Scalar, variables: tf.Variable[]): void {
  const { value: scalar, grads } = tf.variableGrads(value, variables);
  scalar.dataSync();
  tf.dispose([scalar, grads]);
}

useStock();
let stockEmbedding = "works";
try {
  step(withEmbedding, [embedding, kernel]);
} catch (error) {
  stockEmbedding = `throws: ${(error as Error).message.split("\n")[0]}`;
}

const bench = new Bench({ iterations: quick ? 2 : 10, time: 0, warmupIterations: quick ? 1 : 2, warmupTime: 0 });
const stock = "output layer, tensorflow.js's kernels";
const ours = "output layer, our kernels";
const embedded = "embedding and output layer, our kernels";
bench
  .add(stock, () => step(outputLayer, [kernel]), { beforeEach: useStock })
  .add(ours, () => step(outputLayer, [kernel]), { beforeEach: useOurs })
  .add(embedded, () => step(withEmbedding, [embedding, kernel]), { beforeEach: useOurs });
await bench.run();
useOurs();

const median = (name: string): number => {
  const result = bench.getTask(name)?.result;
  if (result === undefined || !("latency" in result)) throw new Error(`no result for ${name}`);
  return result.latency.p50;
};
const milliseconds = Object.fromEntries([stock, ours, embedded].map((name) => [name, Number(median(name).toFixed(1))]));
const ratio = Number((median(stock) / median(ours)).toFixed(2));

console.log(`${tokens} tokens, width ${width}, vocabulary ${vocabulary}: value and gradients, median milliseconds`);
console.table(milliseconds);
console.log(`Our kernels are ${ratio} times as fast on the output layer.`);
console.log(`The gradient of an embedding with tensorflow.js's own kernels ${stockEmbedding}`);

const report = { tokens, width, vocabulary, milliseconds, ratio, stockEmbedding };
if (!quick) saveResult("wasm-training-step.json", `${JSON.stringify(report, null, 2)}\n`);
