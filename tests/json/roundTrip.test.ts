/** Losses, laws, fields and schedules are what they were after a way through the text of a file. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  addSchedules,
  at,
  changingOf,
  clamp,
  classWeights,
  cosine,
  cosineOneCycle,
  crossEntropy,
  cyclical,
  decayedCounts,
  delay,
  distillation,
  divideSchedules,
  evaluate,
  explain,
  exponential,
  fieldFromJSON,
  fieldToJSON,
  focal,
  freqWeights,
  fromCounts,
  inverseFrequency,
  inverseSqrt,
  inverseTime,
  join,
  LossError,
  labelSmoothing,
  language,
  lawFromJSON,
  lawMonoid,
  lawToJSON,
  linear,
  linearOneCycle,
  lossEq,
  lossFromJSON,
  lossToJSON,
  maxSchedules,
  mean,
  mile,
  mixCE,
  movingAverage,
  type Numeric,
  normalise,
  override,
  parameter,
  piecewiseConstant,
  piecewiseInterpolate,
  pipe,
  poly,
  polynomial,
  powerLaw,
  powSchedules,
  ramp,
  repeat,
  type Schedule,
  scale,
  scheduleFromJSON,
  scheduleToJSON,
  sgdr,
  show,
  sigmoidRamp,
  sum,
  superLoss,
  temperature,
  warmupCosine,
  warmupStableDecay,
  zLoss,
} from "lossmith";
import { atom } from "../../lib/loss/expression.ts";
import { evaluateField } from "../../lib/loss/field.ts";
import { fieldsOf, parametersOf } from "../../lib/loss/inventory.ts";
import { plainView } from "../../lib/loss/view.ts";
import { cases, extremeCases, perTokenCases } from "../support/arbitraries.ts";
import { startBackend } from "../support/backends.ts";
import { candidateCases } from "../support/candidateCases.ts";
import { anyTimes, someSchedules } from "../support/schedules.ts";
import { valuesCases } from "../support/valuesArbitraries.ts";
import { weightLaws } from "../support/weightLaws.ts";

beforeAll(() => startBackend("cpu"));

/** What a file has of it. */
const filed = (json: unknown): unknown => JSON.parse(JSON.stringify(json));
const reread = (loss: AnyLoss): AnyLoss => lossFromJSON(filed(lossToJSON(loss)));

/** A value, or what the LossError says: laws such as `face` have no weights for some counts. */
function outcome(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    if (error instanceof LossError) return error.message;
    throw error;
  }
}

function expectSame(read: AnyLoss, loss: AnyLoss): void {
  expect(lossEq.equals(read, loss)).toBe(true);
  expect(show(read)).toBe(show(loss));
  expect(lossToJSON(read)).toEqual(lossToJSON(loss));
  const [fields, original] = [fieldsOf(read), fieldsOf(loss)];
  expect(fields.length).toBe(original.length);
  fields.forEach(({ source }, i) => {
    // toEqual tells −0 from 0.
    expect(source.values).toEqual(original[i].source.values);
    expect(source.counts).toEqual(original[i].source.counts);
  });
}

