/** A training that goes on from its last checkpoint, and writes one after each step: to be killed. */
import { existsSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { crossEntropy, focal, linear, parameter, pipe, temperature, useBackend } from "lossmith";
import { checkpoint, trainStep } from "lossmith/training";

const [path, steps, millisecondsBetween] = process.argv.slice(2);
await useBackend("cpu");

/** A small generator whose state is one number. */
let random = 1;
function next(): number {
  random = (random * 48_271) % 2_147_483_647;
  return random / 2_147_483_647;
}

const weights = tf.variable(tf.randomUniform<tf.Rank.R2>([64, 50], -0.1, 0.1, "float32", 3));
const optimizer = tf.train.adam(0.05);
const gamma = linear({ init: 0, end: 1, steps: Number(steps) });
const step = trainStep({
  optimizer,
  loss: pipe(crossEntropy, temperature(parameter("t", 2)), focal({ gamma })),
  model: (x: tf.Tensor2D) => tf.matMul(x, weights),
  variables: [weights],
});
const saved = checkpoint({ variables: [weights], optimizer, clock: step.clock, parameters: step.parameters });
if (existsSync(path)) ({ random } = (await saved.load(path)) as { random: number });
while (step.clock.step < Number(steps)) {
  const x = tf.tensor2d(Array.from({ length: 4 * 64 }, next), [4, 64]);
  const labels = Array.from({ length: 4 }, () => Math.floor(50 * next()));
  const { step: at, loss } = await step({ x, labels });
  x.dispose();
  await saved.save(path, { random });
  console.log(JSON.stringify({ step: at, loss }));
  if (Number(millisecondsBetween) > 0) await new Promise((resolve) => setTimeout(resolve, Number(millisecondsBetween)));
}
