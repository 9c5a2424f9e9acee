/** How the losses over logits are related: their limits and special cases, on random rows. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  balancedSoftmax,
  classWeights,
  crossEntropy,
  dft,
  distillation,
  evaluate,
  evaluateGradient,
  focal,
  fromCounts,
  fromProbabilities,
  generalisedCrossEntropy,
  ignoreIndex,
  type Keep,
  klDivergence,
  LossError,
  labelSmoothing,
  language,
  ldam,
  linear,
  logitAdjustment,
  lossEq,
  mean,
  mile,
  mixCE,
  type PlainBatch,
  perToken,
  pipe,
  poly,
  scale,
  sum,
  superLoss,
  symmetricCrossEntropy,
  temperature,
} from "lossmith";
import { batches, compositions } from "../support/arbitraries.ts";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { logSoftmax } from "../support/formulas.ts";
import { distance, flat } from "../support/numbers.ts";

const classes = 5;
const batch = batches(classes).map(({ plain }) => plain);
const open = compositions(classes, 0)
  .filter(({ loss }) => loss.terms.every((term) => term.reduction === null))
  .map(({ loss }) => loss as typeof crossEntropy);

/** Which rows are valid. */
const validOf = ({ mask, labels }: PlainBatch): boolean[] =>
  mask === undefined ? flat(labels).map(() => true) : (flat(mask) as unknown[] as boolean[]);
const tokens = (loss: AnyLoss, on: PlainBatch): number[] =>
  flat(evaluate(pipe(loss as typeof crossEntropy, perToken), on));
const gradientOf = (loss: AnyLoss, on: PlainBatch): number[] =>
  flat(evaluateGradient(pipe(loss as typeof crossEntropy, sum), on));

/** Both values and gradients agree, to the digits of float64. */
function expectSame(a: AnyLoss, b: AnyLoss, on: PlainBatch): void {
  expect(distance(tokens(a, on), tokens(b, on), 1e-3)).toBeLessThan(1e-12);
  expect(distance(gradientOf(a, on), gradientOf(b, on), 1e-3)).toBeLessThan(1e-12);
}

/** Whether a loss has a value at all: one with a field of zeros that was normalised has none. */
function hasValue(loss: AnyLoss, on: PlainBatch): boolean {
  try {
    tokens(loss, on);
    return true;
  } catch (error) {
    if (error instanceof LossError) return false;
    throw error;
  }
}

describe("modifiers that change nothing", () => {
  const identities: Readonly<Record<string, Keep>> = {
    "focal at gamma 0": focal({ gamma: 0 }),
    "poly(0)": poly(0),
    "mixCE(1)": mixCE(1),
    "mile at gamma 0": mile({ gamma: 0 }),
  };
  for (const [name, identity] of Object.entries(identities)) {
    test(`${name}, of any loss`, () => {
      fc.assert(fc.property(open, (loss) => expect(lossEq.equals(pipe(loss, identity), loss)).toBe(true)));
    });
  }

  for (const form of ["uniform", "t5x"] as const) {
    test(`labelSmoothing(0) in the form ${form}, as a number and as a schedule`, () => {
      const ended = labelSmoothing(linear({ init: 0.3, end: 0, steps: 2 }), { form });
      fc.assert(
        fc.property(batch, (on) => {
          expectSame(pipe(crossEntropy, labelSmoothing(0, { form })), crossEntropy, on);
          expectSame(pipe(crossEntropy, ended), crossEntropy, { ...on, step: 5 });
        }),
      );
    });
  }
});

describe("generalised cross entropy", () => {
  test("is cross entropy at q 0, as a number and as a schedule, and 1 − p at q 1", () => {
    expect(lossEq.equals(generalisedCrossEntropy({ q: 0 }), crossEntropy)).toBe(true);
    const ended = generalisedCrossEntropy({ q: linear({ init: 0.7, end: 0, steps: 3 }) });
    const { complement, lossOf } = language;
    fc.assert(
      fc.property(batch, (on) => {
        expectSame(ended, crossEntropy, { ...on, step: 4 });
        expectSame(generalisedCrossEntropy({ q: 1 }), lossOf(complement), on);
      }),
    );
  });

  test("goes to cross entropy as q does to 0, and keeps its digits on the way", () => {
    const q = fc.integer({ min: -15, max: -1 }).map((n) => 10 ** n);
    fc.assert(
      fc.property(batch, q, ({ sampleWeight: _sampleWeight, ...on }, small) => {
        const exact = tokens(crossEntropy, on);
        // (1 − exp(−q n)) / q is n − q n² / 2 + …
        tokens(generalisedCrossEntropy({ q: small }), on).forEach((x, i) => {
          const n = exact[i];
          expect(x).toBeLessThanOrEqual(n * (1 + 1e-15));
          expect(x).toBeGreaterThanOrEqual(n * (1 - (small * n) / 2 - 1e-15));
        });
      }),
    );
  });
});

