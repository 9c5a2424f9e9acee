/** Every schedule as the parameter of a loss: evaluated, compiled, shown, compared and copied. */
import { beforeAll, describe, expect, test } from "bun:test";
import {
  type AnyLoss,
  addSchedules,
  at,
  clamp,
  classWeights,
  cosineOneCycle,
  crossEntropy,
  cyclical,
  delay,
  divideSchedules,
  evaluate,
  focal,
  freqWeights,
  fromCounts,
  fromFunction,
  inverseSqrt,
  inverseTime,
  join,
  linear,
  linearOneCycle,
  lossEq,
  maxSchedules,
  minSchedules,
  type Numeric,
  piecewiseInterpolate,
  pipe,
  polynomial,
  powerLaw,
  powSchedules,
  repeat,
  type Schedule,
  scale,
  sgdr,
  show,
  sigmoidRamp,
  subtractSchedules,
  sum,
  warmupStableDecay,
} from "lossmith";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";

const rise = linear({ init: 0.1, end: 1, steps: 8 });

/** By what a loss shows of it: how to build it, and another that is no equal of it. */
const schedules: Readonly<Record<string, readonly [() => Schedule, () => Schedule]>> = {
  "piecewiseInterpolate(linear, 0.2, × 4 at 3, × 0.5 at 9)": [
    () => piecewiseInterpolate("linear", 0.2, { 9: 0.5, 3: 4 }),
    () => piecewiseInterpolate("cosine", 0.2, { 9: 0.5, 3: 4 }),
  ],
  "linearOneCycle(0.04 → 1 → 0.04 → 0.000004, 20 steps)": [
    () => linearOneCycle({ steps: 20, peak: 1 }),
    () => linearOneCycle({ steps: 20, peak: 1, pctFinal: 0.9 }),
  ],
  "cosineOneCycle(0.1 → 1 → 0.05, 12 steps)": [
    () => cosineOneCycle({ steps: 12, peak: 1, divFactor: 10, finalDivFactor: 2 }),
    () => cosineOneCycle({ steps: 12, peak: 1, divFactor: 10, finalDivFactor: 2, pctStart: 0.5 }),
  ],
  "sgdr(warmupCosine(0.2 → 1 → 0, 2 of 6 steps), warmupCosine(0 → 0.5 → 0.1, 1 of 9 steps))": [
    () =>
      sgdr([
        { init: 0.2, peak: 1, warmup: 2, decay: 6 },
        { init: 0, peak: 0.5, warmup: 1, decay: 9, end: 0.1 },
      ]),
    () => sgdr([{ init: 0.2, peak: 1, warmup: 2, decay: 6 }]),
  ],
  "inverseSqrt(0 → 1, 3 steps)": [() => inverseSqrt({ warmup: 3 }), () => inverseSqrt({ warmup: 3, timescale: 4 })],
  "warmupStableDecay(0.1 → 1 → 0.1, 3 + 4 + 5 steps, 1-sqrt)": [
    () => warmupStableDecay({ peak: 1, warmup: 3, stable: 4, decay: 5, end: 0.1, shape: "1-sqrt" }),
    () => warmupStableDecay({ peak: 1, warmup: 3, stable: 4, decay: 5, end: 0.1, shape: "linear" }),
  ],
  "cyclical(4 × sigmoid, ratio 0.5, 16 steps)": [
    () => cyclical({ steps: 16, shape: "sigmoid" }),
    () => cyclical({ steps: 16, shape: "cosine" }),
  ],
  "sigmoidRamp(9 steps)": [() => sigmoidRamp({ steps: 9 }), () => sigmoidRamp({ steps: 10 })],
  "inverseTime(1, rate 0.5 every 2 steps, staircase)": [
    () => inverseTime({ init: 1, steps: 2, rate: 0.5, staircase: true }),
    () => inverseTime({ init: 1, steps: 2, rate: 0.5 }),
  ],
  "polynomial(1 → 0.1, power 0.5, 5 steps from 1, cycle)": [
    () => polynomial({ init: 1, end: 0.1, power: 0.5, steps: 5, begin: 1, cycle: true }),
    () => polynomial({ init: 1, end: 0.1, power: 0.5, steps: 5, begin: 1 }),
  ],
  "delay(linear(0.1 → 1, 8 steps), 4)": [() => delay(rise, 4), () => delay(rise, 5)],
  "repeat(linear(0.1 → 1, 8 steps), 5)": [() => repeat(rise, 5), () => repeat(rise, 6)],
  "clamp(linear(0.1 → 1, 8 steps), 0.3, 0.7)": [() => clamp(rise, 0.3, 0.7), () => clamp(rise, 0.3, 0.8)],
  "1.5 − linear(0.1 → 1, 8 steps)": [() => subtractSchedules(1.5, rise), () => addSchedules(1.5, rise)],
  "0.1 / linear(0.1 → 1, 8 steps)": [() => divideSchedules(0.1, rise), () => divideSchedules(rise, 0.1)],
  "linear(0.1 → 1, 8 steps)^2": [() => powSchedules(rise, 2), () => powSchedules(rise, 3)],
  "min(linear(0.1 → 1, 8 steps), 0.4)": [() => minSchedules(rise, 0.4), () => maxSchedules(rise, 0.4)],
};

