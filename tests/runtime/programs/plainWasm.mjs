/** What tensorflow.js's wasm backend computes, as JSON: "alone", or started by "lossmith". */
import process from "node:process";
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { useBackend } from "lossmith/runtime";

const missing = [
  "UnsortedSegmentSum",
  "Conv2DBackpropFilter",
  "DepthwiseConv2dNativeBackpropFilter",
  "DepthwiseConv2dNativeBackpropInput",
  "Einsum",
];
if (process.argv[2] === "alone") await tf.setBackend("wasm");
else await useBackend("wasm");
const results = {};
const note = async (name, tensor) => {
  results[name] = [...(await tensor.data())];
};

const image = tf.range(1, 13).reshape([1, 3, 4, 1]);
tf.fill([4], 7).dispose();
await note("strided", tf.conv2d(image, tf.ones([2, 1, 1, 1]), 2, "same"));

const negative = tf.tensor4d([-4, -3, -2, -1], [1, 2, 2, 1]);
const sum = (f) => (x) => tf.sum(f(x));
await note("pool", tf.grad(sum((x) => tf.maxPool(x, 2, 2, "valid")))(negative));
await note("pool3d", tf.maxPool3d(negative.reshape([1, 1, 2, 2, 1]), [1, 2, 2], 1, "valid"));
await note("dilation", tf.dilation2d(negative, tf.zeros([2, 2, 1]), 1, "valid"));

const volume = tf.ones([1, 2, 2, 2, 2]);
const filter = tf.ones([2, 2, 2, 2, 3]);
await note("conv3d", tf.grad(sum((x) => tf.conv3d(x, filter, 1, "same")))(volume));

const pairs = tf.tensor2d([1, 0, 0, 1, 2, 2], [3, 2], "int32");
await note("gathered", tf.gather(tf.range(0, 9).reshape([3, 3]), pairs, 1, 1));
const products = { a: tf.ones([2, 2, 1]), b: tf.ones([2, 1, 2]), bias: tf.tensor1d([1, 2]) };
await note("biased", tf.fused.matMul(products));
const integers = tf.tensor1d([-300, 256, 1], "int32");
await note("clipped", tf.clipByValue(integers, -2, 2));
await note("isNaN", tf.isNaN(integers));
await note("truth", tf.cast(integers, "bool"));

results.missing = missing.filter((name) => tf.getKernel(name, "wasm") === undefined);

// The last, since it may end the backend.
const row = tf.tensor1d([1, 2, 3, 4]);
tf.matMul(tf.ones([3, 1]), row.reshape([1, 4])).dispose();
try {
  await note("reshaped", tf.matMul(tf.ones([2, 2]), row.reshape([2, 2])));
} catch (error) {
  results.reshaped = String(error);
}
console.log(`results ${JSON.stringify(results)}`);
