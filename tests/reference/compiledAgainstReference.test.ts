/** Random compositions on random batches: compiled values and gradients agree with the float64 reference. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { crossEntropy, evaluate, evaluateGradient, LossError, labelSmoothing, pipe, sum } from "lossmith";
import {
  batches,
  type Composition,
  cases,
  compositions,
  perTokenCompositions,
  type RandomBatch,
} from "../support/arbitraries.ts";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { gradientSize, valueSize } from "../support/gradientSize.ts";
import { distance, flat } from "../support/numbers.ts";

/** The reference, or the text of its LossError. */
function reference({ loss }: Composition, { plain }: RandomBatch): { value: number[]; gradient: number[] } | string {
  try {
    return { value: flat(evaluate(loss as never, plain)), gradient: flat(evaluateGradient(loss, plain)) };
  } catch (error) {
    if (error instanceof LossError) return error.message;
    throw error;
  }
}

async function expectAgreement(composition: Composition, batch: RandomBatch, tolerance: number): Promise<void> {
  const expected = reference(composition, batch);
  const run = runCompiled(composition.loss, batch.plain, [...batch.shape, batch.classes]);
  if (typeof expected === "string") {
    const message = await run.then(
      () => "no error",
      (error: Error) => error.message,
    );
    expect(message).toBe(expected);
    return;
  }
  const { value, gradient } = await run;
  // float32 has fewer digits below 1e-38.
  const parts = Math.max(1e-33, valueSize(composition.loss, batch.plain));
  expect(distance(value, expected.value, parts)).toBeLessThanOrEqual(tolerance);
  const size = gradientSize(composition.loss, batch.plain);
  expect(distance(gradient, expected.gradient, size)).toBeLessThanOrEqual(tolerance);
}

for (const backend of backends) {
  describe(`${backend} agrees with the reference`, () => {
    beforeAll(startBackend(backend));

    test("on random compositions of every combinator, shape and mask", async () => {
      await fc.assert(
        fc.asyncProperty(cases, ({ composition, batch }) => expectAgreement(composition, batch, 2e-5)),
        { numRuns: 1000 },
      );
    });

    test("on losses that keep one number a token", async () => {
      const perTokenCases = fc
        .integer({ min: 2, max: 6 })
        .chain((classes) => fc.tuple(perTokenCompositions(classes), batches(classes)));
      await fc.assert(
        fc.asyncProperty(perTokenCases, ([composition, batch]) => expectAgreement(composition, batch, 2e-5)),
        { numRuns: 100 },
      );
    });

    test("on a vocabulary of one entry, where the gradient of cross entropy is 0", async () => {
      const single = fc
        .tuple(compositions(1), batches(1))
        .map(([composition, batch]) => ({ composition, batch, expected: reference(composition, batch) }));
      await fc.assert(
        fc.asyncProperty(single, async ({ composition: { loss }, batch, expected }) => {
          if (typeof expected === "string") return;
          const { value, gradient } = await runCompiled(loss, batch.plain, [...batch.shape, 1]);
          for (const [i, x] of [...value, ...gradient].entries()) {
            const exact = [...expected.value, ...expected.gradient][i];
            expect(Math.abs(x - exact)).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(exact)));
          }
        }),
        { numRuns: 50 },
      );
    });

    test("on logits from -1e4 to 1e4, entries of -infinity, equal logits and confident rows", async () => {
      const extreme = fc.oneof(
        fc.double({ min: -1e4, max: 1e4, noNaN: true }),
        fc.constantFrom(0, 1e4, -1e4, 30, Number.NEGATIVE_INFINITY),
      );
      const plain = [pipe(crossEntropy, sum), pipe(crossEntropy, labelSmoothing(0.1), sum)].map((loss) => ({
        steps: ["crossEntropy"],
        loss,
      }));
      const extremes = fc.integer({ min: 2, max: 6 }).chain((classes) =>
        fc.tuple(
          fc.constantFrom(...plain),
          batches(classes, extreme).filter(({ plain: { logits } }) => hasFiniteRows(logits, classes)),
        ),
      );
      await fc.assert(
        fc.asyncProperty(extremes, ([composition, batch]) => expectAgreement(composition, batch, 2e-5)),
        { numRuns: 200 },
      );
    });
  });
}

for (const backend of gpuBackends) {
  test(`${backend} agrees with the reference on random compositions`, async () => {
    await startBackend(backend)();
    // Each composition is a program of its own for the device to compile.
    await fc.assert(
      fc.asyncProperty(cases, async ({ composition, batch }) => {
        if (typeof reference(composition, batch) !== "string") await expectAgreement(composition, batch, 2e-5);
      }),
      { numRuns: 40 },
    );
  });
}

test("a backend that the library does not know agrees with the reference, by ordinary ops", async () => {
  await behindGlass(() =>
    fc.assert(
      fc.asyncProperty(cases, async ({ composition, batch }) => {
        // Only its arithmetic is another: what is wrong in a batch is found in the same way.
        if (typeof reference(composition, batch) !== "string") await expectAgreement(composition, batch, 2e-5);
      }),
      { numRuns: 200 },
    ),
  );
});

/** A row of nothing but -infinity has no softmax. */
function hasFiniteRows(logits: unknown, classes: number): boolean {
  const values = flat(logits);
  return Array.from({ length: values.length / classes }, (_, row) =>
    values.slice(row * classes, (row + 1) * classes).some(Number.isFinite),
  ).every((finite) => finite);
}
