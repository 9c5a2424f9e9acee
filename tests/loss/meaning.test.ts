/** What a composition means: linear in the targets, which combinators see which values, what keeps the field in focus. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  balancedSoftmax,
  classBalanced,
  classWeights,
  clip,
  compile,
  confidencePenalty,
  crossEntropy,
  dft,
  evaluate,
  exponentialDecay,
  focal,
  freqWeights,
  fromCounts,
  generalisedCrossEntropy,
  ignoreIndex,
  type Keep,
  type Loss,
  LossError,
  labelSmoothing,
  ldam,
  linear,
  logitAdjustment,
  lossEq,
  lossMonoid,
  mean,
  mile,
  mixCE,
  normalise,
  override,
  type PlainBatch,
  perToken,
  pipe,
  poly,
  powerLaw,
  ramp,
  scale,
  softcap,
  sum,
  superLoss,
  symmetricCrossEntropy,
  temperature,
  weightedMean,
  zLoss,
} from "lossmith";
import { batches, type Change, compositions } from "../support/arbitraries.ts";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { flat } from "../support/numbers.ts";

const z = [2, 1, 0.1, -1];
const classes = z.length;
const logsumexp = Math.log(z.reduce((total, x) => total + Math.exp(x), 0));
const nll = z.map((x) => logsumexp - x);
const p = nll.map((x) => Math.exp(-x));
const entropy = p.reduce((total, x, c) => total + x * nll[c], 0);
const w = [0.5, 2, 3, 1];

/** A loss at a label, alone in its row: its value for one class. */
function valueAt(loss: AnyLoss, label: number): number {
  return evaluate(pipe(loss as typeof crossEntropy, sum), { logits: [z], labels: [label] });
}

/** The values of a loss for each class. */
function valuesOf(loss: AnyLoss): number[] {
  return z.map((_, label) => valueAt(loss, label));
}

function expectNear(actual: number, expected: number, size = Math.abs(expected)): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-12 * size);
}

function expectAll(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach((x, i) => {
    expectNear(x, expected[i], Math.max(...expected.map(Math.abs)));
  });
}

/** Runs a check, and gives up on what has no value at all, such as a field of zeros that was normalised. */
function whereDefined(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof LossError)) throw error;
  }
}

const asLoss = (data: unknown): typeof crossEntropy => data as typeof crossEntropy;
const open = compositions(classes, 0)
  .map(({ loss }) => loss)
  .filter((loss) => loss.terms.every((term) => term.reduction === null));

describe("a loss is linear in its targets", () => {
  test("the value at targets q is Σ_c q_c times the value at the label c, whatever q sums to", () => {
    const logits = fc.array(
      fc.integer({ min: -40, max: 40 }).map((n) => n / 8),
      { minLength: classes, maxLength: classes },
    );
    const targets = fc.array(
      fc.integer({ min: 0, max: 20 }).map((n) => n / 8),
      { minLength: classes, maxLength: classes },
    );
    fc.assert(
      fc.property(compositions(classes), logits, targets, fc.nat({ max: 20 }), ({ loss, steps }, row, q, step) =>
        whereDefined(() => {
          // A function of a sum over rows, or of the whole row, is as linear as the function.
          if (/overSequence|batchMean|mile|superLoss|klDivergence/.test(steps.join())) return;
          const given = { logits: [row], inputs: { x: [1.3] }, step };
          for (const term of loss.terms) {
            if (term.targets !== "labels") continue;
            // One term under a sum; an ignored label would be no target.
            const alone = asLoss({ ...loss, terms: [{ ...term, reduction: "sum" }], ignored: [] });
            const each = q.map((share, c) => share * evaluate(alone, { ...given, labels: [c] }));
            const size = each.reduce((total, x) => total + Math.abs(x), 0);
            const expected = each.reduce((total, x) => total + x, 0);
            expectNear(evaluate(alone, { ...given, labels: [q] }), expected, size);
          }
        }),
      ),
      { numRuns: 300 },
    );
  });

  test("cross entropy of class c is logsumexp(z) − z_c", () => {
    expectAll(valuesOf(crossEntropy), nll);
  });

  test("a field weighs class c by w_c", () => {
    expectAll(
      valuesOf(pipe(crossEntropy, classWeights(w))),
      nll.map((x, c) => w[c] * x),
    );
  });

  test("smoothing mixes class c with the mean over all classes", () => {
    const average = nll.reduce((total, x) => total + x, 0) / classes;
    expectAll(
      valuesOf(pipe(crossEntropy, labelSmoothing(0.2))),
      nll.map((x) => 0.8 * x + 0.2 * average),
    );
  });
});

