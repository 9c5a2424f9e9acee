/** Losses on preferences against PyTorch, live, written there as their papers and TRL have them: values and gradients. */
import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { dpo, evaluate, evaluateGradient, ipo, kto, type Loss, orpo, perToken, pipe, simPO } from "lossmith";
import { backends, behindGlass, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { gradientSize, valueSize } from "../support/gradientSize.ts";
import { distance, flat } from "../support/numbers.ts";
import { askTorch, hasTorch, type TorchAnswer } from "../support/torch.ts";

interface PreferenceCase {
  readonly preference: string;
  readonly loss: Loss<"values", "already reduced per token">;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly policy: number[][];
  readonly reference: number[][];
  readonly desirable: boolean[];
}

const between = (min: number, max: number): fc.Arbitrary<number> => fc.double({ min, max, noNaN: true });
const beta = between(0.02, 3);
/** At 0.5 a gradient is the difference of two parts that are equal where the margin is 0, and has no digits to compare. */
const labelSmoothing = fc.constantFrom(0, 0.1, 0.3);

type Named = Pick<PreferenceCase, "preference" | "parameters"> & {
  readonly loss: Loss<"values", "without a weight field">;
};

const named = <P extends object>(
  preference: string,
  parameters: fc.Arbitrary<P>,
  make: (parameters: P) => Named["loss"],
): fc.Arbitrary<Named> =>
  parameters.map((given) => ({ preference, parameters: given as Record<string, unknown>, loss: make(given) }));

const losses = fc.oneof(
  named("dpo", fc.record({ beta, labelSmoothing }), dpo),
  named("ipo", fc.record({ beta }), ipo),
  named("simpo", fc.record({ beta, gamma: between(0, 3), labelSmoothing }), simPO),
  named("orpo", fc.record({ lambda: between(0.01, 2), likelihood: fc.constantFrom(0, 1) }), orpo),
  named("kto", fc.record({ beta, desirableWeight: between(0.1, 2), undesirableWeight: between(0.1, 2) }), kto),
);

const cases: fc.Arbitrary<PreferenceCase> = fc.tuple(losses, fc.integer({ min: 1, max: 6 })).chain(([given, count]) => {
  const { preference } = given;
  // Means over tokens where the odds are read, else sums too, up to some nats from those of the reference.
  const ofPolicy = preference === "orpo" ? between(-9, -1e-2) : fc.oneof(between(-9, -1e-2), between(-300, -200));
  const difference = fc.oneof(between(-0.5, 0.5), between(-8, 8));
  const rows = (entry: fc.Arbitrary<number>): fc.Arbitrary<number[][]> =>
    fc.array(fc.array(entry.map(Math.fround), { minLength: 2, maxLength: 2 }), { minLength: count, maxLength: count });
  return fc
    .record({
      policy: rows(ofPolicy),
      differences: rows(difference),
      desirable: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
    })
    .map(({ policy, differences, desirable }) => ({
      ...given,
      policy,
      reference: policy.map((row, i) => row.map((x, j) => Math.fround(Math.min(-1e-2, x + differences[i][j])))),
      desirable,
      loss: pipe(given.loss, perToken),
      parameters: preference === "kto" ? { ...given.parameters, desirable } : given.parameters,
    }));
});

const batchOf = ({ policy, reference, desirable }: PreferenceCase) => ({
  predictions: policy,
  targets: reference,
  inputs: { desirable: desirable.map(Number) },
});

const withTorch = hasTorch();
const sample = withTorch ? fc.sample(cases, 150) : [];
let answers: readonly TorchAnswer[] = [];

(withTorch ? describe : describe.skip)("150 random cases against PyTorch", () => {
  beforeAll(() => {
    answers = askTorch(
      sample.map(({ preference, parameters, policy, reference }) => ({ preference, parameters, policy, reference })),
    );
  });

  const expectNear = (i: number, errors: readonly number[], tolerance: number): void => {
    if (errors.every((error) => error <= tolerance)) return;
    throw new Error(`off by ${errors}: ${JSON.stringify({ ...sample[i], loss: null })}`);
  };

  test("reference, to 1e-10", () => {
    for (const [i, one] of sample.entries()) {
      const batch = batchOf(one);
      const value = flat(evaluate(one.loss, batch));
      const gradient = flat(evaluateGradient(one.loss, batch));
      // With label smoothing a gradient may be the small difference of two.
      const size = gradientSize(one.loss, batch);
      expectNear(i, [distance(value, answers[i].value), distance(gradient, answers[i].gradient, size)], 1e-10);
    }
    expect(answers.length).toBe(150);
  });

  /** Relative to the size of the parts, as random compositions are. */
  const expectCompiled = async (count: number): Promise<void> => {
    for (const [i, one] of sample.slice(0, count).entries()) {
      const batch = batchOf(one);
      const { value, gradient } = await runCompiled(one.loss, batch, [one.policy.length, 2]);
      const [ofValue, ofGradient] = [valueSize, gradientSize].map((size) => Math.max(1e-33, size(one.loss, batch)));
      expectNear(
        i,
        [distance(value, answers[i].value, ofValue), distance(gradient, answers[i].gradient, ofGradient)],
        2e-5,
      );
    }
  };

  for (const backend of backends) {
    test(backend, async () => {
      await startBackend(backend)();
      await expectCompiled(150);
    });
  }

  test("by ordinary ops", () => behindGlass(() => expectCompiled(50)));
});
