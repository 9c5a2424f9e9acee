/** Every law that turns counts into weights: against its formula, its limits and its ranges, and compiled. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  balanced,
  classBalanced,
  classWeights,
  crossEntropy,
  evaluate,
  evaluateGradient,
  exponentialDecay,
  face,
  freqWeights,
  fromCounts,
  glove,
  idf,
  inverseFrequency,
  keepProbability,
  type LawCombinator,
  labelSmoothing,
  linear,
  logarithmic,
  normalise,
  perToken,
  pipe,
  powerLaw,
  show,
  sif,
  stretchedExponential,
  sum,
  temper,
  tlat,
  zipfMandelbrot,
} from "lossmith";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { expectClose, flat } from "../support/numbers.ts";
import { median, ranks, weightLaws } from "../support/weightLaws.ts";

/** The weight of each class under laws, from equal logits whose nll is log V in every row. */
function weights(counts: readonly number[], laws: readonly LawCombinator[], step = 0): number[] {
  const logits = counts.map(() => counts.map(() => 0));
  const start = pipe(crossEntropy, freqWeights(fromCounts(counts)));
  const loss = pipe(
    laws.reduce((l, law) => law(l), start),
    perToken,
  );
  const values = evaluate(loss, { logits, labels: counts.map((_, c) => c), step }) as number[];
  return values.map((x) => x / Math.log(counts.length));
}

function expectWeights(actual: readonly number[], expected: readonly number[], tolerance = 1e-12): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((w, c) => {
    expect(Math.abs(w - expected[c])).toBeLessThanOrEqual(tolerance * Math.abs(expected[c]));
  });
}

/** Counts of which some are 0 and the first is above 0; not all are equal. */
const countsArbitrary = fc
  .array(fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 5000 })), {
    minLength: 2,
    maxLength: 12,
  })
  .map(([first, second, ...rest]) => [first + 1, first + 2 + second, ...rest]);

const batchOf = (counts: readonly number[]) => ({
  logits: counts.map((_, row) => counts.map((_, c) => Math.sin(1 + row * counts.length + c))),
  labels: counts.map((_, c) => c),
});

for (const [name, { law, formula, readsCounts, direction }] of Object.entries(weightLaws)) {
  describe(name, () => {
    test("is its formula, for unseen entries too", () => {
      fc.assert(
        fc.property(countsArbitrary, (counts) => expectWeights(weights(counts, [law]), formula(counts), 1e-11)),
      );
    });

    if (direction !== "neither") {
      test(`${direction} with the count`, () => {
        fc.assert(
          fc.property(countsArbitrary, (counts) => {
            const sign = direction === "rises" ? 1 : -1;
            const w = weights(counts, [law]);
            const order = counts.map((_, c) => c).sort((a, b) => counts[a] - counts[b]);
            for (let i = 1; i < order.length; i++) {
              expect(sign * (w[order[i]] - w[order[i - 1]])).toBeGreaterThanOrEqual(-1e-12 * w[order[i]]);
            }
          }),
        );
      });
    }

    test(readsCounts ? "reads the raw counts, whatever laws came before" : "reads the values that laws left", () => {
      const counts = [900, 0, 90, 9];
      const after = weights(counts, [powerLaw(2, { epsilon: 0 }), law]);
      if (readsCounts) expect(after).toEqual(weights(counts, [law]));
      else expect(after).not.toEqual(weights(counts, [law]));
    });

    test(readsCounts ? "refuses a field without counts" : "takes a field without counts", () => {
      const compose = (): unknown => pipe(crossEntropy, classWeights([3, 2, 1]), law);
      if (readsCounts)
        expect(compose).toThrow(`${law.law.name}: it reads raw counts, and the field classWeights has none`);
      else expect(compose).not.toThrow();
      expect(() => pipe(crossEntropy, classWeights([3, 2, 1], { counts: [3, 2, 1] }), law)).not.toThrow();
    });

    test("refuses a loss without a field", () => {
      expect(() => (law as (loss: unknown) => unknown)(crossEntropy)).toThrow("the loss has no weight field");
    });
  });
}