describe("focal and poly look at the probabilities of the loss's own logits", () => {
  const fading = p.map((x) => (1 - x) ** 2);

  test("never at a weighted value: focal after weights is focal before them", () => {
    const expected = nll.map((x, c) => w[c] * fading[c] * x);
    expectAll(valuesOf(pipe(crossEntropy, classWeights(w), focal({ gamma: 2 }))), expected);
    expectAll(valuesOf(pipe(crossEntropy, focal({ gamma: 2 }), classWeights(w))), expected);
  });

  test("never at a smoothed value: focal after smoothing fades the smoothed value of c by (1 − p_c)^gamma", () => {
    const smoothed = valuesOf(pipe(crossEntropy, labelSmoothing(0.2)));
    const expected = smoothed.map((x, c) => fading[c] * x);
    expectAll(valuesOf(pipe(crossEntropy, labelSmoothing(0.2), focal({ gamma: 2 }))), expected);
  });

  test("smoothing after focal smooths the faded values: Σ_k (1 − p_k)^gamma nll_k", () => {
    const faded = nll.map((x, c) => fading[c] * x);
    const average = faded.reduce((total, x) => total + x, 0) / classes;
    const expected = faded.map((x) => 0.8 * x + 0.2 * average);
    expectAll(valuesOf(pipe(crossEntropy, focal({ gamma: 2 }), labelSmoothing(0.2))), expected);
  });

  test("at every term built so far, and at none that comes later", () => {
    const before = pipe(crossEntropy, zLoss(0.1), focal({ gamma: 2 }));
    const after = pipe(crossEntropy, focal({ gamma: 2 }), zLoss(0.1));
    expectAll(
      valuesOf(before),
      nll.map((x, c) => fading[c] * (x + 0.1 * logsumexp ** 2)),
    );
    expectAll(
      valuesOf(after),
      nll.map((x, c) => fading[c] * x + 0.1 * logsumexp ** 2),
    );
  });

  test("poly adds e (1 − p_c), weighed only by what comes after it", () => {
    expectAll(
      valuesOf(pipe(crossEntropy, classWeights(w), poly(3))),
      nll.map((x, c) => w[c] * x + 3 * (1 - p[c])),
    );
    expectAll(
      valuesOf(pipe(crossEntropy, poly(3), classWeights(w))),
      nll.map((x, c) => w[c] * (x + 3 * (1 - p[c]))),
    );
  });
});

describe("zLoss and confidencePenalty append a term that is the same for every class", () => {
  const appended: readonly (readonly [string, Keep, number])[] = [
    ["zLoss", zLoss(0.1), 0.1 * logsumexp ** 2],
    ["confidencePenalty", confidencePenalty(0.3), -0.3 * entropy],
  ];
  for (const [name, combinator, constant] of appended) {
    test(`${name}: c · f(z) for every label, and once for each unit of the targets' mass`, () => {
      expectAll(
        valuesOf(pipe(crossEntropy, combinator)),
        nll.map((x) => x + constant),
      );
      const soft = { logits: [z], labels: [[1, 0.5, 1.5, 0]] };
      const expected = nll[0] + 0.5 * nll[1] + 1.5 * nll[2] + 3 * constant;
      expectNear(evaluate(pipe(crossEntropy, combinator, sum), soft), expected);
    });

    test(`${name} after the weights is not weighted, before them it is`, () => {
      expectAll(
        valuesOf(pipe(crossEntropy, classWeights(w), combinator)),
        nll.map((x, c) => w[c] * x + constant),
      );
      expectAll(
        valuesOf(pipe(crossEntropy, combinator, classWeights(w))),
        nll.map((x, c) => w[c] * (x + constant)),
      );
    });

    test(`${name} after the weights is averaged over the rows, before them over the weights`, () => {
      const batch = { logits: [z, z], labels: [1, 2] };
      const weighted = (w[1] * nll[1] + w[2] * nll[2]) / (w[1] + w[2]);
      expectNear(evaluate(pipe(crossEntropy, classWeights(w), combinator), batch), weighted + constant);
      const own = { logits: [z, z.map((x) => 2 * x)], labels: [1, 2] };
      const unweighted = evaluate(pipe(crossEntropy, combinator, sum, add(pipe(crossEntropy, scale(-1), sum))), own);
      const after = evaluate(pipe(crossEntropy, classWeights(w), combinator), own);
      const without = evaluate(pipe(crossEntropy, classWeights(w)), own);
      expect(after - without).toBeCloseTo(unweighted / 2, 12);
      const before = evaluate(pipe(crossEntropy, combinator, classWeights(w)), own);
      expect(Math.abs(before - after)).toBeGreaterThan(1e-3);
    });

    test(`${name} is affine and not linear`, () => {
      const change = combinator as unknown as Change;
      const plus = (a: AnyLoss, b: AnyLoss): AnyLoss => lossMonoid.concat(asLoss(a) as never, asLoss(b) as never);
      const [a, b] = [crossEntropy, pipe(crossEntropy, classWeights(w))];
      const none = lossMonoid.empty;
      const both = valueAt(change(plus(a, b)), 1);
      expectNear(both + valueAt(change(none), 1), valueAt(change(a), 1) + valueAt(change(b), 1));
      expect(Math.abs(both - valueAt(change(a), 1) - valueAt(change(b), 1))).toBeGreaterThan(0.1);
      expect(Math.abs(valueAt(change(pipe(a, scale(2))), 1) - 2 * valueAt(change(a), 1))).toBeGreaterThan(0.1);
    });
  }
});

