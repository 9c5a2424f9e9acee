/** A program as users write it, for bundlers: it trains a small model on the backend that it is told to use. */
import * as tf from "@tensorflow/tfjs";
import { compile, crossEntropy, explain } from "lossmith";
import { useBackend } from "lossmith/runtime";

export async function train(name) {
  const { backend, passedOver, adapter } = await useBackend(name, { report: true });
  const kernels = tf.getKernelsForBackend(backend).length;
  const loss = compile(crossEntropy);
  const table = tf.variable(tf.ones([5, 4]));
  const weights = tf.variable(tf.zeros([4, 3]));
  const tokens = tf.tensor1d([0, 2, 4, 2], "int32");
  const step = () => loss({ logits: tf.matMul(tf.gather(table, tokens), weights), labels: [0, 1, 2, 1] });
  const optimizer = tf.train.adam(0.1);
  const losses = [];
  for (let i = 0; i < 20; i++) {
    const cost = optimizer.minimize(step, true);
    losses.push((await cost.data())[0]);
    cost.dispose();
  }
  const fused = explain(crossEntropy).includes(`fused for ${backend}`);
  const layer = tf.layers.dense({ units: 2, activation: "relu", kernelInitializer: "ones" });
  const layers = [
    ...(await layer
      .apply(tf.ones([1, 3]))
      .abs()
      .data()),
  ];
  return { backend, passedOver, adapter, kernels, first: losses[0], last: losses[19], fused, layers };
}
