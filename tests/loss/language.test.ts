/** Losses, laws, schedules and modulators that a user writes, each in under ten lines, without touching the library. */
import { beforeAll, describe, expect, test } from "bun:test";
import {
  type AnyLoss,
  crossEntropy,
  evaluate,
  evaluateGradient,
  explain,
  focal,
  freqWeights,
  fromCounts,
  language,
  type Numeric,
  pipe,
  powerLaw,
  show,
  sum,
} from "lossmith";
import { plan } from "../../lib/compiler/plan.ts";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { expectClose, flat } from "../support/numbers.ts";

const {
  add,
  constant,
  count,
  divide,
  law,
  lift,
  lossOf,
  modulate,
  multiply,
  overVocabulary,
  pow,
  probability,
  step,
  stopGradient,
  subtract,
  unary,
} = language;

/** A loss: generalised cross entropy, (1 − p^q) / q. */
const generalised = (q: number) => lossOf(divide(subtract(constant(1), pow(probability, constant(q))), constant(q)));

/** A modulator: MixCE, (e + (1 − e) sg(p)) ℓ. */
const mix = (e: number) =>
  modulate("mix", (value) => multiply(add(constant(e), multiply(constant(1 - e), stopGradient(probability))), value));

/** A law: inverse frequency with the mean token at 1, N / (V c). */
const inverse = law({
  name: "inverse",
  map: divide(overVocabulary("sum", count), multiply(language.vocabularySize, count)),
});

/** A schedule: 1 − exp(−t / steps). */
const saturating = (steps: number): Numeric =>
  subtract(constant(1), unary("exp", divide(subtract(constant(0), step), lift(steps, "steps"))));

const batch = {
  logits: [
    [2, 1, 0.1],
    [0.5, 2.5, 0.3],
    [1, 1, 1],
  ],
  labels: [0, 1, 2],
  step: 10,
};
const frequencies = fromCounts([100, 10, 1]);
const own: Readonly<Record<string, AnyLoss>> = {
  "a loss": pipe(generalised(0.7), sum),
  "a modulator": pipe(crossEntropy, mix(0.5), sum),
  "a law": pipe(crossEntropy, freqWeights(frequencies), inverse),
  "a schedule": pipe(crossEntropy, freqWeights(frequencies), powerLaw(saturating(10))),
};

test("give the numbers of their formulas", () => {
  const nll = [0.41703002, 0.22004952, 1.09861229];
  const p = nll.map((x) => Math.exp(-x));
  const total = (each: number[]): number => each.reduce((a, b) => a + b, 0);
  const numberOf = (name: string): number => evaluate(own[name] as typeof crossEntropy, batch);
  expect(numberOf("a loss")).toBeCloseTo(total(p.map((x) => (1 - x ** 0.7) / 0.7)), 6);
  expect(numberOf("a modulator")).toBeCloseTo(total(nll.map((x, i) => (0.5 + 0.5 * p[i]) * x)), 6);
  const w = [111 / 300, 111 / 30, 111 / 3];
  expect(numberOf("a law")).toBeCloseTo(total(nll.map((x, i) => w[i] * x)) / total(w), 6);
  const v = [100, 10, 1].map((c) => c ** -(1 - Math.exp(-1)));
  expect(numberOf("a schedule")).toBeCloseTo(total(nll.map((x, i) => v[i] * x)) / total(v), 6);
});

for (const backend of backends) {
  describe(`run and differentiate on ${backend}`, () => {
    beforeAll(startBackend(backend));
    for (const [name, loss] of Object.entries(own)) {
      test(name, async () => {
        const { value, gradient } = await runCompiled(loss, batch, [3, 3]);
        expectClose(value, [evaluate(loss as typeof crossEntropy, batch)], 1e-6);
        expectClose(gradient, flat(evaluateGradient(loss, batch)), 1e-5);
      });
    }
  });
}

test("show and explain themselves", () => {
  expect(show(own["a loss"])).toBe("loss = Σ_i [(1 − sigmoid(logOdds(y))^0.7) / 0.7]");
  expect(show(own["a law"])).toContain("w(c) = Σ_c(count(c)) / (V · count(c))");
  expect(explain(own["a law"])).toContain("inverse ∘ freqWeights");
  expect(explain(own["a schedule"], { step: 10 })).toContain("at step 10");
});

test("cost what a built-in one costs: one view of the logits, statistics of one pass, nothing over [N, V]", () => {
  const builtIn = plan(pipe(crossEntropy, focal({ gamma: 2 })));
  for (const loss of Object.values(own)) {
    const { views, statistics, wholeTables } = plan(loss);
    expect([...views]).toEqual([...builtIn.views]);
    for (const { kind } of statistics.values()) {
      expect([...builtIn.statistics.values()].map((s) => s.kind)).toContain(kind);
    }
    expect(wholeTables.size).toBe(0);
  }
});