describe("smoothing and focal are linear", () => {
  const share = fc.integer({ min: 0, max: 9 }).map((n) => n / 10);
  const gamma = fc.integer({ min: 0, max: 6 }).map((n) => n / 2);
  const linearOnes: fc.Arbitrary<Change> = fc.oneof(
    share.map((e) => labelSmoothing(e) as unknown as Change),
    gamma.map((g) => focal({ gamma: g }) as unknown as Change),
    fc.constant(focal({ gamma: 1, alpha: w }) as unknown as Change),
  );
  const factors = fc.integer({ min: 1, max: 30 }).map((n) => n / 10);

  test("W(a + b) = W(a) + W(b) and W(s · a) = s · W(a)", () => {
    const plus = (a: AnyLoss, b: AnyLoss): AnyLoss => lossMonoid.concat(asLoss(a) as never, asLoss(b) as never);
    fc.assert(
      fc.property(linearOnes, open, open, factors, batches(classes), (change, a, b, s, { plain }) =>
        whereDefined(() => {
          const value = (loss: AnyLoss): number => evaluate(asLoss(loss), plain);
          const size = [a, b]
            .flatMap(({ terms, ...rest }) => terms.map((term) => Math.abs(value(change({ ...rest, terms: [term] })))))
            .reduce((total, x) => total + x, 0);
          expectNear(value(change(plus(a, b))), value(plus(change(a), change(b))), size);
          expectNear(value(change(pipe(asLoss(a), scale(s)))), value(pipe(asLoss(change(a)), scale(s))), s * size);
        }),
      ),
      { numRuns: 200 },
    );
  });
});

