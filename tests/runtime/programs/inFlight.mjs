/**
 * Starts webgpu, leaves work and a hundred reads in flight, and ends as its argument says: by process.exit() or off its
 * end. With so many, Dawn crashes Node nearly every time if its device is not destroyed first.
 */
import process from "node:process";
import * as tf from "@tensorflow/tfjs";
import { useBackend } from "lossmith/runtime";

await useBackend("webgpu");
const x = tf.randomUniform([64, 64]);
const product = tf.matMul(x, x);
for (let i = 0; i < 100; i++) tf.matMul(product, x).data();
console.log("in flight");
if (process.argv[2] === "exit") process.exit(0);
