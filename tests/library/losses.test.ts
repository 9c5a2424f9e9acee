/** Losses over logits: the reference against their formulas, and every compiled path against the reference. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type AnyLoss,
  type crossEntropy,
  evaluate,
  evaluateGradient,
  generalisedCrossEntropy,
  ldam,
  linear,
  type PlainBatch,
  perToken,
  pipe,
  symmetricCrossEntropy,
} from "lossmith";
import { plan } from "../../lib/compiler/plan.ts";
import { agreementOf } from "../support/agreement.ts";
import { batches, type RandomBatch } from "../support/arbitraries.ts";
import { backends, behindGlass, startBackend } from "../support/backends.ts";
import { classes, type Named, namedLosses, type Rows } from "../support/formulas.ts";
import { distance, flat } from "../support/numbers.ts";

const numbers = (length: number): fc.Arbitrary<number[]> =>
  fc.array(
    fc.double({ min: -8, max: 8, noNaN: true }).map((x) => Math.round(x * 1e4) / 1e4),
    { minLength: length, maxLength: length },
  );
const rowsOf = (count: number): fc.Arbitrary<Rows> =>
  fc.array(numbers(classes), { minLength: count, maxLength: count });
const labels = fc.array(fc.nat({ max: classes - 1 }), { minLength: 3, maxLength: 3 });

const asOpen = (loss: AnyLoss): typeof crossEntropy => loss as typeof crossEntropy;
const sumOf = (xs: readonly number[]): number => xs.reduce((a, b) => a + b, 0);

describe("the reference gives the number of the formula, and its gradient", () => {
  for (const [name, { loss, formula, linear: isLinear }] of Object.entries(namedLosses)) {
    test(name, () => {
      fc.assert(
        fc.property(rowsOf(3), labels, fc.nat({ max: 3 * classes - 1 }), (rows, y, place) => {
          const batch: PlainBatch = { logits: rows as number[][], labels: y };
          const exact = formula(rows, y, rows);
          // Lambert's W by bisection has fewer digits, and near its branch point half of them.
          const tolerance = name.startsWith("super") ? 1e-9 : 1e-11;
          expect(distance(flat(evaluate(pipe(asOpen(loss), perToken), batch)), exact, 1)).toBeLessThan(tolerance);

          const h = 1e-5;
          const moved = (by: number): Rows =>
            rows.map((row, i) => row.map((x, c) => (i * classes + c === place ? x + by : x)));
          const difference = (sumOf(formula(moved(h), y, rows)) - sumOf(formula(moved(-h), y, rows))) / (2 * h);
          const gradient = flat(evaluateGradient(pipe(asOpen(loss), perToken), batch))[place];
          expect(Math.abs(gradient - difference)).toBeLessThan(1e-7 * Math.max(1, sumOf(exact)));
        }),
        { numRuns: 100 },
      );
    });

    if (!isLinear) continue;
    test(`${name}, at soft labels`, () => {
      const weights = fc.array(
        fc.integer({ min: 0, max: 8 }).map((n) => n / 8),
        {
          minLength: classes,
          maxLength: classes,
        },
      );
      fc.assert(
        fc.property(rowsOf(1), weights, (rows, q) => {
          const exact = sumOf(q.map((x, c) => x * formula(rows, [c], rows)[0]));
          const batch: PlainBatch = { logits: rows as number[][], labels: [q] };
          expect(distance(flat(evaluate(pipe(asOpen(loss), perToken), batch)), [exact], 1)).toBeLessThan(1e-11);
        }),
        { numRuns: 100 },
      );
    });
  }
});

describe("compiled losses agree with the reference, masks, sample weights and soft labels included", () => {
  const random: fc.Arbitrary<RandomBatch> = batches(classes, undefined, { soft: true });
  const expectAgreement = async ({ loss }: Named, drawn: readonly RandomBatch[]): Promise<void> => {
    for (const batch of drawn) {
      const agreement = await agreementOf({ composition: { steps: [], loss }, batch });
      if ("refused" in agreement) throw new Error(agreement.refused);
      expect(agreement.value).toBeLessThanOrEqual(1e-5);
      expect(agreement.gradient).toBeLessThanOrEqual(1e-5);
    }
  };
  // Beside Lambert's branch point a float32 loss has half of its digits; the seed keeps clear of it.
  const drawn = fc.sample(random, { seed: 7, numRuns: 40 });

  for (const backend of backends) {
    test(backend, async () => {
      await startBackend(backend)();
      for (const one of Object.values(namedLosses)) await expectAgreement(one, drawn);
    });
  }

  test("by ordinary ops", async () => {
    await behindGlass(async () => {
      for (const one of Object.values(namedLosses)) await expectAgreement(one, drawn);
    });
  });
});

test("those of the likelihood alone cost what cross entropy does: one statistic of one view", () => {
  const schedule = linear({ init: 0.1, end: 0.9, steps: 9 });
  const cheap: readonly AnyLoss[] = [
    namedLosses["dft"].loss,
    namedLosses["mixCE"].loss,
    generalisedCrossEntropy({ q: schedule }),
    symmetricCrossEntropy({ alpha: schedule, beta: schedule }),
    ldam({ counts: [3, 2, 1] }),
    namedLosses["superLoss with tau log V"].loss,
  ];
  for (const loss of cheap) {
    const { statistics, views } = plan(loss);
    expect([...statistics.values()].map(({ kind }) => kind)).toEqual(["n"]);
    expect(views.size).toBe(1);
  }
  // The mean over the batch wants no gradient.
  expect(plan(namedLosses["mile"].loss).cotangents.statistics.length).toBe(1);
});