for (const backend of backends) {
  describe(`compiled on ${backend}`, () => {
    beforeAll(startBackend(backend));
    const counts = [700, 0, 31, 31, 2, 120];
    for (const [name, { law }] of Object.entries(weightLaws)) {
      test(`${name} is the reference's, inside smoothing and with soft labels too`, async () => {
        const batch = batchOf(counts);
        const soft = { ...batch, labels: batch.logits.map((row) => row.map((z) => Math.max(z, 0))) };
        const weighted = pipe(crossEntropy, freqWeights(fromCounts(counts)), law);
        for (const [loss, on] of [
          [weighted, batch],
          [pipe(weighted, sum), soft],
          [pipe(weighted, labelSmoothing(0.1), sum), batch],
        ] as const) {
          const { value, gradient } = await runCompiled(loss, on, [counts.length, counts.length]);
          expectClose(value, [evaluate(loss, on)], 2e-6);
          expectClose(gradient, flat(evaluateGradient(loss, on)), 5e-6);
        }
      });
    }

    test("scheduled ones follow their step", async () => {
      const rise = (end: number) => linear({ init: 0.1, end, steps: 10 });
      const scheduled: readonly LawCombinator[] = [
        stretchedExponential({ tau: rise(100), beta: rise(1) }),
        inverseFrequency(rise(1)),
        zipfMandelbrot({ s: rise(1), q: rise(3) }),
        tlat("k2", { t: rise(2) }),
        idf({ documents: linear({ init: 1000, end: 5000, steps: 10 }) }),
        sif(rise(1)),
        keepProbability(rise(0.5)),
        glove({ xMax: rise(100), exponent: rise(1) }),
        temper(rise(2)),
      ];
      for (const law of scheduled) {
        const loss = pipe(crossEntropy, freqWeights(fromCounts(counts)), law, sum);
        const values: number[] = [];
        for (const step of [0, 4, 10]) {
          const batch = { ...batchOf(counts), step };
          const { value, gradient } = await runCompiled(loss, batch, [counts.length, counts.length]);
          expectClose(value, [evaluate(loss, batch)], 2e-6);
          expectClose(gradient, flat(evaluateGradient(loss, batch)), 5e-6);
          values.push(...value);
        }
        expect(new Set(values).size).toBe(3);
      }
    });
  });
}

describe("golden numbers", () => {
  test("14, scikit-learn's balanced weights, and those of four classes", () => {
    expectWeights(weights([2, 4], [balanced]), [1.5, 0.75]);
    expectWeights(weights([100, 10, 1, 5], [balanced]), [0.29, 2.9, 29, 5.8]);
  });

  test("scikit-learn's idf of a matrix of 6 documents", () => {
    const held = [6, 1, 2];
    expectWeights(weights(held, [idf({ documents: 6 })]), [1, 2.252762968495368, 1.8472978603872037]);
    expectWeights(weights(held, [idf({ documents: 6, smooth: false })]), [1, 2.791759469228055, 2.09861228866811]);
    expectWeights(weights([2, 1, 0], [idf({ documents: 2 })]), [1, 1.4054651081081644, 2.09861228866811]);
  });
});

describe("limits", () => {
  const pairs: readonly (readonly [string, readonly LawCombinator[], readonly LawCombinator[]])[] = [
    ["a stretch of 1 is exponential", [stretchedExponential({ tau: 80, beta: 1 })], [exponentialDecay(1 / 80)]],
    ["inverse frequency is a power law without an epsilon", [inverseFrequency(0.7)], [powerLaw(0.7, { epsilon: 0 })]],
    ["inverse frequency is 1 / f unless told otherwise", [inverseFrequency()], [powerLaw(1, { epsilon: 0 })]],
    [
      "balanced is inverse frequency, but for a factor",
      [balanced, normalise("max")],
      [inverseFrequency(), normalise("max")],
    ],
    ["a power of 1 changes nothing", [inverseFrequency(), temper(1)], [inverseFrequency()]],
    ["powers multiply", [temper(0.5), temper(-0.6)], [temper(-0.3)]],
    [
      "a power of a power law is a power law",
      [powerLaw(0.5, { epsilon: 1 }), temper(3)],
      [powerLaw(1.5, { epsilon: 1 })],
    ],
    [
      "GloVe's function without its cap is a power",
      [glove({ xMax: 1e6, exponent: 0.5 }), normalise("max")],
      [temper(0.5), normalise("max")],
    ],
  ];
  for (const [name, left, right] of pairs) {
    test(name, () => {
      fc.assert(
        fc.property(countsArbitrary, (counts) => expectWeights(weights(counts, left), weights(counts, right), 1e-11)),
      );
    });
  }

  test("what weighs every entry by 1", () => {
    fc.assert(
      fc.property(countsArbitrary, (counts) => {
        const ones = counts.map(() => 1);
        for (const law of [
          inverseFrequency(0),
          temper(0),
          zipfMandelbrot({ s: 0 }),
          glove({ exponent: 0 }),
          glove({ xMax: 1 }),
        ])
          expectWeights(weights(counts, [law]), ones);
        // Where the threshold is above every share.
        expectWeights(weights(counts, [keepProbability(1)]), ones);
        expectWeights(weights(counts, [sif(1e9)]), ones, 1e-8);
        expectWeights(
          weights(counts, [tlat("exponential", { t: 0 })]),
          counts.map(() => Math.E),
        );
      }),
    );
  });

  test("class-balanced tends to balanced, rescaled to sum to V, as beta goes to 1", () => {
    fc.assert(
      fc.property(countsArbitrary, fc.integer({ min: 6, max: 11 }), (counts, digits) => {
        const limit = weights(counts, [balanced, normalise("typeMean")]);
        const distance = 10 ** -digits * Math.max(...counts);
        expectWeights(weights(counts, [classBalanced(1 - 10 ** -digits)]), limit, distance + 1e-11);
      }),
    );
  });

  test("Zipf's law gives back counts that follow it, up to a factor", () => {
    const counts = [60, 30, 20, 15, 12, 10];
    expectWeights(
      weights(counts, [zipfMandelbrot({ q: 0 })]),
      counts.map((c) => c / 60),
    );
  });
});

