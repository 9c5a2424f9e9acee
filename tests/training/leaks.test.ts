/** Thousands of steps of each kind of loop leave as many tensors behind as a few do. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { crossEntropy, ignoreIndex, mean, parameter, pipe, temperature } from "lossmith";
import {
  accumulateGradients,
  effectiveTokens,
  lossFor,
  perplexity,
  tokenAccuracy,
  trainStep,
  withLoss,
} from "lossmith/training";
import { backends, startBackend } from "../support/backends.ts";

/**
 * Three hundred steps in one place, or as many as LEAK_STEPS says; the other backend and runtime have the same loops, and tensors
 * are counted alike.
 */
const stepsOn = (backend: string): number =>
  backend === "cpu" && "Bun" in globalThis ? Number(process.env["LEAK_STEPS"] ?? 300) : 100;

interface Loop {
  /** Takes so many steps. */
  readonly run: (steps: number) => Promise<void>;
  readonly free: () => void;
}

const trained = pipe(crossEntropy, temperature(parameter("t", 1)), ignoreIndex(-1), mean);
const x = (): tf.Tensor2D => tf.tensor2d([1, 0.5, 0, 1], [2, 2]);
const y = (): tf.Tensor1D => tf.tensor1d([0, -1], "int32");

function dense(): tf.Sequential {
  return tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] })] });
}

const loops: Readonly<Record<string, () => Loop>> = {
  "trainStep, whole batches and micro-batches, clipped": () => {
    const weights = tf.tidy(() => tf.variable(tf.zeros<tf.Rank.R2>([2, 2])));
    const [inputs, optimizer] = [x(), tf.train.adam(1e-3)];
    const model = (z: tf.Tensor2D): tf.Tensor => tf.matMul(z, weights);
    const step = trainStep({ optimizer, loss: trained, model, variables: [weights], clipNorm: 0.1 });
    const batch = { x: inputs, labels: [0, -1] };
    return {
      run: async (steps) => {
        for (let t = 0; t < steps; t++) await step(t % 10 === 0 ? [batch, batch] : batch);
      },
      free: () => {
        step.dispose();
        optimizer.dispose();
        tf.dispose([inputs, weights]);
      },
    };
  },

  accumulateGradients: () => {
    const weights = tf.tidy(() => tf.variable(tf.zeros<tf.Rank.R2>([2, 2])));
    const inputs = x();
    const gradients = accumulateGradients({
      loss: trained,
      model: () => tf.matMul(inputs, weights),
      variables: [weights],
    });
    return {
      run: async (steps) => {
        for (let t = 0; t < steps; t++) {
          const { value, grads } = gradients([{ x: null, labels: [0, 1] }]);
          tf.dispose([value, grads]);
        }
      },
      free: () => {
        gradients.dispose();
        tf.dispose([inputs, weights]);
      },
    };
  },

  "withLoss: fit, with metrics, weights and validation": () => {
    const [model, inputs, labels, optimizer] = [dense(), x(), y(), tf.train.adam(1e-3)];
    const training = withLoss(model, trained, {
      optimizer,
      metrics: [tokenAccuracy(), perplexity(), effectiveTokens()],
    });
    const sampleWeight = tf.ones([2]);
    return {
      run: async (steps) => {
        // A validation and ten steps an epoch.
        const data = [inputs, labels].map((t) => tf.tidy(() => tf.concat(Array(10).fill(t))));
        const weight = tf.tidy(() => tf.concat(Array(10).fill(sampleWeight)));
        await training.fit(data[0], data[1], {
          epochs: steps / 10,
          batchSize: 2,
          sampleWeight: weight,
          validationData: [inputs, labels],
          classWeight: { 0: 2 },
          yieldEvery: "never",
        });
        tf.dispose([...data, weight]);
      },
      free: () => {
        training.dispose();
        optimizer.dispose();
        model.dispose();
        tf.dispose([inputs, labels, sampleWeight]);
      },
    };
  },

  "withLoss: trainOnBatch": () => {
    const [model, inputs, labels, optimizer] = [dense(), x(), y(), tf.train.momentum(1e-3, 0.9)];
    const training = withLoss(model, trained, { optimizer });
    return {
      run: async (steps) => {
        for (let t = 0; t < steps; t++) await training.trainOnBatch(inputs, labels);
      },
      free: () => {
        training.dispose();
        model.dispose();
        tf.dispose([inputs, labels]);
      },
    };
  },

  "lossFor in model.fit": () => {
    const [model, inputs] = [dense(), x()];
    const labels = tf.tidy(() => tf.oneHot(tf.tensor1d([0, 1], "int32"), 2).toFloat());
    const loss = lossFor(pipe(crossEntropy, mean), { model });
    model.compile({ optimizer: "sgd", loss });
    return {
      run: async (steps) => {
        await model.fit(inputs, labels, { epochs: steps, batchSize: 2, yieldEvery: "never", verbose: 0 });
      },
      free: () => {
        loss.dispose();
        model.dispose();
        tf.dispose([inputs, labels]);
      },
    };
  },
};

for (const backend of backends) {
  describe(`${stepsOn(backend)} steps on ${backend}`, () => {
    beforeAll(startBackend(backend));

    for (const [name, make] of Object.entries(loops)) {
      test(name, async () => {
        const { run, free } = make();
        await run(20);
        const early = tf.memory();
        await run(stepsOn(backend) - 20);
        const late = tf.memory();
        expect(late.numTensors).toBe(early.numTensors);
        expect(late.numDataBuffers).toBe(early.numDataBuffers);
        expect(late.numBytes).toBe(early.numBytes);
        free();
      }, 180_000);
    }
  });
}