describe("a weighted loss is a pair of a field and a function of it", () => {
  type Weighted = Loss<"logits", "with a weight field">;
  const keeping: Readonly<Record<string, (loss: Weighted) => Weighted>> = {
    ignoreIndex: ignoreIndex(-100),
    labelSmoothing: labelSmoothing(0.2),
    focal: focal({ gamma: 2, alpha: [1, 2, 3, 4] }),
    poly: poly(0.5),
    zLoss: zLoss(0.1),
    confidencePenalty: confidencePenalty(0.1),
    scale: scale(0.5),
    temperature: temperature(2),
    softcap: softcap(3),
    logitAdjustment: logitAdjustment(fromCounts([1, 2, 3, 4])),
    balancedSoftmax: balancedSoftmax(fromCounts([1, 2, 3, 4])),
    mixCE: mixCE(0.3),
    dft,
    mile: mile(),
    superLoss: superLoss({ lambda: 2 }),
    "labelSmoothing as in t5x": labelSmoothing(0.2, { form: "t5x" }),
    "add of an unweighted loss": add(pipe(crossEntropy, sum)),
    "add of a weighted loss": add(pipe(crossEntropy, classWeights([5, 6, 7, 8]), mean)),
  };
  const batch = { logits: [z, [0, 1, 0, 3], [1, 1, 1, 1]], labels: [0, 3, -100] };
  const laws = [
    powerLaw(0.5),
    clip(1, 2),
    normalise("tokenMean"),
    ramp(0.3),
    exponentialDecay(0.1),
    override({ 0: 5 }),
  ];

  for (const [name, combinator] of Object.entries(keeping)) {
    test(`${name} keeps the focus: a law after it is the law before it`, () => {
      const weighted = pipe(crossEntropy, freqWeights(fromCounts([9, 4, 2, 1])));
      for (const law of laws) {
        const ignored = ignoreIndex(-100);
        // A sum, since a factor for every weight cancels in a weighted mean.
        const after = evaluate(pipe(weighted, combinator, law, ignored, sum), batch);
        const before = evaluate(pipe(weighted, law, combinator, ignored, sum), batch);
        expectNear(after, before);
        const without = evaluate(pipe(weighted, combinator, ignored, sum), batch);
        expect(Math.abs(after - without)).toBeGreaterThan(1e-6);
      }
    });
  }

  test("a reduction keeps nothing that a law could reach, and a later field closes the earlier one", () => {
    const u = [4, 1, 2, 3];
    const both = pipe(crossEntropy, classWeights(w), powerLaw(1, { epsilon: 0 }), classWeights(u), clip(2, 3));
    expectAll(
      valuesOf(both),
      nll.map((x, c) => (Math.min(3, Math.max(2, u[c])) / w[c]) * x),
    );
  });

  test("fields multiply, in the denominator too", () => {
    const u = [4, 1, 2, 3];
    const apart = pipe(crossEntropy, classWeights(w), classWeights(u));
    const together = pipe(crossEntropy, classWeights(w.map((x, c) => x * u[c])));
    for (const reduction of [sum, mean, weightedMean]) {
      const rows = { ...batch, labels: [0, 3, 1] };
      expectNear(evaluate(pipe(apart, reduction), rows), evaluate(pipe(together, reduction), rows));
    }
  });
});

describe("counts", () => {
  const weightsBy = (loss: Loss<"logits", "with a weight field">): number[] => valuesOf(loss).map((x, c) => x / nll[c]);

  test("tokenMean reads the raw counts of a field that was given them", () => {
    const loss = pipe(crossEntropy, classWeights(w, { counts: [6, 1, 3, 0] }), normalise("tokenMean"));
    const unit = (6 * w[0] + w[1] + 3 * w[2]) / 10;
    expectAll(
      weightsBy(loss),
      w.map((x) => x / unit),
    );
  });

  test("whatever laws came before it", () => {
    const counts = [6, 1, 3, 2];
    const loss = pipe(crossEntropy, freqWeights(fromCounts(counts)), clip(2, 4), ramp(0.5), normalise("tokenMean"));
    const before = counts.map((c) => 1 + 0.5 * (Math.min(4, Math.max(2, c)) - 1));
    const unit = counts.reduce((total, c, id) => total + c * before[id], 0) / 12;
    expectAll(
      weightsBy(loss),
      before.map((x) => x / unit),
    );
  });

  test("the policy for unseen entries changes the values and not the counts", () => {
    const frequencies = fromCounts([6, 1, 3, 0]);
    const seen = (unseen: number): number[] =>
      weightsBy(pipe(crossEntropy, freqWeights(frequencies, { unseen }), normalise("tokenMean"))).slice(0, 3);
    expectAll(seen(100), seen(1));
    const raw = weightsBy(pipe(crossEntropy, freqWeights(frequencies, { unseen: 100 })));
    expectAll(raw, [6, 1, 3, 100]);
  });
});