describe("ranges", () => {
  const range = (law: LawCombinator, lowest: number, highest: number) =>
    fc.assert(
      fc.property(countsArbitrary, (counts) => {
        for (const w of weights(counts, [law])) {
          expect(w).toBeGreaterThanOrEqual(lowest * (1 - 1e-12));
          expect(w).toBeLessThanOrEqual(highest * (1 + 1e-12));
        }
      }),
    );

  test("logarithmic, SIF, the keep probability and GloVe's function stay within 0 and 1", () => {
    for (const law of [logarithmic, sif(), keepProbability(), glove()]) range(law, 0, 1);
  });

  test("TLAT's stay within 1 and e, and reach e", () => {
    for (const law of [tlat("exponential"), tlat("k2")]) range(law, 1, Math.E);
    fc.assert(
      fc.property(countsArbitrary, fc.constantFrom<"exponential" | "k2">("exponential", "k2"), (counts, form) =>
        expect(Math.max(...weights(counts, [tlat(form)]))).toBeCloseTo(Math.E, 12),
      ),
    );
  });

  test("TLAT's k2 is the largest at 2 / t medians", () => {
    // The median of the seen is 10, so that 20 is two of them.
    const w = weights([1, 5, 10, 20, 40], [tlat("k2", { t: 1 })]);
    expect(w.indexOf(Math.max(...w))).toBe(3);
  });

  test("FACE's have a mean of 1, 0 for the most frequent entry and the most for an unseen one", () => {
    fc.assert(
      fc.property(countsArbitrary, (counts) => {
        const w = weights(counts, [face]);
        expect(w.reduce((a, b) => a + b, 0) / w.length).toBeCloseTo(1, 12);
        expect(w[counts.indexOf(Math.max(...counts))]).toBe(0);
        const unseen = counts.indexOf(0);
        if (unseen >= 0) expect(w[unseen]).toBe(Math.max(...w));
      }),
    );
  });

  test("balanced gives every seen entry the mass N / V, and a mean token of 1 where all were seen", () => {
    fc.assert(
      fc.property(countsArbitrary, (counts) => {
        const total = counts.reduce((a, b) => a + b, 0);
        const w = weights(counts, [balanced]);
        w.forEach((weight, c) => {
          if (counts[c] > 0) expect(weight * counts[c]).toBeCloseTo(total / counts.length, 8);
        });
        if (!counts.includes(0)) {
          expectWeights(weights(counts, [balanced, normalise("tokenMean")]), w);
        }
      }),
    );
  });

  test("an unseen entry weighs 1 under SIF and the keep probability", () => {
    for (const law of [sif(), keepProbability()]) expectWeights([weights([50, 0, 1], [law])[1]], [1]);
  });
});

describe("ranks", () => {
  const rank = zipfMandelbrot({ s: -1, q: 0 });

  test("are 1 for the most frequent, and shared by equal counts", () => {
    expectWeights(weights([7, 0, 900, 7, 0, 7], [rank]), [3, 5.5, 1, 3, 5.5, 3]);
    fc.assert(fc.property(countsArbitrary, (counts) => expectWeights(weights(counts, [rank]), ranks(counts))));
  });

  test("add up to V (V + 1) / 2, whatever is equal", () => {
    fc.assert(
      fc.property(countsArbitrary, (counts) => {
        const sumOfRanks = weights(counts, [rank]).reduce((a, b) => a + b, 0);
        expect(sumOfRanks).toBeCloseTo((counts.length * (counts.length + 1)) / 2, 9);
      }),
    );
  });
});