describe("losses", () => {
  test("random compositions: the same formula, tables, and value to the last bit", () => {
    fc.assert(
      fc.property(
        fc.oneof({ weight: 4, arbitrary: cases }, perTokenCases, extremeCases, candidateCases),
        ({ composition, batch }) => {
          const loss = composition.loss as typeof crossEntropy;
          const read = reread(loss) as typeof crossEntropy;
          expectSame(read, loss);
          expect(outcome(() => evaluate(read, batch.plain))).toEqual(outcome(() => evaluate(loss, batch.plain)));
        },
      ),
      { numRuns: 100 },
    );
  });

  test("the same over values", () => {
    fc.assert(
      fc.property(valuesCases, ({ composition, batch }) => {
        const loss = composition.loss as Parameters<typeof evaluate<"values">>[0];
        const read = reread(loss) as typeof loss;
        expectSame(read, loss);
        expect(outcome(() => evaluate(read, batch.plain))).toEqual(outcome(() => evaluate(loss, batch.plain)));
      }),
      { numRuns: 100 },
    );
  });

  test("a document is what somebody who knows the loss expects", () => {
    expect(filed(lossToJSON(pipe(crossEntropy, freqWeights(fromCounts([100, 10, 1])), powerLaw(0.5))))).toEqual({
      format: "lossmith loss",
      version: 1,
      expression: ["loss = Σ_i w(y) · nll(y) / Σ_i w(y)", "w(c) = (f(c) + 1e−7)^−0.5, with f = freqWeights"],
      terms: [{ targets: "labels", value: { weigh: ["weight", "nll"] }, weight: "weight", reduction: null }],
      focus: {
        source: { name: "freqWeights", values: { table: 0 }, counts: { table: 0 } },
        laws: [{ name: "powerLaw(0.5)", map: { pow: [{ add: ["value", 1e-7] }, -0.5] } }],
      },
      ignored: [],
      probabilities: false,
      tables: [[100, 10, 1]],
    });
  });

  test("the compiled loss costs the same", () => {
    const loss = pipe(
      crossEntropy,
      temperature(parameter("t", 2)),
      labelSmoothing(0.1),
      focal({ gamma: 2 }),
      freqWeights(fromCounts([5, 3, 0])),
      powerLaw(linear({ init: 0, end: 1, steps: 9 })),
      zLoss(1e-3),
      add(pipe(distillation({ temperature: 2 }), mean)),
    );
    const read = reread(loss);
    // The first call is the one that tries the backend's kernel.
    explain(loss, { step: 3 });
    expect(explain(read, { step: 3 })).toBe(explain(loss, { step: 3 }));
  });

  test("what was shared is shared: a field, a parameter, the plain view", () => {
    const t = parameter("t", 1.5);
    const halves = pipe(crossEntropy, classWeights([1, 2, 3], { counts: [3, 2, 1] }), normalise("max"), scale(t));
    const read = reread(pipe(halves, add(pipe(halves, scale(t), sum))));
    expect(fieldsOf(read).length).toBe(1);
    expect([...parametersOf(read).keys()]).toEqual(["t"]);
    expect(read.terms.length).toBe(2);
    const plain = reread(crossEntropy).terms[0].value;
    if (plain.kind !== "atom" || plain.atom.kind !== "nll") throw new Error("no nll");
    expect(plain.atom.view).toBe(plainView);
  });

  test("modifiers do to it what they do to the loss that was written", () => {
    const loss = pipe(crossEntropy, temperature(2), freqWeights(fromCounts([5, 3, 1])));
    const read = lossFromJSON(filed(lossToJSON(loss)), { input: "logits", kind: "with a weight field" });
    expectSame(
      pipe(read, powerLaw(0.5), focal({ gamma: 1 }), sum),
      pipe(loss, powerLaw(0.5), focal({ gamma: 1 }), sum),
    );
  });

  test("it grows with the number of parts, whatever is shared", () => {
    const parts: readonly ((loss: typeof crossEntropy) => typeof crossEntropy)[] = [
      labelSmoothing(0.1),
      superLoss(),
      mixCE(0.3),
      mile({ gamma: 1 }),
      poly(1),
    ];
    const sizeOf = (rounds: number): number => {
      const all = Array.from({ length: rounds }, () => parts).flat();
      return JSON.stringify(lossToJSON(all.reduce((loss, part) => part(loss), crossEntropy))).length;
    };
    expect(sizeOf(2)).toBeLessThan(5000);
    // A modifier reads what the earlier ones have made several times over.
    expect(sizeOf(20)).toBeLessThan(12 * sizeOf(2));
  });

  test("numbers to the last bit, those too that JSON lacks", () => {
    const { constant: number, lossOf, max, multiply, nll, select } = language;
    const odd = [-0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 5e-324, 0.1 + 0.2, 2 ** 53 + 2];
    for (const value of odd) {
      const { terms } = reread(lossOf(max(nll, number(value))));
      const written = terms[0].value;
      if (written.kind !== "binary" || written.right.kind !== "constant") throw new Error("no constant");
      expect(Object.is(written.right.value, value)).toBe(true);
    }
    const loss = pipe(lossOf(select(nll, number(-0), multiply(nll, nll), nll)), classWeights([-0, 0, 1 / 3]));
    expect([...fieldsOf(reread(loss))[0].source.values].map((x) => Object.is(x, -0))).toEqual([true, false, false]);
    expectSame(reread(loss), loss);
  });

  test("atoms that were made apart", () => {
    const { law, multiply } = language;
    const own = (): language.Expression<language.VocabularyAtom> => atom({ kind: "value" });
    const loss = pipe(crossEntropy, classWeights([1, 2]), law({ name: "squared", map: multiply(own(), own()) }));
    expect(show(loss)).toContain("f(c)^2");
    expectSame(reread(loss), loss);
  });

  test("tables are written once each", () => {
    const counts = fromCounts(Array.from({ length: 1000 }, (_, id) => 1 + (id % 7)));
    const weighted = pipe(crossEntropy, freqWeights(counts), powerLaw(0.5));
    const json = lossToJSON(pipe(weighted, freqWeights(counts), add(pipe(crossEntropy, freqWeights(counts), sum))));
    expect((json["tables"] as unknown[]).length).toBe(1);
  });
});