const weighted = pipe(crossEntropy, freqWeights(fromCounts([9, 4, 2, 1])));
const z = [2, 1, 0.1, -1];
const batch = { logits: [z, [0, 1, 0, 3], [1, 1, 2, 0]], labels: [0, 3, 2] };

/** A schedule inside the weights, around them, and in a modulator of each row. */
const losses: Readonly<Record<string, (x: Numeric) => AnyLoss>> = {
  "the exponent of a power law": (alpha) => pipe(weighted, powerLaw(alpha)),
  "a scale": (factor) => pipe(crossEntropy, classWeights([1, 2, 3, 4]), scale(factor), sum),
  "the exponent of focal": (gamma) => pipe(crossEntropy, focal({ gamma }), sum),
};

const lossAt = (loss: AnyLoss, step: number): number => evaluate(loss as typeof crossEntropy, { ...batch, step });

for (const backend of backends) {
  describe(`compiled on ${backend}, a loss at a step is the loss of the schedule's value there:`, () => {
    beforeAll(startBackend(backend));
    for (const [name, [build]] of Object.entries(schedules)) {
      test(name, async () => {
        for (const make of Object.values(losses)) {
          const seen = new Set<string>();
          for (const step of [0, 1, 3, 4.5, 7, 11, 13, 500]) {
            const expected = lossAt(make(at(build(), step)), step);
            expect(Math.abs(lossAt(make(build()), step) - expected)).toBeLessThanOrEqual(1e-12 * Math.abs(expected));
            const { value } = await runCompiled(make(build()), { ...batch, step }, [3, 4]);
            expect(Math.abs(value[0] - expected)).toBeLessThanOrEqual(2e-6 * Math.abs(expected));
            seen.add(expected.toPrecision(4));
          }
          expect(seen.size).toBeGreaterThan(2);
        }
      });
    }
  });
}

describe("as data:", () => {
  const scaled = (s: Numeric): AnyLoss => pipe(crossEntropy, scale(s), sum);
  for (const [name, [build, other]] of Object.entries(schedules)) {
    test(`${name} shows itself, is equal to what was built alike, and survives a copy`, () => {
      expect(show(scaled(build()))).toContain(name);
      expect(lossEq.equals(scaled(build()), scaled(build()))).toBe(true);
      expect(lossEq.equals(scaled(build()), scaled(other()))).toBe(false);
      const copy = structuredClone(build());
      expect(copy).toEqual(build());
      for (const step of [0, 2.5, 8, 100]) expect(at(copy, step)).toBe(at(build(), step));
    });
  }

  test("equality looks at what they do, not at their names", () => {
    const line = linear({ init: 1, end: 0, steps: 5 });
    expect(lossEq.equals(scaled(line), scaled(polynomial({ init: 1, end: 0, power: 1, steps: 5 })))).toBe(true);
    expect(lossEq.equals(scaled(addSchedules(rise, line)), scaled(addSchedules(line, rise)))).toBe(true);
    expect(lossEq.equals(scaled(minSchedules(rise, line)), scaled(minSchedules(line, rise)))).toBe(true);
    expect(lossEq.equals(scaled(subtractSchedules(rise, line)), scaled(subtractSchedules(line, rise)))).toBe(false);
  });

  test("functions of the step are told apart by the steps that they are given", () => {
    const root = fromFunction((t) => Math.sqrt(t));
    expect(lossEq.equals(scaled(delay(root, 3)), scaled(delay(root, 3)))).toBe(true);
    expect(lossEq.equals(scaled(delay(root, 3)), scaled(delay(root, 4)))).toBe(false);
    expect(lossEq.equals(scaled(repeat(root, 3)), scaled(join([1, root], [3])))).toBe(false);
  });
});

test("a compiled loss keeps functions apart that are given different steps", async () => {
  const square = fromFunction((t) => t * t);
  const loss = pipe(weighted, powerLaw(divideSchedules(addSchedules(delay(square, 2), repeat(square, 3)), 10)));
  for (const step of [0, 2, 4, 5]) {
    const alpha = (Math.max(step - 2, 0) ** 2 + (step % 3) ** 2) / 10;
    const expected = lossAt(pipe(weighted, powerLaw(alpha)), step);
    const { value } = await runCompiled(loss, { ...batch, step }, [3, 4]);
    expect(Math.abs(value[0] - expected)).toBeLessThanOrEqual(2e-6 * expected);
  }
});