describe("symmetric cross entropy", () => {
  test("is cross entropy at beta 0, and at alpha 0 at most −A, where no class but the label has a share", () => {
    fc.assert(
      fc.property(batch, (on) => {
        expectSame(symmetricCrossEntropy({ alpha: 1, beta: 0 }), crossEntropy, on);
        const { sampleWeight: _sampleWeight, ...plain } = on;
        for (const x of tokens(symmetricCrossEntropy({ alpha: 0, beta: 1, A: -7 }), plain)) {
          expect(x).toBeGreaterThanOrEqual(0);
          expect(x).toBeLessThanOrEqual(7);
        }
      }),
    );
  });
});

describe("mixCE and dft", () => {
  const share = fc.integer({ min: 0, max: 10 }).map((n) => n / 10);

  test("mixCE is dft at 0, and the mixture of both ends between them", () => {
    fc.assert(
      fc.property(open, batch, share, (loss, on, e) => {
        const step = { ...on, step: 3 };
        if (!hasValue(loss, step)) return;
        expectSame(pipe(loss, mixCE(0)), pipe(loss, dft), step);
        const apart = pipe(loss, scale(e), add(pipe(loss, dft, scale(1 - e))));
        // The parts of a sum are added in another order.
        const size = tokens(apart, step).reduce((a, x) => Math.max(a, Math.abs(x)), 1);
        expect(distance(tokens(pipe(loss, mixCE(e)), step), tokens(apart, step), size)).toBeLessThan(1e-12);
      }),
    );
  });

  test("the gradient of dft is p (p − q): it does not explode where the label is unlikely", () => {
    const on = { logits: [[20, 0, 0]], labels: [1] };
    expect(Math.max(...gradientOf(pipe(crossEntropy, dft), on).map(Math.abs))).toBeLessThan(1e-8);
    expect(Math.max(...gradientOf(crossEntropy, on).map(Math.abs))).toBeGreaterThan(0.99);
  });
});

describe("mile", () => {
  test("its weights average 1 over the valid rows, and rows that are as unsure as each other count the same", () => {
    const ones = pipe(language.lossOf(language.constant(1)), mile({ gamma: 2 }), mean);
    fc.assert(
      fc.property(batch, ({ sampleWeight: _sampleWeight, ...on }) => {
        expect(evaluate(ones, on)).toBeCloseTo(validOf(on).includes(true) ? 1 : 0, 12);
      }),
    );
    const alike = {
      logits: [
        [1, 2, 3],
        [3, 1, 2],
      ],
      labels: [0, 1],
    };
    expectSame(pipe(crossEntropy, mile()), crossEntropy, alike);
  });

  test("leaves out rows that are ignored", () => {
    const loss = pipe(crossEntropy, mile(), ignoreIndex(-1));
    const on = {
      logits: [
        [1, 2, 3],
        [0, 5, 0],
        [9, 9, 9],
      ],
      labels: [0, 1, -1],
    };
    const two = { logits: on.logits.slice(0, 2), labels: [0, 1] };
    expect(tokens(loss, on)).toEqual([...tokens(loss, two), 0]);
  });
});