describe("laws and fields", () => {
  const counts = fromCounts([40, 7, 0, 3, 1]);

  test("every law", () => {
    const all = [
      ...Object.values(weightLaws).map(({ law }) => law),
      powerLaw(linear({ init: 0, end: 1, steps: 10 }), { epsilon: 0 }),
      override({ 0: 0.5, 4: cosine({ init: 1, steps: 9 }) }),
      ramp(0.5),
      lawMonoid.concat(normalise("tokenMean"), normalise("typeMean")),
    ];
    for (const law of all) {
      const read = lawFromJSON(filed(lawToJSON(law)));
      expect(lawToJSON(read)).toEqual(lawToJSON(law));
      const [first, second] = [law, read].map((l) => fieldsOf(pipe(crossEntropy, freqWeights(counts), l))[0]);
      for (const t of [0, 5]) expect(evaluateField(second, t)).toEqual(evaluateField(first, t));
    }
    expect(lawFromJSON(lawToJSON(lawMonoid.empty))).toBe(lawMonoid.empty);
  });

  test("fields", () => {
    for (const weights of [
      freqWeights(counts, { as: "relative", unseen: "epsilon" }),
      classWeights([1, 0, 2.5]),
      classWeights([1, 0, 2.5], { counts: [9, 8, 7] }),
    ]) {
      expect(fieldFromJSON(filed(fieldToJSON(weights))).field).toEqual(weights.field);
    }
  });

  test("decayed counts go on from where they were, in the loss and its field", () => {
    const decay = linear({ init: 0, end: 1, steps: 4 });
    const lately = decayedCounts(counts, { decay, forget: 0.25, ignoreIndex: -1 });
    lately.update([0, 1, 1, -1, 4]);
    const weights = freqWeights(lately, { as: "relative", unseen: 2 });
    const loss = pipe(crossEntropy, weights, inverseFrequency(1), add(pipe(crossEntropy, freqWeights(lately), sum)));
    const read = reread(loss) as typeof loss;
    const [resumed, ...others] = changingOf(read);
    if (resumed.kind !== "decayed counts") throw new Error("no counts");
    expect(others).toEqual([]);
    expect(changingOf(loss)).toEqual([lately]);
    const batch = { logits: [[1, 0, 2, 1, -1]], labels: [1] };
    for (const tokens of [
      [0, 2, 2],
      [-1, 3],
      [4, 4, 4, 4],
    ]) {
      expect(show(read)).toBe(show(loss));
      expect(evaluate(read, batch)).toBe(evaluate(loss, batch));
      lately.update(tokens);
      // Until it has had the same update it is a loss of its own.
      expect(evaluate(read, batch)).not.toBe(evaluate(loss, batch));
      resumed.update(tokens);
      expect(resumed.version).toBe(lately.version);
      expect(resumed.frequencies()).toEqual(lately.frequencies());
    }
    expect(changingOf(fieldFromJSON(filed(fieldToJSON(weights))))[0].version).toBe(4);
  });

  test("moving averages go on too, with their counts", () => {
    const average = movingAverage([1, 2, 3], { decay: linear({ init: 1, end: 0, steps: 3 }) });
    average.update([3, 1, 0]);
    const loss = pipe(crossEntropy, classWeights(average, { counts: [5, 4, 1] }), normalise("tokenMean"), sum);
    const read = lossFromJSON(filed(lossToJSON(loss)), { input: "logits", kind: "already reduced" });
    const [resumed] = changingOf(read);
    if (resumed.kind !== "moving average") throw new Error("no average");
    const batch = { logits: [[1, 0, 2]], labels: [2] };
    for (const latest of [
      [0, 0, 9],
      [1, 1, 1],
    ]) {
      expect(evaluate(read, batch)).toBe(evaluate(loss, batch));
      average.update(latest);
      resumed.update(latest);
      expect(resumed.weights()).toEqual(average.weights());
    }
    expect(changingOf(pipe(crossEntropy, classWeights([1, 2])))).toEqual([]);
  });
});

