/** Entries of a vocabulary that have the same numbers are computed once. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { aggregateKinds, evaluateField, evaluateKinds, type Field, kindsOfEntries } from "../../lib/loss/field.ts";
import { kindsOf } from "../../lib/loss/kinds.ts";
import {
  clip,
  crossEntropy,
  freqWeights,
  fromCounts,
  linear,
  normalise,
  override,
  pipe,
  powerLaw,
  ramp,
  tlat,
  zipfMandelbrot,
} from "../../mod.ts";

const schedule = linear({ init: 0, end: 1, steps: 10 });

const laws = {
  powerLaw: powerLaw(schedule),
  clip: clip(0.01, 5),
  normalise: normalise("tokenMean"),
  typeMean: normalise("typeMean"),
  max: normalise("max"),
  override: override({ 1: 3, 4: schedule }),
  ramp: ramp(schedule),
  ranks: zipfMandelbrot({ s: schedule, q: 1 }),
  median: tlat("k2", { t: schedule }),
};

function fieldOf(counts: readonly number[], names: readonly (keyof typeof laws)[]): Field {
  const weighted = pipe(crossEntropy, freqWeights(fromCounts(counts)));
  return names.reduce((loss, name) => laws[name](loss), weighted).focus as Field;
}

test("kinds are the entries that agree in every column, and those that stand alone", () => {
  const { of, first, sizes } = kindsOf(6, [Float64Array.of(1, 1, 2, 1, 2, 1), Float64Array.of(5, 5, 5, 6, 5, 5)], [5]);
  expect([...of]).toEqual([0, 0, 1, 2, 1, 3]);
  expect([...first]).toEqual([0, 2, 3, 5]);
  expect([...sizes]).toEqual([2, 2, 1, 1]);
  expect(kindsOf(0, [], []).first.length).toBe(0);
});

test("what is computed once a kind is what is computed for each entry", () => {
  const counts = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 5, maxLength: 60 });
  const names = fc.array(fc.constantFrom(...(Object.keys(laws) as (keyof typeof laws)[])), { maxLength: 4 });
  fc.assert(
    fc.property(counts, names, names, fc.integer({ min: 0, max: 12 }), (given, some, others, step) => {
      fc.pre(given.some((count) => count > 0));
      const fields = [fieldOf(given, some), fieldOf(given, others)];
      const kinds = kindsOfEntries(fields, given.length);
      for (const field of fields) {
        const expected = evaluateField(field, step);
        const weights = evaluateKinds(field, step, kinds);
        kinds.of.forEach((kind, id) => {
          expect(Math.abs(weights[kind] - expected[id])).toBeLessThanOrEqual(1e-12 * expected[id]);
        });
        const sum = expected.reduce((total, x) => total + x, 0);
        expect(Math.abs(aggregateKinds("sum", weights, kinds) - sum)).toBeLessThanOrEqual(1e-12 * sum);
      }
    }),
    { numRuns: 300, seed: 5 },
  );
});

test("a large vocabulary of a corpus has few kinds", () => {
  const counts = Array.from({ length: 50_257 }, (_, rank) => Math.ceil(1e6 / (rank + 1)));
  const kinds = kindsOfEntries([fieldOf(counts, ["override", "powerLaw"])], counts.length);
  expect(kinds.first.length).toBeLessThan(2100);
});
