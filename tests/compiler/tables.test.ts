/** The tables of a compiled loss: folded once, refreshed as new tensors, freed and built again. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type CompiledLoss,
  classWeights,
  clip,
  compile,
  crossEntropy,
  evaluate,
  explain,
  freqWeights,
  fromCounts,
  labelSmoothing,
  language,
  linear,
  normalise,
  override,
  pipe,
  powerLaw,
  ramp,
  sum,
  useBackend,
} from "lossmith";
import { Tables } from "../../lib/compiler/tables.ts";
import { atom } from "../../lib/loss/expression.ts";
import { backends, startBackend } from "../support/backends.ts";
import { expectClose } from "../support/numbers.ts";

const classes = 1000;
const counts = Array.from({ length: classes }, (_, id) => 1 + ((id * 7919) % 997));
const field = freqWeights(fromCounts(counts));
/** Bytes of one table, float32. */
const table = 4 * classes;
const labels = [3, 500];

/** Runs a step and gives its value; what is left behind is the tables. */
function value(loss: CompiledLoss, step?: number): number {
  const z = tf.zeros([2, classes]);
  const scalar = loss({ logits: z, labels, ...(step === undefined ? {} : { step }) });
  const [number] = scalar.dataSync();
  tf.dispose([z, scalar]);
  return number;
}

