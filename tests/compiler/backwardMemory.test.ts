/** What a loss keeps between its forward and its backward pass, and what it never makes. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  classWeights,
  compile,
  confidencePenalty,
  crossEntropy,
  focal,
  freqWeights,
  fromCounts,
  ignoreIndex,
  labelSmoothing,
  logitAdjustment,
  parameter,
  perToken,
  pipe,
  poly,
  powerLaw,
  softcap,
  temperature,
  zLoss,
} from "lossmith";
import { backends, startBackend } from "../support/backends.ts";

const rows = 16;

/** Losses over `classes` classes. */
const losses: Readonly<Record<string, (classes: number) => AnyLoss>> = {
  "cross entropy": () => crossEntropy,
  "one number a token": () => perToken(crossEntropy),
  "power-law decay": (classes) =>
    pipe(crossEntropy, freqWeights(fromCounts(new Array(classes).fill(3))), powerLaw(0.5)),
  "weighted smoothing": (classes) =>
    pipe(crossEntropy, classWeights(new Array(classes).fill(3)), labelSmoothing(0.1), ignoreIndex(0)),
  "focal, poly, z-loss and confidence penalty": () =>
    pipe(crossEntropy, focal({ gamma: 2 }), poly(1), zLoss(0.1), confidencePenalty(0.1)),
  "focal inside smoothing": () => pipe(crossEntropy, focal({ gamma: 2 }), labelSmoothing(0.1)),
  "a trained temperature under a cap": () => pipe(crossEntropy, temperature(parameter("t", 2)), softcap(10)),
  "two views": (classes) => pipe(crossEntropy, logitAdjustment(fromCounts(new Array(classes).fill(3))), zLoss(0.1)),
};

interface Measured {
  /** Bytes of tensors that the forward pass leaves behind; a second handle of the same memory counts again. */
  readonly left: number;
  /** Bytes that the tape holds: of handles of the logits, of whole tables [V], and of all the rest. */
  readonly logits: number;
  readonly tables: number;
  readonly rest: number;
  /** The kernels that both passes run. */
  readonly kernels: readonly string[];
}

function measure(data: AnyLoss, classes: number): Measured {
  const loss = compile(data);
  const z = tf.randomNormal([rows, classes], 0, 1, "float32", 1);
  const labels = Array.from({ length: rows }, (_, row) => row);
  const batch = { labels, mask: labels.map((y) => y !== 3), sampleWeight: labels.map((y) => y / 4) };
  // The first call makes the tables.
  loss({ ...batch, logits: z }).dispose();
  let left = 0;
  let saved: tf.Tensor[] = [];
  const kernels = new Set<string>();
  const engine = tf.engine();
  const runKernel = engine.runKernel;
  engine.runKernel = function <T>(this: typeof engine, name: string, ...rest: unknown[]): T {
    kernels.add(name);
    return (runKernel as (...all: unknown[]) => T).call(this, name, ...rest);
  } as typeof runKernel;
  try {
    const gradient = tf.grad((x: tf.Tensor) => {
      const before = tf.memory().numBytes;
      const value = loss({ ...batch, logits: x });
      left = tf.memory().numBytes - before;
      saved = (engine.state.activeTape ?? []).flatMap((node) => node.saved ?? []);
      return value;
    })(z);
    gradient.dispose();
  } finally {
    engine.runKernel = runKernel;
  }
  const bytes = (tensors: readonly tf.Tensor[]): number => 4 * tensors.reduce((total, x) => total + x.size, 0);
  const ofLogits = saved.filter(({ dataId }) => dataId === z.dataId);
  const ofTables = saved.filter(({ shape }) => shape.length === 1 && shape[0] === classes);
  const result = {
    left,
    logits: bytes(ofLogits),
    tables: bytes(ofTables),
    rest: bytes(saved) - bytes(ofLogits) - bytes(ofTables),
    kernels: [...kernels],
  };
  z.dispose();
  loss.dispose();
  for (const variable of loss.variables.values()) variable.dispose();
  return result;
}

for (const backend of backends) {
  describe(`between the passes, ${backend}`, () => {
    beforeAll(startBackend(backend));

    for (const [name, build] of Object.entries(losses)) {
      test(`${name} keeps a few numbers a row, however large the vocabulary`, () => {
        const [small, large] = [200, 3200].map((classes) => measure(build(classes), classes));
        expect(small.logits).toBeGreaterThan(0);
        expect(small.rest).toBeGreaterThan(0);
        expect(large.rest).toBe(small.rest);
        expect(small.rest / rows).toBeLessThan(150);
        // What grows with the vocabulary is the logits themselves and tables, and nothing of the size of the logits.
        const growth = large.left - small.left;
        expect(growth).toBe(large.logits - small.logits + large.tables - small.tables);
        expect(large.tables / (4 * 3200)).toBeLessThanOrEqual(3);
      });

      test(`${name} runs no one-hot, softmax or log-softmax`, () => {
        const { kernels } = measure(build(100), 100);
        expect(kernels.length).toBeGreaterThan(0);
        for (const kernel of ["OneHot", "Softmax", "LogSoftmax"]) expect(kernels).not.toContain(kernel);
      });
    }
  });
}
