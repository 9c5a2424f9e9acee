/** A short training run, an embedding and an output layer by an optimizer, whose loss curve is compared. */
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  compile,
  crossEntropy,
  evaluate,
  evaluateGradient,
  freqWeights,
  fromCounts,
  labelSmoothing,
  linear,
  pipe,
  powerLaw,
} from "lossmith";
import { normal, randomNumbers } from "../../browser/rowCases.ts";
import { type PartResult, Tally } from "./tally.ts";

/** Relative to the loss: errors of float32 grow along a run. */
const tolerance = 1e-5;

const vocabulary = 23;
const width = 6;
const steps = 30;
const rate = 0.5;

/** Each token is followed by the next but two, some more often than others. */
const tokens = Array.from({ length: 32 }, (_, i) => Math.floor((vocabulary * ((i * i) % 32)) / 32));
const labels = tokens.map((token) => (token + 3) % vocabulary);
const counts = Array.from({ length: vocabulary }, (_, id) => labels.filter((label) => label === id).length);

/** The power-law decay loss, with the exponent's schedule and smoothing. */
const loss: AnyLoss = pipe(
  crossEntropy,
  labelSmoothing(0.05),
  freqWeights(fromCounts(counts)),
  powerLaw(linear({ init: 0, end: 0.5, steps })),
);

function initial(rows: number, columns: number, seed: number): number[][] {
  const random = randomNumbers(seed);
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => Math.fround(0.3 * normal(random))));
}

const embedding = initial(vocabulary, width, 1);
const output = initial(width, vocabulary, 2);

/** The loss before each step, on the current backend. */
export async function trainedCurve(): Promise<number[]> {
  const compiled = compile(loss);
  const [e, w] = [tf.variable(tf.tensor2d(embedding)), tf.variable(tf.tensor2d(output))];
  const ids = tf.tensor1d(tokens, "int32");
  const optimizer = tf.train.sgd(rate);
  const curve: number[] = [];
  for (let step = 0; step < steps; step++) {
    const cost = optimizer.minimize(
      () => compiled({ logits: tf.matMul(tf.gather(e, ids), w as unknown as tf.Tensor2D), labels, step }) as tf.Scalar,
      true,
      [e, w],
    ) as tf.Scalar;
    curve.push((await cost.data())[0]);
    cost.dispose();
  }
  optimizer.dispose();
  compiled.dispose();
  tf.dispose([e, w, ids]);
  return curve;
}

/** The same in float64, by the chain rule: logits = E[token] · W. */
export function exactCurve(): number[] {
  const [e, w] = [embedding.map((row) => [...row]), output.map((row) => [...row])];
  const curve: number[] = [];
  for (let step = 0; step < steps; step++) {
    const hidden = tokens.map((token) => [...e[token]]);
    const logits = hidden.map((h) => w[0].map((_, c) => h.reduce((sum, x, d) => sum + x * w[d][c], 0)));
    const batch = { logits, labels, step };
    curve.push(evaluate(loss as typeof crossEntropy, batch));
    const gradient = evaluateGradient(loss, batch) as number[][];
    const forHidden = gradient.map((g) => w.map((row) => row.reduce((sum, x, c) => sum + x * g[c], 0)));
    for (const [i, g] of gradient.entries()) {
      for (let d = 0; d < width; d++) {
        e[tokens[i]][d] -= rate * forHidden[i][d];
        for (let c = 0; c < vocabulary; c++) w[d][c] -= rate * hidden[i][d] * g[c];
      }
    }
  }
  return curve;
}

/** Compares a curve with cpu's, or cpu's with that in float64. */
export function training(curve: readonly number[], expected: readonly number[], than: string): PartResult {
  const tally = new Tally();
  tally.check(curve.length === steps && expected.length === steps, () => `${curve.length} steps in place of ${steps}`);
  expected.forEach((value, step) => {
    tally.within([Math.abs(curve[step] - value) / value], tolerance, () => {
      return `the loss at step ${step} is ${curve[step]}, ${than} ${value}`;
    });
  });
  const [first, last] = [curve[0], curve[curve.length - 1]];
  tally.check(last < 0.7 * first, () => `the loss did not fall: ${first} at first, ${last} at last`);
  return tally.result("training");
}