for (const backend of backends) {
  describe(`tables, ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("constant fields and laws fold into one table [V], which is computed once", () => {
      const many = pipe(
        crossEntropy,
        classWeights(counts.map((c) => 1 / c)),
        field,
        powerLaw(0.5),
        clip(0.01, 2),
        ramp(0.9),
        override({ 7: 3 }),
        normalise("max"),
        sum,
      );
      expect(explain(many)).toContain("tables over the vocabulary: 1 looked up at the label, 0 summed, 0 read whole");
      const before = tf.memory();
      const loss = compile(many);
      expect(tf.memory().numTensors).toBe(before.numTensors);
      const first = value(loss);
      expect(tf.memory().numTensors).toBe(before.numTensors + 1);
      expect(tf.memory().numBytes).toBe(before.numBytes + table);
      expect(value(loss)).toBe(first);
      expect(tf.memory().numTensors).toBe(before.numTensors + 1);
      const weights = counts.map((c, id) => {
        const law = id === 7 ? 3 : 1 + 0.9 * (Math.min(2, Math.max(0.01, (c + 1e-7) ** -0.5)) - 1);
        return { law, constant: 1 / c };
      });
      const largest = Math.max(...weights.map(({ law }) => law));
      const expected = labels.reduce(
        (total, y) => total + (weights[y].law / largest) * weights[y].constant * Math.log(classes),
        0,
      );
      expectClose([first], [expected], 1e-6);
      loss.dispose();
      expect(tf.memory().numTensors).toBe(before.numTensors);
    });

    test("a scheduled one is made anew when its step changes, beside a constant one that stays", () => {
      const { numTensors } = tf.memory();
      const data = pipe(
        crossEntropy,
        field,
        powerLaw(linear({ init: 0, end: 1, steps: 10 })),
        labelSmoothing(0.1),
        classWeights(counts.map((c) => 1 / c)),
      );
      const loss = compile(data);
      const values = [0, 5, 5, 10, 0].map((step) => value(loss, step));
      expect(values[2]).toBe(values[1]);
      expect(values[4]).toBe(values[0]);
      const plain = { logits: labels.map(() => new Array<number>(classes).fill(0)), labels };
      expectClose(
        values,
        [0, 5, 5, 10, 0].map((step) => evaluate(data, { ...plain, step })),
        2e-6,
      );
      loss.dispose();
      expect(tf.memory().numTensors).toBe(numTensors);
    });

    test("one whose schedule has ended stays as it is", () => {
      const scheduled = { source: field.field.source, laws: [ramp(linear({ init: 0, end: 1, steps: 10 })).law] };
      const weights = atom({ kind: "weight" as const, field: scheduled });
      const tables = new Tables();
      const last = tables.onDevice(weights, 10, classes).tensor;
      expect(tables.onDevice(weights, 11, classes).tensor).toBe(last);
      expect(last.isDisposed).toBe(false);
      expect(tables.onDevice(weights, 9, classes).tensor).not.toBe(last);
      tables.dispose();
    });

    test("a refreshed table is a new tensor: what a backward pass holds is never written", () => {
      const scheduled = { source: field.field.source, laws: [ramp(linear({ init: 0, end: 1, steps: 10 })).law] };
      const weights = atom({ kind: "weight" as const, field: scheduled });
      const tables = new Tables();
      const first = tables.onDevice(weights, 1, classes).tensor;
      const held = first.clone();
      const before = [...first.dataSync()];
      expect(tables.onDevice(weights, 1, classes).tensor).toBe(first);
      const second = tables.onDevice(weights, 2, classes).tensor;
      expect(second.id).not.toBe(first.id);
      expect(first.isDisposed).toBe(true);
      expect([...second.dataSync()]).not.toEqual(before);
      expect([...held.dataSync()]).toEqual(before);
      tables.dispose();
      expect(second.isDisposed).toBe(true);
      held.dispose();
    });

    test("each compiled loss has its own", () => {
      const { numTensors } = tf.memory();
      const data = pipe(crossEntropy, field, powerLaw(0.5));
      const [one, other] = [compile(data), compile(data)];
      const expected = value(one);
      expect(value(other)).toBe(expected);
      expect(tf.memory().numTensors).toBe(numTensors + 2);
      one.dispose();
      expect(tf.memory().numTensors).toBe(numTensors + 1);
      expect(value(other)).toBe(expected);
      other.dispose();
      other.dispose();
      expect(tf.memory().numTensors).toBe(numTensors);
    });

    test("a law that a user keeps may be in many losses, each folding it on its own field", () => {
      const half = language.law({ name: "half", map: language.constant(0.5) });
      const [short, long] = [
        [1, 2],
        [1, 2, 3],
      ].map((w) => compile(pipe(crossEntropy, classWeights(w), half, sum)));
      const at = (loss: CompiledLoss, size: number): number => {
        const z = tf.zeros([1, size]);
        const scalar = loss({ logits: z, labels: [1] });
        const [number] = scalar.dataSync();
        tf.dispose([z, scalar]);
        return number;
      };
      expectClose([at(short, 2), at(long, 3)], [0.5 * Math.log(2), 0.5 * Math.log(3)], 1e-6);
      short.dispose();
      long.dispose();
    });
  });
}

describe("tables after a change of backend", () => {
  test("are built on the new one, and freed on both", async () => {
    await useBackend("cpu");
    const before = tf.memory().numTensors;
    const loss = compile(pipe(crossEntropy, field, powerLaw(0.5)));
    const expected = value(loss);
    for (const name of ["wasm", "cpu", "wasm"] as const) {
      await useBackend(name);
      expectClose([value(loss)], [expected], 1e-6);
      // The copy on the backend that was left is gone, and there is one on this.
      expect(tf.memory().numTensors).toBe(before + 1);
    }
    loss.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test("of a backend that was removed are not asked for again", async () => {
    const name = "cpu-to-remove";
    await useBackend("cpu");
    const cpu = tf.backend();
    tf.registerBackend(name, () => Object.create(cpu) as tf.KernelBackend);
    tf.copyRegisteredKernels("cpu", name);
    await tf.setBackend(name);
    const loss = compile(pipe(crossEntropy, field, powerLaw(0.5)));
    const expected = value(loss);
    await useBackend("cpu");
    tf.removeBackend(name);
    expectClose([value(loss)], [expected], 1e-6);
    expect(() => loss.dispose()).not.toThrow();
  });
});
