/** Weights that change while training: decayed counts and moving averages, and the losses that read them. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  type CompiledLoss,
  classWeights,
  compile,
  crossEntropy,
  type DecayedCounts,
  decayedCounts,
  evaluate,
  evaluateGradient,
  explain,
  face,
  freqWeights,
  fromCounts,
  inverseFrequency,
  labelSmoothing,
  linear,
  lossEq,
  movingAverage,
  normalise,
  override,
  pipe,
  powerLaw,
  sum,
  zipfMandelbrot,
} from "lossmith";
import { Tables } from "../../lib/compiler/tables.ts";
import { atom } from "../../lib/loss/expression.ts";
import { backends, startBackend } from "../support/backends.ts";
import { expectClose, flat } from "../support/numbers.ts";

const vocabSize = 6;
const ids = fc.array(fc.nat({ max: vocabSize - 1 }), { maxLength: 20 });
const start = [40, 7, 0, 3, 1, 0];
const batch = {
  logits: start.map((_, row) => start.map((_, c) => Math.fround(Math.sin(1 + row * 6 + c)))),
  labels: [0, 1, 2, 3, 4, 5],
};
const soft = { ...batch, labels: batch.logits.map((row) => row.map((z) => Math.max(z, 0))) };

describe("decayedCounts", () => {
  test("each update keeps a share of the counts and adds those of its tokens", () => {
    fc.assert(
      fc.property(fc.array(ids, { maxLength: 8 }), fc.integer({ min: 0, max: 10 }), (batches, tenths) => {
        const counts = decayedCounts(fromCounts(start), { decay: tenths / 10, forget: 0 });
        const expected = [...start];
        for (const tokens of batches) {
          counts.update(tokens);
          expected.forEach((c, id) => {
            expected[id] = (tenths / 10) * c + tokens.filter((token) => token === id).length;
          });
        }
        expect(counts.version).toBe(batches.length);
        expectClose([...counts.frequencies().counts], expected, 1e-12);
      }),
    );
  });

  test("up to a factor of 1 − decay is the moving average of what the batches count", () => {
    const counts = decayedCounts(fromCounts(new Uint32Array(vocabSize)), { decay: 0.9, forget: 0 });
    const average = movingAverage(new Uint32Array(vocabSize), { decay: 0.9 });
    for (const tokens of [
      [0, 0, 3],
      [1, 0],
      [5, 5, 5, 2],
    ]) {
      counts.update(tokens);
      average.update(batch.labels.map((id) => tokens.filter((token) => token === id).length));
    }
    expectClose(
      [...counts.frequencies().counts].map((c) => 0.1 * c),
      [...average.weights()],
      1e-12,
    );
  });

  test("a count below the threshold is forgotten", () => {
    const counts = decayedCounts(fromCounts([4, 1, 0]), { decay: 0.5 });
    counts.update([0]);
    expect([...counts.frequencies().counts]).toEqual([3, 0.5, 0]);
    counts.update(new Int32Array([0, 2]));
    expect([...counts.frequencies().counts]).toEqual([2.5, 0, 1]);
  });

  test("takes counts in place of tokens, leaves ignored labels out, and its decay may be a schedule over the updates", () => {
    const decay = linear({ init: 1, end: 0, steps: 2 });
    const counts = decayedCounts(fromCounts([4, 8]), { decay, ignoreIndex: -1 });
    counts.update([-1, 1]);
    expect([...counts.frequencies().counts]).toEqual([4, 9]);
    counts.update(fromCounts([1, 0]));
    expect([...counts.frequencies().counts]).toEqual([3, 4.5]);
    counts.update([0]);
    expect([...counts.frequencies().counts]).toEqual([1, 0]);
  });

  test("what was read before an update stays as it was", () => {
    const first = fromCounts([2, 2]);
    const counts = decayedCounts(first, { decay: 0.5 });
    const before = counts.frequencies();
    counts.update([0, 0]);
    expect([...before.counts]).toEqual([2, 2]);
    expect([...first.counts]).toEqual([2, 2]);
    before.counts[0] = 99;
    expect([...counts.frequencies().counts]).toEqual([3, 1]);
  });

  test("refuses wrong input", () => {
    const anything = (x: unknown): never => x as never;
    const counts = decayedCounts(fromCounts([2, 2]), { decay: 0.5 });
    expect(() => decayedCounts(anything([1, 2]), { decay: 0.5 })).toThrow("decayedCounts: got no Frequencies");
    expect(() => decayedCounts(fromCounts([1]), { decay: 1.5 })).toThrow("decayedCounts({ decay }): got 1.5");
    expect(() => decayedCounts(fromCounts([1]), anything(undefined))).toThrow(
      "decayedCounts({ decay }): got undefined",
    );
    expect(() => decayedCounts(fromCounts([1]), { decay: 0, forget: -1 })).toThrow("decayedCounts({ forget }): got -1");
    expect(() => counts.update([0, 2])).toThrow("the id at position 1 is 2");
    expect(() => counts.update(anything(3))).toThrow("got 3");
    expect(() => counts.update(fromCounts([1]))).toThrow("got counts of 1 entries for a vocabulary of 2");
    // A refused update changes nothing.
    expect(counts.version).toBe(0);
    expect([...counts.frequencies().counts]).toEqual([2, 2]);
    const leaving = decayedCounts(fromCounts([2, 2]), { decay: linear({ init: 1, end: 3, steps: 2 }) });
    leaving.update([0]);
    expect(() => leaving.update([0])).toThrow("decayedCounts({ decay }): got 2");
    const nothing = decayedCounts(fromCounts([0, 0]), { decay: 0.5 });
    expect(() =>
      evaluate(pipe(crossEntropy, freqWeights(nothing, { as: "relative" })), { logits: [[0, 0]], labels: [0] }),
    ).toThrow("all counts are 0, so relative frequencies do not exist");
  });
});

describe("movingAverage", () => {
  test("is decay · w + (1 − decay) · latest, with a scheduled decay too", () => {
    const weight = fc.integer({ min: 0, max: 40 }).map((n) => n / 10);
    const each = fc.array(weight, { minLength: 3, maxLength: 3 });
    fc.assert(
      fc.property(each, fc.array(each, { maxLength: 6 }), fc.integer({ min: 0, max: 10 }), (first, updates, tenths) => {
        const decay = linear({ init: tenths / 10, end: 1, steps: 4 });
        const average = movingAverage(first, { decay });
        const expected = [...first];
        updates.forEach((latest, t) => {
          average.update(latest);
          const d = tenths / 10 + (1 - tenths / 10) * Math.min(1, t / 4);
          expected.forEach((w, id) => {
            expected[id] = d * w + (1 - d) * latest[id];
          });
        });
        expect(average.version).toBe(updates.length);
        expectClose([...average.weights()], expected, 1e-12);
      }),
    );
  });

  test("refuses wrong input", () => {
    const anything = (x: unknown): never => x as never;
    const average = movingAverage([1, 2], { decay: 0.5 });
    expect(() => movingAverage([], { decay: 0.5 })).toThrow("movingAverage(start): got an empty array");
    expect(() => movingAverage([1], { decay: -1 })).toThrow("movingAverage({ decay }): got -1");
    expect(() => movingAverage([1], anything(undefined))).toThrow("movingAverage({ decay }): got undefined");
    expect(() => average.update([1, -2])).toThrow("the weight of id 1 is -2");
    expect(() => average.update([1])).toThrow("1 weights for 2 classes");
    expect([...average.weights()]).toEqual([1, 2]);
    expect(() => classWeights(average, { counts: [1] })).toThrow("1 counts for 2 weights");
  });
});

/** Losses over changing counts, and the same over the counts as they are. */
const losses: Readonly<Record<string, (counts: DecayedCounts | ReturnType<typeof fromCounts>) => AnyLoss>> = {
  "a weighted mean": (counts) => pipe(crossEntropy, freqWeights(counts), powerLaw(0.5)),
  "a law of the ranks": (counts) => pipe(crossEntropy, freqWeights(counts), zipfMandelbrot({ s: -1 }), sum),
  "laws that normalise": (counts) =>
    pipe(crossEntropy, freqWeights(counts, { as: "relative" }), inverseFrequency(0.5), normalise("tokenMean"), sum),
  "an override": (counts) => pipe(crossEntropy, freqWeights(counts), powerLaw(1), override({ 2: 0.25 }), sum),
  "a schedule": (counts) =>
    pipe(crossEntropy, freqWeights(counts), powerLaw(linear({ init: 0, end: 1, steps: 4 })), sum),
  "inside smoothing": (counts) => pipe(crossEntropy, freqWeights(counts), powerLaw(0.5), labelSmoothing(0.2), sum),
  "beside a constant field": (counts) =>
    pipe(crossEntropy, classWeights([1, 2, 3, 4, 5, 6]), freqWeights(counts), powerLaw(0.5), sum),
  FACE: (counts) => pipe(crossEntropy, freqWeights(counts), face, sum),
};
const updates = [[2, 2, 2, 0], [1], [5, 4, 3, 3, 3, 3, 2], [], [0, 0, 0, 0, 0, 0, 0, 0, 2]];