describe("the p of a modulator is that of the loss's own logits", () => {
  const rows = { logits: [z, [0, 1, 0, 3]], labels: [0, 3] };
  const views = {
    temperature: temperature(2),
    softcap: softcap(1.5),
    logitAdjustment: logitAdjustment(fromCounts([9, 4, 2, 1])),
  };
  for (const [name, view] of Object.entries(views)) {
    test(`${name} before focal and poly is ${name} after them`, () => {
      const viewed = view as (loss: typeof crossEntropy) => typeof crossEntropy;
      for (const modulator of [focal({ gamma: 2 }), poly(1)]) {
        const before = evaluate(pipe(crossEntropy, viewed, modulator), rows);
        expectNear(before, evaluate(pipe(crossEntropy, modulator, viewed), rows));
        expect(Math.abs(before - evaluate(pipe(crossEntropy, modulator), rows))).toBeGreaterThan(1e-3);
      }
    });
  }

  test("each of several terms by its own, and appended terms read the plain logits", () => {
    const cool = pipe(crossEntropy, temperature(2));
    const focused = (loss: typeof crossEntropy): typeof crossEntropy => pipe(loss, focal({ gamma: 2 }), sum) as never;
    const apart = evaluate(focused(cool), rows) + evaluate(focused(crossEntropy), rows);
    const together = pipe(cool, add(crossEntropy), focal({ gamma: 2 }), sum);
    expectNear(evaluate(together, rows), apart);
    const penalised = evaluate(pipe(cool, zLoss(0.5), sum), rows);
    expectNear(
      penalised,
      evaluate(pipe(cool, sum), rows) + evaluate(pipe(crossEntropy, scale(0), zLoss(0.5), sum), rows),
    );
  });
});

describe("numbers may be schedules", () => {
  test("a power law that warms up starts as cross entropy and ends as the Power-Law Decay Loss", () => {
    const counts = freqWeights(fromCounts([9, 4, 2, 1]));
    const warmUp = pipe(crossEntropy, counts, powerLaw(linear({ init: 0, end: 1, steps: 1000 })));
    const rows = { logits: [z, [0, 1, 0, 3]], labels: [0, 3] };
    const at = (step: number): number => evaluate(warmUp, { ...rows, step });
    expectNear(at(0), evaluate(crossEntropy, rows));
    const pdl = evaluate(pipe(crossEntropy, counts, powerLaw(1)), rows);
    expectNear(at(1000), pdl);
    expectNear(at(5000), pdl);
    expect(Math.abs(at(500) - at(0))).toBeGreaterThan(1e-3);
    expect(Math.abs(at(500) - at(1000))).toBeGreaterThan(1e-3);
  });

  const weighted = pipe(crossEntropy, freqWeights(fromCounts([9, 4, 2, 1])));
  type Parameter = Parameters<typeof ramp>[0];
  const parameters: Readonly<Record<string, (x: Parameter) => AnyLoss>> = {
    "powerLaw(alpha)": (x) => pipe(weighted, powerLaw(x)),
    "powerLaw({ epsilon })": (x) => pipe(weighted, powerLaw(1, { epsilon: x })),
    "exponentialDecay(lambda)": (x) => pipe(weighted, exponentialDecay(x)),
    "clip(lo)": (x) => pipe(crossEntropy, classWeights([0.1, 2, 3, 1]), clip(x, 5)),
    "clip(hi)": (x) => pipe(crossEntropy, classWeights([0.1, 2, 3, 1]), clip(0.05, x)),
    "ramp(a)": (x) => pipe(weighted, ramp(x)),
    "override({ id })": (x) => pipe(weighted, override({ 0: x })),
    "labelSmoothing(e)": (x) => pipe(crossEntropy, labelSmoothing(x)),
    "focal({ gamma })": (x) => pipe(crossEntropy, focal({ gamma: x })),
    "focal({ alpha })": (x) => pipe(crossEntropy, focal({ gamma: 1, alpha: x })),
    "labelSmoothing(e) as in t5x": (x) => pipe(crossEntropy, labelSmoothing(x, { form: "t5x" })),
    "generalisedCrossEntropy({ q })": (x) => generalisedCrossEntropy({ q: x }),
    "symmetricCrossEntropy({ alpha })": (x) => symmetricCrossEntropy({ alpha: x, beta: 1 }),
    "symmetricCrossEntropy({ beta })": (x) => symmetricCrossEntropy({ alpha: 1, beta: x }),
    "mixCE(e)": (x) => pipe(crossEntropy, mixCE(x)),
    "mile({ gamma })": (x) => pipe(crossEntropy, mile({ gamma: x })),
    "superLoss({ lambda })": (x) => pipe(crossEntropy, superLoss({ lambda: x, tau: 0.1 })),
    "superLoss({ tau })": (x) => pipe(crossEntropy, superLoss({ tau: x })),
    "ldam({ maxMargin })": (x) => ldam({ counts: [9, 4, 2, 1], maxMargin: x, scale: 2 }),
    "ldam({ scale })": (x) => ldam({ counts: [9, 4, 2, 1], scale: x }),
    "poly(e)": (x) => pipe(crossEntropy, poly(x)),
    "zLoss(c)": (x) => pipe(crossEntropy, zLoss(x)),
    "confidencePenalty(beta)": (x) => pipe(crossEntropy, confidencePenalty(x)),
    "scale(s)": (x) => pipe(crossEntropy, scale(x)),
    "temperature(t)": (x) => pipe(crossEntropy, temperature(x)),
    "softcap(cap)": (x) => pipe(crossEntropy, softcap(x)),
    "classBalanced(beta)": (x) => pipe(weighted, classBalanced(x)),
    "logitAdjustment(tau)": (x) => pipe(crossEntropy, logitAdjustment(fromCounts([9, 4, 2, 1]), x)),
  };
  for (const backend of backends) {
    describe(`in the reference and on ${backend}`, () => {
      beforeAll(startBackend(backend));
      for (const [name, build] of Object.entries(parameters)) {
        test(`${name} takes a schedule, which is at each step its number there`, async () => {
          const scheduled = build(linear({ init: 0.2, end: 0.8, steps: 4 }));
          const rows: PlainBatch = { logits: [z, [0, 1, 0, 3]], labels: [0, 3] };
          const seen = new Set<string>();
          for (const [step, number] of [0.2, 0.35, 0.5, 0.65, 0.8, 0.8].entries()) {
            const expected = evaluate(asLoss(build(number)), rows);
            expectNear(evaluate(asLoss(scheduled), { ...rows, step }), expected);
            const { value } = await runCompiled(scheduled, { ...rows, step }, [2, 4]);
            expect(Math.abs(value[0] - expected)).toBeLessThanOrEqual(2e-6 * Math.abs(expected));
            seen.add(expected.toPrecision(6));
          }
          expect(seen.size).toBe(5);
          expect(() => evaluate(asLoss(scheduled), rows)).toThrow("step");
        });
      }
    });
  }
});