describe("superLoss", () => {
  const taus = fc.integer({ min: -10, max: 30 }).map((n) => n / 10);

  test("goes to the loss less tau as lambda grows, with the loss's gradient", () => {
    fc.assert(
      fc.property(batch, taus, ({ sampleWeight: _sampleWeight, ...on }, tau) => {
        const lambda = 1e8;
        const loss = pipe(crossEntropy, superLoss({ lambda, tau }));
        const valid = validOf(on);
        const exact = tokens(crossEntropy, on).map((x, i) => (valid[i] ? x - tau : 0));
        tokens(loss, on).forEach((x, i) => {
          // It is the least over all confidences, of which 1 is one.
          expect(x).toBeLessThanOrEqual(exact[i] + 1e-12);
          expect(exact[i] - x).toBeLessThanOrEqual(exact[i] ** 2 / (2 * lambda) + 1e-12);
        });
        expect(distance(gradientOf(loss, on), gradientOf(crossEntropy, on), 1)).toBeLessThan(1e-6);
      }),
    );
  });

  test("no other confidence gives less, where the loss is above tau", () => {
    const confidence = fc.integer({ min: 1, max: 60 }).map((n) => n / 20);
    fc.assert(
      fc.property(fc.double({ min: 0, max: 20, noNaN: true }), confidence, (excess, s) => {
        const on = { logits: [[0, 0]], labels: [0] };
        const loss = pipe(crossEntropy, superLoss({ lambda: 0.7, tau: Math.log(2) - excess }));
        expect(tokens(loss, on)[0]).toBeLessThanOrEqual(excess * s + 0.7 * Math.log(s) ** 2 + 1e-12);
      }),
    );
  });

  test("no row counts more than e times", () => {
    fc.assert(
      fc.property(batch, ({ sampleWeight: _sampleWeight, ...on }) => {
        const eager = gradientOf(pipe(crossEntropy, superLoss({ lambda: 1e-3, tau: 50 })), on);
        const plain = gradientOf(crossEntropy, on).map((x) => Math.E * x);
        expect(distance(eager, plain, 1)).toBeLessThan(1e-12);
      }),
    );
  });
});

describe("margins and priors", () => {
  const counts = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: classes, maxLength: classes });

  test("balanced softmax is logit adjustment at tau 1, of counts and of frequencies", () => {
    fc.assert(
      fc.property(open, counts, (loss, c) => {
        const frequencies = fromCounts(c);
        const adjusted = pipe(loss, logitAdjustment(frequencies, 1));
        expect(lossEq.equals(pipe(loss, balancedSoftmax(frequencies)), adjusted)).toBe(true);
      }),
    );
  });

  test("ldam without a margin is cross entropy of scaled logits, and a margin only raises it", () => {
    fc.assert(
      fc.property(batch, counts, (on, c) => {
        const scaled = pipe(crossEntropy, temperature(1 / 3));
        expectSame(ldam({ counts: c, maxMargin: 0, scale: 3 }), scaled, on);
        const plain = tokens(scaled, on);
        tokens(ldam({ counts: c, scale: 3 }), on).forEach((x, i) => {
          expect(x).toBeGreaterThanOrEqual(plain[i]);
        });
      }),
    );
  });

  test("ldam takes frequencies or their counts", () => {
    const given = [9, 4, 1, 2, 2];
    expect(lossEq.equals(ldam({ counts: given }), ldam({ counts: fromCounts(given) }))).toBe(true);
  });
});