function run(
  loss: CompiledLoss,
  on: typeof batch | typeof soft,
  step: number,
): { value: number[]; gradient: number[] } {
  return tf.tidy(() => {
    const logits = tf.tensor(on.logits);
    const value = (z: tf.Tensor): tf.Scalar => loss({ logits: z, labels: on.labels, step }) as tf.Scalar;
    return { value: [...value(logits).dataSync()], gradient: [...tf.grad(value)(logits).dataSync()] };
  });
}

for (const backend of backends) {
  describe(`a compiled loss on ${backend}`, () => {
    beforeAll(startBackend(backend));

    for (const [name, make] of Object.entries(losses)) {
      test(`sees updated counts without compiling again, or a tensor more: ${name}`, () => {
        const before = tf.memory();
        const counts = decayedCounts(fromCounts(start), { decay: 0.8 });
        const data = make(counts);
        const loss = compile(data);
        const steps = updates.map((tokens, step) => {
          counts.update(tokens);
          const fixed = make(counts.frequencies());
          for (const on of [batch, soft]) {
            const { value, gradient } = run(loss, on, step);
            // The reference over the counts as they are now, and over those that change.
            for (const reference of [fixed, data]) {
              expectClose(value, [evaluate(reference as typeof crossEntropy, { ...on, step })], 2e-6);
              expectClose(gradient, flat(evaluateGradient(reference, { ...on, step })), 5e-6);
            }
          }
          return { value: run(loss, batch, step).value[0], memory: tf.memory() };
        });
        expect(new Set(steps.map(({ value }) => value)).size).toBeGreaterThan(2);
        for (const { memory } of steps) {
          expect(memory.numTensors).toBe(steps[0].memory.numTensors);
          expect(memory.numBytes).toBe(steps[0].memory.numBytes);
        }
        loss.dispose();
        expect(tf.memory().numTensors).toBe(before.numTensors);
        expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
      });
    }

    test("sees a moving average of weights", () => {
      const average = movingAverage([1, 1, 1, 1, 1, 1], { decay: 0.5 });
      const counts = { counts: [9, 5, 3, 2, 1, 1] };
      const data = pipe(crossEntropy, classWeights(average, counts), normalise("tokenMean"));
      const loss = compile(data);
      for (const latest of [
        [3, 0, 1, 1, 1, 1],
        [0, 4, 2, 1, 0.5, 3],
      ]) {
        average.update(latest);
        const fixed = pipe(crossEntropy, classWeights(average.weights(), counts), normalise("tokenMean"));
        const { value, gradient } = run(loss, batch, 0);
        expectClose(value, [evaluate(fixed, batch)], 2e-6);
        expectClose(gradient, flat(evaluateGradient(fixed, batch)), 5e-6);
        expect(evaluate(data, batch)).toBe(evaluate(fixed, batch));
      }
      loss.dispose();
    });

    test("losses share counts, each with tables of its own", () => {
      const counts = decayedCounts(fromCounts(start), { decay: 0.5 });
      const [one, other] = [0.5, 1].map((alpha) =>
        compile(pipe(crossEntropy, freqWeights(counts), powerLaw(alpha), sum)),
      );
      run(one, batch, 0);
      counts.update([3, 3, 3]);
      run(other, batch, 0);
      counts.update([4, 4]);
      [one, other].forEach((loss, i) => {
        const fixed = pipe(crossEntropy, freqWeights(counts.frequencies()), powerLaw([0.5, 1][i]), sum);
        expectClose(run(loss, batch, 0).value, [evaluate(fixed, batch)], 2e-6);
        loss.dispose();
      });
    });

    test("a table is made anew with the counts, and only then; what a backward pass holds is never written", () => {
      const counts = decayedCounts(fromCounts(start), { decay: 0.5 });
      const weights = atom({ kind: "weight" as const, field: freqWeights(counts).field });
      const tables = new Tables();
      const first = tables.onDevice(weights, 0, vocabSize).tensor;
      expect(tables.onDevice(weights, 1, vocabSize).tensor).toBe(first);
      // Counts that no entry is told apart by weigh as much after an update as before.
      const uniform = decayedCounts(fromCounts([2, 2]), { decay: 0.5 });
      const share = atom({ kind: "weight" as const, field: freqWeights(uniform, { as: "relative" }).field });
      const shares = tables.onDevice(share, 0, 2).tensor;
      uniform.update([0, 1]);
      expect(tables.onDevice(share, 0, 2).tensor).toBe(shares);
      const held = first.clone();
      counts.update([0]);
      const second = tables.onDevice(weights, 1, vocabSize).tensor;
      expect(second.id).not.toBe(first.id);
      expect(first.isDisposed).toBe(true);
      expect([...held.dataSync()]).toEqual([40, 7, 1, 3, 1, 1]);
      expect([...second.dataSync()]).toEqual([21, 3.5, 1, 1.5, 0.5, 1]);
      tables.dispose();
      held.dispose();
    });

    test("counts updated first in a training step are those of its gradient", () => {
      const counts = decayedCounts(fromCounts(start), { decay: 0.5 });
      const loss = compile(pipe(crossEntropy, freqWeights(counts), powerLaw(1), sum));
      const logits = tf.variable(tf.tensor(batch.logits));
      const expected = (): number[] => {
        const fixed = pipe(crossEntropy, freqWeights(counts.frequencies()), powerLaw(1), sum);
        return flat(evaluateGradient(fixed, batch));
      };
      const { grads } = tf.variableGrads(() => {
        counts.update(batch.labels);
        return loss({ logits, labels: batch.labels }) as tf.Scalar;
      });
      expectClose([...grads[logits.name].dataSync()], expected(), 5e-6);
      tf.dispose([logits, grads]);
      loss.dispose();
    });

    test("denominators are of the counts as they are, too", () => {
      const counts = decayedCounts(fromCounts(start), { decay: 0.5 });
      const loss = compile(pipe(crossEntropy, freqWeights(counts)));
      counts.update([2, 2, 2]);
      expectClose([...loss.denominators({ labels: [0, 2] }).dataSync()], [20 + 3], 1e-6);
      loss.dispose();
    });
  });
}

test("equality: changing weights are equal to themselves alone", () => {
  const counts = decayedCounts(fromCounts(start), { decay: 0.5 });
  const field = freqWeights(counts);
  const loss = pipe(crossEntropy, field, powerLaw(0.5));
  expect(lossEq.equals(loss, pipe(crossEntropy, field, powerLaw(0.5)))).toBe(true);
  expect(lossEq.equals(loss, pipe(crossEntropy, freqWeights(counts.frequencies()), powerLaw(0.5)))).toBe(false);
  expect(lossEq.equals(loss, pipe(crossEntropy, freqWeights(counts), powerLaw(0.5)))).toBe(false);
});

test("explain says how often the counts were updated", () => {
  const counts = decayedCounts(fromCounts(start), { decay: 0.5 });
  const loss = pipe(crossEntropy, freqWeights(counts), powerLaw(0.5));
  counts.update([0]);
  counts.update([1]);
  expect(explain(loss)).toContain("powerLaw(0.5) ∘ freqWeights: 6 entries after 2 updates");
  expect(explain(pipe(crossEntropy, freqWeights(fromCounts(start))))).not.toContain("updates");
});