describe("a loss is plain data", () => {
  beforeAll(startBackend("cpu"));

  test("a structured clone of it is equal, has the same values, and compiles", async () => {
    await fc.assert(
      fc.asyncProperty(compositions(classes), batches(classes), async ({ loss }, batch) => {
        const copy = structuredClone(loss);
        expect(lossEq.equals(copy, loss)).toBe(true);
        let value = Number.NaN;
        whereDefined(() => {
          value = evaluate(asLoss(loss), batch.plain);
          expect(evaluate(asLoss(copy), batch.plain)).toBe(value);
        });
        if (Number.isNaN(value)) return;
        const shape = [...batch.shape, batch.classes];
        expect(await runCompiled(copy, batch.plain, shape)).toEqual(await runCompiled(loss, batch.plain, shape));
      }),
      { numRuns: 50 },
    );
  });

  test("composing changes none of its parts", () => {
    const base = pipe(crossEntropy, freqWeights(fromCounts([9, 4, 2, 1])));
    const before = structuredClone(base);
    compile(pipe(base, powerLaw(0.5), labelSmoothing(0.1), zLoss(0.1), add(base), ignoreIndex(-1), mean));
    expect(base).toEqual(before);
  });
});

describe("perToken", () => {
  test("is the sum of the weighted terms of each row, sample weights included, and 0 for rows that are not valid", () => {
    const loss = pipe(crossEntropy, classWeights(w), labelSmoothing(0.2), zLoss(0.1), ignoreIndex(-1), perToken);
    const batch = {
      logits: [z, z, z, z, z],
      labels: [0, 2, -1, 1, 1],
      mask: [true, true, true, false, true],
      sampleWeight: [1, 0.5, 3, 3, 0],
    };
    const average = nll.reduce((total, x, c) => total + w[c] * x, 0) / classes;
    const row = (label: number): number => 0.8 * w[label] * nll[label] + 0.2 * average + 0.1 * logsumexp ** 2;
    expectAll(flat(evaluate(loss, batch)), [row(0), 0.5 * row(2), 0, 0, 0]);
  });
});

test("without weights the default reduction is the plain mean", () => {
  fc.assert(
    fc.property(batches(classes, undefined, { soft: false }), ({ plain: { sampleWeight: _, ...plain } }) => {
      const loss = pipe(crossEntropy, labelSmoothing(0.1), focal({ gamma: 1 }), zLoss(0.1), ignoreIndex(1));
      const means = evaluate(pipe(loss, mean), plain);
      expectNear(evaluate(loss, plain), means);
    }),
  );
});