describe("divergences", () => {
  const distribution = fc
    .array(fc.oneof(fc.constant(0), fc.double({ min: 0.01, max: 1, noNaN: true })), {
      minLength: classes,
      maxLength: classes,
    })
    .filter((q) => q.some((x) => x > 0))
    .map((q) => q.map((x) => x / q.reduce((a, b) => a + b, 0)));
  const row = fc.array(fc.double({ min: -8, max: 8, noNaN: true }), { minLength: classes, maxLength: classes });

  test("klDivergence is cross entropy less the labels' entropy, with the same gradient, and at least 0", () => {
    fc.assert(
      fc.property(row, distribution, (z, q) => {
        const on = { logits: [z], labels: [q] };
        const entropy = q.reduce((sum, x) => (x === 0 ? sum : sum - x * Math.log(x)), 0);
        const [divergence] = tokens(klDivergence, on);
        expect(divergence).toBeGreaterThanOrEqual(-1e-14);
        expect(Math.abs(divergence - (tokens(crossEntropy, on)[0] - entropy))).toBeLessThan(1e-12);
        expect(gradientOf(klDivergence, on)).toEqual(gradientOf(crossEntropy, on));
      }),
    );
  });

  test("klDivergence of a row's own softmax is 0, and at integer labels it is cross entropy", () => {
    fc.assert(
      fc.property(row, (z) => {
        expect(Math.abs(tokens(klDivergence, { logits: [z], labels: [logSoftmax(z).map(Math.exp)] })[0])).toBeLessThan(
          1e-13,
        );
      }),
    );
    fc.assert(fc.property(batch, (on) => expectSame(klDivergence, crossEntropy, on)));
  });

  test("distillation from oneself has no gradient, nor t5x's smoothing at the smoothed label", async () => {
    const t = fc.constantFrom(0.5, 1, 2, 4);
    const sample = fc.sample(fc.tuple(batch, t), { seed: 3, numRuns: 30 });
    for (const [on, temperatureOf] of sample) {
      const loss = distillation({ temperature: temperatureOf });
      expect(gradientOf(loss, { ...on, teacher: on.logits }).every((x) => Math.abs(x) < 1e-14)).toBe(true);
    }
    for (const backend of backends) {
      await startBackend(backend)();
      for (const [on, temperatureOf] of sample) {
        const shape = [...shapeOf(on.labels), classes];
        const loss = pipe(distillation({ temperature: temperatureOf }), sum);
        const { gradient } = await runCompiled(loss, { ...on, teacher: on.logits }, shape);
        expect(gradient.every((x) => Math.abs(x) < 1e-5)).toBe(true);
      }
    }
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), (n) => {
        const e = n / 10;
        const smoothed = Array.from({ length: classes }, (_, c) => Math.log(c === 2 ? 1 - e : e / (classes - 1)));
        const loss = pipe(crossEntropy, labelSmoothing(e, { form: "t5x" }));
        const on = { logits: [smoothed], labels: [2] };
        expect(Math.abs(tokens(loss, on)[0])).toBeLessThan(1e-14);
        expect(gradientOf(loss, on).every((x) => Math.abs(x) < 1e-15)).toBe(true);
      }),
    );
  });

  test("t5x's smoothing is the uniform one with a larger share, less a constant", () => {
    // (1 − e) + e/V on the label is 1 − e', with e' = e (V − 1) / V.
    fc.assert(
      fc.property(batch, fc.integer({ min: 1, max: 9 }), ({ sampleWeight: _sampleWeight, ...on }, n) => {
        const e = n / 10;
        const others = (e * (classes - 1)) / classes;
        const uniform = pipe(crossEntropy, labelSmoothing(e));
        const t5x = pipe(crossEntropy, labelSmoothing(others, { form: "t5x" }));
        expect(distance(gradientOf(t5x, on), gradientOf(uniform, on), 1e-3)).toBeLessThan(1e-12);
      }),
    );
  });
});

function shapeOf(nested: unknown): number[] {
  return Array.isArray(nested) ? [nested.length, ...shapeOf(nested[0])] : [];
}

describe("fromProbabilities", () => {
  // Probabilities below 1e-7 would be raised to it.
  const likely = batches(classes, fc.double({ min: -3, max: 3, noNaN: true })).map(({ plain }) => plain);
  const relatives: Readonly<Record<string, AnyLoss>> = {
    "cross entropy": crossEntropy,
    "a weighted, smoothed and modulated loss": pipe(
      crossEntropy,
      focal({ gamma: 2 }),
      labelSmoothing(0.1),
      classWeights([1, 2, 3, 4, 5]),
      mile(),
    ),
    "a tempered and adjusted loss": pipe(crossEntropy, temperature(2), balancedSoftmax(fromCounts([5, 4, 3, 2, 1]))),
    "generalised cross entropy": generalisedCrossEntropy(),
    "distillation, whose teacher gives logits": distillation({ temperature: 2 }),
  };
  for (const [name, loss] of Object.entries(relatives)) {
    test(`${name}: the loss of the logits is that of their softmax`, () => {
      fc.assert(
        fc.property(likely, (on) => {
          const logits = eachRow(on.logits, shapeOf(on.labels).length, (z) => logSoftmax(z).map(Math.exp));
          const of = tokens(pipe(loss as typeof crossEntropy, fromProbabilities), { ...on, logits } as PlainBatch);
          expect(distance(of, tokens(loss, on), 1)).toBeLessThan(1e-12);
        }),
      );
    });
  }

  test("holds for the whole loss, wherever it is said", () => {
    const [plain, smoothed] = [crossEntropy, labelSmoothing(0.1)];
    const first = pipe(plain, fromProbabilities, smoothed, mean);
    expect(lossEq.equals(first, pipe(plain, smoothed, mean, fromProbabilities))).toBe(true);
    expect(
      lossEq.equals(pipe(plain, add(pipe(plain, fromProbabilities))), pipe(plain, fromProbabilities, add(plain))),
    ).toBe(true);
    expect(lossEq.equals(first, pipe(plain, smoothed, mean))).toBe(false);
  });
});

function eachRow(nested: unknown, rank: number, f: (row: number[]) => unknown): unknown {
  return rank === 0 ? f(nested as number[]) : (nested as unknown[]).map((inner) => eachRow(inner, rank - 1, f));
}
