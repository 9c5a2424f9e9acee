/** Trainable parameters: a temperature, and Kendall's log variances. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  add,
  compile,
  crossEntropy,
  evaluate,
  LossError,
  mean,
  parameter,
  pipe,
  scale,
  softcap,
  sum,
  temperature,
} from "lossmith";
import { backends, startBackend } from "../support/backends.ts";
import { expectClose } from "../support/numbers.ts";

const batch = {
  logits: [
    [4, 1, 0],
    [0, 3, 1],
    [2, 2, 0],
  ],
  labels: [0, 2, 1],
};

for (const backend of backends) {
  describe(`parameters, ${backend}`, () => {
    beforeAll(startBackend(backend));

    const losses = {
      "a temperature": pipe(crossEntropy, temperature(parameter("t", 1.5))),
      "a temperature under a cap": pipe(crossEntropy, temperature(parameter("t", 1.5)), softcap(3), sum),
      "a scale": pipe(crossEntropy, scale(parameter("t", 1.5)), mean),
    };
    for (const [name, data] of Object.entries(losses)) {
      test(`${name} gets its gradient`, async () => {
        const loss = compile(data);
        const t = loss.variables.get("t") as tf.Variable;
        const logits = tf.tensor2d(batch.logits);
        const { value, grads } = tf.variableGrads(() => loss({ ...batch, logits }), [t]);
        const at = (x: number): number => evaluate(data, { ...batch, parameters: { t: x } });
        expectClose([...(await value.data())], [at(1.5)], 1e-6);
        expectClose([...(await grads[t.name].data())], [(at(1.5 + 1e-5) - at(1.5 - 1e-5)) / 2e-5], 1e-4);
        tf.dispose([value, grads, logits]);
      });
    }

    test("an optimizer sees them without being told, and calibrates an overconfident model", async () => {
      const loss = compile(pipe(crossEntropy, temperature(parameter("t", 1))));
      const logits = tf.tensor2d([
        [9, 0],
        [9, 0],
        [9, 0],
        [9, 0],
      ]);
      const optimizer = tf.train.adam(0.3);
      const { numTensors } = tf.memory();
      for (let i = 0; i < 800; i++) optimizer.minimize(() => loss({ logits, labels: [0, 0, 0, 1] }));
      // Three of four are right, so the best odds are 3 : 1.
      const t = (await (loss.variables.get("t") as tf.Variable).data())[0];
      expect(9 / t).toBeCloseTo(Math.log(3), 2);
      expect(tf.memory().numTensors - numTensors).toBeLessThanOrEqual(4);
      optimizer.dispose();
      logits.dispose();
    });

    test("a NaN in a masked row does not reach the gradient, under a cap either", async () => {
      const loss = compile(pipe(crossEntropy, temperature(parameter("t", 1)), softcap(3)));
      const t = loss.variables.get("t") as tf.Variable;
      const logits = tf.tensor2d([
        [Number.NaN, 1],
        [1, 2],
      ]);
      const { value, grads } = tf.variableGrads(() => loss({ logits, labels: [0, 0], mask: [false, true] }), [t]);
      expect(Number.isFinite((await grads[t.name].data())[0])).toBe(true);
      tf.dispose([value, grads, logits]);
    });

    test("a temperature that was trained out of its bounds is refused", () => {
      const loss = compile(pipe(crossEntropy, temperature(parameter("t", 1))));
      (loss.variables.get("t") as tf.Variable).assign(tf.scalar(-1));
      expect(() => loss({ logits: tf.zeros([1, 2]), labels: [0] })).toThrow("temperature(t)");
    });

    test("compile leaves the variables behind and nothing else", () => {
      const { numTensors } = tf.memory();
      const loss = compile(pipe(crossEntropy, temperature(parameter("t", 1))));
      expect(tf.memory().numTensors).toBe(numTensors + 1);
      for (const variable of loss.variables.values()) variable.dispose();
      expect(tf.memory().numTensors).toBe(numTensors);
    });

    test("parameters of one name are one variable", () => {
      const t = parameter("t", 2);
      const loss = compile(pipe(crossEntropy, temperature(t), add(pipe(crossEntropy, temperature(t), scale(0.5)))));
      expect([...loss.variables.keys()]).toEqual(["t"]);
    });
  });
}

test("views are changed in the order in which they are computed, or refused", () => {
  const cap = pipe(crossEntropy, softcap(30));
  expect(() => pipe(cap, temperature(2))).toThrow("Put temperature before softcap");
  const capped = (z: number): number => 30 * Math.tanh(z / 2 / 30);
  const expected = Math.log1p(Math.exp(capped(40) - capped(0)));
  const batch = { logits: [[40, 0]], labels: [1] };
  expect(evaluate(pipe(crossEntropy, temperature(2), softcap(30)), batch)).toBeCloseTo(expected, 9);
});

test("two initial values under one name are refused", () => {
  const loss = pipe(crossEntropy, scale(parameter("s", 1)), scale(parameter("s", 2)));
  expect(() => compile(loss)).toThrow(LossError);
  expect(() => evaluate(loss, batch)).toThrow("initial values");
});

test("evaluate refuses a parameter that the loss does not have", () => {
  expect(() => evaluate(crossEntropy, { ...batch, parameters: { t: 1 } })).toThrow('no parameter "t"');
});