describe("schedules", () => {
  const warm = { init: 0, peak: 1, warmup: 5, decay: 20 };
  const cases: Readonly<Record<string, Numeric>> = {
    number: 0.25,
    linear: linear({ init: 1, end: 0, steps: 10 }),
    polynomial: polynomial({ init: 1, end: 0.1, steps: 10, power: 2 }),
    exponential: exponential({ init: 1, steps: 10, rate: 0.5, staircase: true }),
    inverseTime: inverseTime({ init: 1, steps: 10, rate: 0.5 }),
    inverseSqrt: inverseSqrt({ warmup: 10, peak: 2 }),
    sigmoidRamp: sigmoidRamp({ steps: 10 }),
    piecewiseConstant: piecewiseConstant(1, { 3: 0.5, 7: 0.25 }),
    piecewiseInterpolate: piecewiseInterpolate("cosine", 1, { 3: 0.5, 7: 2 }),
    warmupCosine: warmupCosine(warm),
    warmupStableDecay: warmupStableDecay({ ...warm, stable: 3 }),
    linearOneCycle: linearOneCycle({ steps: 20, peak: 1 }),
    cosineOneCycle: cosineOneCycle({ steps: 20, peak: 1 }),
    sgdr: sgdr([warm, { ...warm, peak: 0.5 }]),
    cyclical: cyclical({ steps: 20, cycles: 3 }),
  };

  function expectSameSchedule(schedule: Numeric, times: readonly number[]): void {
    const read = scheduleFromJSON(filed(scheduleToJSON(schedule)));
    expect(scheduleToJSON(read)).toEqual(scheduleToJSON(schedule));
    for (const t of times) expect(at(read, t)).toBe(at(schedule, t));
  }

  for (const [name, schedule] of Object.entries(cases)) {
    test(name, () => expectSameSchedule(schedule, [-1, 0, 2.5, 7, 12, 100]));
  }

  test("schedules of schedules", () => {
    const pairs: fc.Arbitrary<Schedule> = fc
      .tuple(someSchedules, someSchedules, fc.integer({ min: 0, max: 6 }))
      .map(([a, b, which]) => {
        const positive = maxSchedules(b, 0.5);
        const made = [
          () => join([a, delay(b, 3), 0.5], [4, 9]),
          () => repeat(addSchedules(a, b), 7),
          () => clamp(a, -1, positive),
          () => divideSchedules(a, positive),
          () => powSchedules(positive, 2),
          () => repeat(join([a, repeat(b, 3)], [5]), 11),
          () => delay(a, 2),
        ];
        return made[which]();
      });
    fc.assert(fc.property(pairs, fc.array(anyTimes, { minLength: 1, maxLength: 5 }), expectSameSchedule), {
      numRuns: 60,
    });
  });
});