test("the median is of the entries that were seen, between the two in the middle where they are even in number", () => {
  for (const counts of [
    [0, 0, 3, 9, 1],
    [8, 0, 2, 4, 1],
    [5, 0],
  ]) {
    const middle = median(counts.filter((c) => c > 0));
    const raw = counts.map((c) => Math.exp((-1.75 * Math.max(c, 1)) / middle));
    const highest = Math.max(...raw);
    expectWeights(
      weights(counts, [tlat("exponential")]),
      raw.map((v) => 1 + ((Math.E - 1) * v) / highest),
    );
  }
});

describe("show", () => {
  const shown = (law: LawCombinator): string =>
    show(pipe(crossEntropy, freqWeights(fromCounts([2, 1])), law, sum)).split("\n")[1];
  const formulas: readonly (readonly [LawCombinator, string])[] = [
    [stretchedExponential({ tau: 2, beta: 0.5 }), "exp(−(f(c) / 2)^0.5)"],
    [logarithmic, "1 / log(2.71828 + f(c))"],
    [inverseFrequency(0.4), "f(c)^−0.4"],
    [zipfMandelbrot({ s: 1.1 }), "(rank(c) + 2.7)^−1.1"],
    [balanced, "Σ_c(count(c)) / (V · (0 < count(c) ? count(c) : 1))"],
    [idf({ documents: 9 }), "log(10 / (1 + count(c))) + 1"],
    [sif(0.01), "0.01 / (0.01 + count(c) / Σ_c(count(c)))"],
    [keepProbability(0.01), "min(1, (0.01 / (count(c) / Σ_c(count(c))))^0.5)"],
    [glove(), "min(1, (f(c) / 100)^0.75)"],
    [temper(2), "f(c)^2"],
  ];
  for (const [law, formula] of formulas) {
    test(law.law.name, () => expect(shown(law)).toBe(`w(c) = ${formula}, with f = freqWeights`));
  }
  test("TLAT's and FACE's", () => {
    expect(shown(tlat("exponential"))).toContain("exp(−(1.75 · (0 < count(c) ? count(c) : 1) / median count))");
    expect(shown(face)).toContain("(1 − count(c) / max_c(count(c)))");
  });
});

describe("wrong input", () => {
  test("is refused when the law is made", () => {
    const anything = (x: unknown): never => x as never;
    expect(() => stretchedExponential({ tau: 0, beta: 1 })).toThrow("stretchedExponential({ tau }): got 0");
    expect(() => stretchedExponential({ tau: 1, beta: -1 })).toThrow("stretchedExponential({ beta }): got -1");
    expect(() => stretchedExponential(anything({ tau: 1 }))).toThrow("stretchedExponential({ beta }): got undefined");
    expect(() => inverseFrequency(Number.NaN)).toThrow("inverseFrequency(lambda): got NaN");
    expect(() => zipfMandelbrot({ q: -1 })).toThrow("zipfMandelbrot({ q }): got -1");
    expect(() => zipfMandelbrot({ s: Infinity })).toThrow("zipfMandelbrot({ s }): got Infinity");
    expect(() => tlat(anything("chi"))).toThrow('tlat(form): got chi. Give "exponential" or "k2"');
    expect(() => tlat("k2", { t: -1 })).toThrow("tlat({ t }): got -1");
    expect(() => idf({ smooth: anything(1) })).toThrow("idf({ smooth }): got 1");
    expect(() => idf({ documents: 0 })).toThrow("idf({ documents }): got 0");
    expect(() => sif(0)).toThrow("sif(a): got 0");
    expect(() => keepProbability(-1e-5)).toThrow("keepProbability(t): got -0.00001");
    expect(() => glove({ xMax: 0 })).toThrow("glove({ xMax }): got 0");
    expect(() => glove({ exponent: -1 })).toThrow("glove({ exponent }): got -1");
    expect(() => temper(anything("2"))).toThrow("temper(power): got 2");
  });

  test("weights that are no weights are refused with the id", () => {
    expect(() => weights([3, 3], [face])).toThrow("face ∘ freqWeights: the weight of id 0 is NaN");
    expect(() => weights([1, 9], [idf({ documents: 2, smooth: false })])).toThrow("the weight of id 1 is -0.5");
    expect(() => weights([5, 2], [face, temper(-1)])).toThrow("the weight of id 0 is Infinity");
    const unseen = pipe(crossEntropy, freqWeights(fromCounts([1, 0]), { unseen: "epsilon" }), inverseFrequency(), sum);
    expect(() => evaluate(unseen, { logits: [[0, 0]], labels: [0] })).toThrow("the weight of id 1 is Infinity");
    expect(() => weights([0, 0], [tlat("k2")])).toThrow("the weight of id 0 is NaN");
  });

  test("a schedule that leaves its bounds is refused at its step", () => {
    const law = sif(linear({ init: 1, end: -1, steps: 2 }));
    expect(() => weights([2, 1], [law], 2)).toThrow("sif(a): got -1");
  });
});
