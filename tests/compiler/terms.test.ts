/** The values of a loss's terms beside the loss, by name. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  type Batch,
  type Batches,
  classWeights,
  compile,
  cosineSimilarity,
  crossEntropy,
  evaluate,
  explain,
  focal,
  type Input,
  ignoreIndex,
  type Kind,
  type Loss,
  lossEq,
  mean,
  meanSquaredError,
  mile,
  named,
  perToken,
  pipe,
  scale,
  show,
  sum,
  tokenSelection,
  watchTerms,
  zLoss,
} from "lossmith";
import { emptyLoss } from "../../lib/loss/loss.ts";
import { reference } from "../support/agreement.ts";
import { type Case, cases, perTokenCases } from "../support/arbitraries.ts";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { distance, flat } from "../support/numbers.ts";
import { type ValuesCase, valuesCases } from "../support/valuesArbitraries.ts";

const logits = [
  [2, 1, 0.1],
  [0.5, 2.5, 0.3],
  [1, 1, 1],
];
const labels = [0, 1, -1];
const parts = {
  plain: pipe(crossEntropy, classWeights([1, 2, 3])),
  sharp: pipe(crossEntropy, focal({ gamma: 2 }), mile(), scale(0.3), mean),
  chosen: pipe(crossEntropy, tokenSelection(0.5, { reference: null }), sum),
};
const whole = pipe(
  parts.plain,
  named("plain"),
  add(pipe(parts.sharp, named("sharp"))),
  add(pipe(parts.chosen, named("chosen"))),
  ignoreIndex(-1),
);

/** The value of a term alone. */
function alone(loss: AnyLoss, term: AnyLoss["terms"][number]): AnyLoss {
  return { ...loss, terms: [term] };
}

/** Value and terms of a random case, and the gradient through the value; the tensors are disposed. */
async function expectTerms({ composition: { loss }, batch }: Case | ValuesCase, tolerance: number): Promise<void> {
  const expected = reference({ steps: [], loss }, batch);
  if (typeof expected === "string") return;
  const shape = "inputShape" in batch ? batch.inputShape : [...batch.shape, batch.classes];
  const [name, plain] =
    "predictions" in batch.plain ? ["predictions", batch.plain.predictions] : ["logits", batch.plain.logits];
  const compiled = compile(loss);
  const z = tf.tensor(plain as number[], [...shape], "float32");
  const batchOf = (x: tf.Tensor): never => ({ ...batch.plain, [name]: x }) as never;
  const { value, terms } = compiled.withTerms(batchOf(z));
  const gradient = tf.grad((x: tf.Tensor) => compiled.withTerms(batchOf(x)).value)(z, tf.ones(value.shape));
  const once = await runCompiled(loss, batch.plain, shape);
  expect(distance([...(await value.data())], once.value, 1e-30)).toBeLessThanOrEqual(1e-6);
  expect(distance([...(await gradient.data())], once.gradient, 1e-30)).toBeLessThanOrEqual(1e-6);
  // Each name's terms, evaluated alone.
  const of = compiled.plan.termNames;
  expect(Object.keys(terms).sort()).toEqual([...new Set(of)].sort());
  for (const [label, tensor] of Object.entries(terms)) {
    const values = loss.terms
      .filter((_, i) => of[i] === label)
      .map((term) => flat(evaluate(alone(loss, term) as never, batch.plain as never)));
    const sums = values.reduce((a, b) => a.map((x, i) => x + b[i]));
    const size = Math.max(1e-3, ...values.flat().map(Math.abs).filter(Number.isFinite));
    expect(distance([...(await tensor.data())], sums, size)).toBeLessThanOrEqual(tolerance);
  }
  compiled.dispose();
  tf.dispose([z, value, gradient, ...Object.values(terms), ...compiled.variables.values()]);
}

for (const backend of backends) {
  describe(`terms on ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("are those of the reference, beside the loss and its gradient, on random compositions", async () => {
      const all = fc.oneof<fc.Arbitrary<Case | ValuesCase>[]>(cases, perTokenCases, valuesCases);
      await fc.assert(
        fc.asyncProperty(all, (one) => expectTerms(one, 1e-4)),
        { numRuns: 40 },
      );
    });

    test("by name, coupled ones too, with a gradient for each", async () => {
      const loss = compile(whole);
      const z = tf.tensor2d(logits);
      const { value, terms } = loss.withTerms({ logits: z, labels });
      expect(Object.keys(terms)).toEqual(["plain", "sharp", "chosen"]);
      for (const name of ["plain", "sharp", "chosen"] as const) {
        const data = pipe(parts[name] as Loss<"logits", "already reduced">, ignoreIndex(-1));
        const own = await runCompiled(data, { logits, labels }, [3, 3]);
        expect((await terms[name].data())[0]).toBeCloseTo(own.value[0], 5);
        const gradient = tf.grad((x: tf.Tensor) => loss.withTerms({ logits: x as tf.Tensor2D, labels }).terms[name])(z);
        expect(distance([...(await gradient.data())], own.gradient)).toBeLessThan(1e-6);
        gradient.dispose();
      }
      tf.dispose([z, value, ...Object.values(terms)]);
      loss.dispose();
    });

    test("carry the gradients of soft labels and sample weights", async () => {
      for (const end of [mean, perToken]) {
        const loss = compile(end(pipe(crossEntropy, classWeights([1, 2, 3]), zLoss(0.1))) as Loss<"logits", Kind>);
        const given = [tf.tensor2d([0.2, 0.5, 0.3, 1, 0, 0.5], [2, 3]), tf.tensor1d([1, 0.5])];
        const z = tf.tensor2d(logits.slice(0, 2));
        const batchOf = (q: tf.Tensor, w: tf.Tensor): Batch => ({ logits: z, labels: q, sampleWeight: w });
        const ones = tf.onesLike(loss(batchOf(given[0], given[1])));
        const through = (f: (batch: Batch) => tf.Tensor): tf.Tensor[] =>
          tf.grads((q: tf.Tensor, w: tf.Tensor) => f(batchOf(q, w)))(given, ones);
        const [own, expected] = [through((batch) => loss.withTerms(batch).value), through(loss)];
        for (const i of [0, 1])
          expect(distance([...own[i].dataSync()], [...expected[i].dataSync()])).toBeLessThan(1e-6);
      }
    });

    test("cost no second pass over the logits", async () => {
      const loss = compile(whole);
      const z = tf.tensor2d(logits);
      const kernels = async (run: () => unknown): Promise<readonly string[]> => {
        const { kernelNames } = await tf.profile(() => {
          tf.dispose(run() as tf.TensorContainer);
        });
        return kernelNames;
      };
      const narrow = new Set(["Slice", "Reshape", "Multiply", "Sum", "Add", "AddN", "Identity"]);
      const [once, twice] = [
        await kernels(() => loss({ logits: z, labels })),
        await kernels(() => loss.withTerms({ logits: z, labels })),
      ];
      const wide = (names: readonly string[]): readonly string[] => names.filter((name) => !narrow.has(name));
      expect(wide(twice)).toEqual(wide(once));
      z.dispose();
      loss.dispose();
    });

    test("are left in a tidy, and read after a step of an optimizer", async () => {
      const loss = compile(whole);
      const watched = watchTerms(loss);
      expect(await watched.read()).toBe(null);
      const z = tf.variable(tf.tensor2d(logits));
      const expected = await runCompiled(whole, { logits, labels }, [3, 3]);
      const optimizer = tf.train.sgd(0.1);
      optimizer.minimize(() => watched({ logits: z, labels }));
      const { numTensors } = tf.memory();
      optimizer.minimize(() => watched({ logits: z, labels }));
      tf.dispose(tf.tidy(() => loss.withTerms({ logits: z, labels })));
      expect(tf.memory().numTensors).toBe(numTensors);
      z.assign(tf.tensor2d(logits));
      watched({ logits: z, labels }).dispose();
      const numbers = await watched.read();
      expect(numbers?.value).toBeCloseTo(expected.value[0], 5);
      expect(Object.values(numbers?.terms ?? {}).reduce((a, b) => a + b, 0)).toBeCloseTo(expected.value[0], 5);
      watched.dispose();
      expect(await watched.read()).toBe(null);
      optimizer.dispose();
      z.dispose();
      loss.dispose();
    });

    test("with denominators of the whole batch add up over micro-batches", async () => {
      const loss = compile(pipe(crossEntropy, classWeights([1, 2, 3]), named("words"), zLoss(0.1), named("z")));
      const of = (rows: readonly number[], denominators: tf.Tensor1D): Record<string, number> => {
        const z = tf.tensor2d(rows.map((row) => logits[row]));
        const { terms } = loss.withTerms({ logits: z, labels: rows.map((row) => row), denominators });
        return Object.fromEntries(Object.entries(terms).map(([name, term]) => [name, term.dataSync()[0]]));
      };
      const denominators = loss.denominators({ labels: [0, 1, 2] });
      const [a, b, all] = [of([0, 1], denominators), of([2], denominators), of([0, 1, 2], denominators)];
      for (const name of ["words", "z"]) expect(a[name] + b[name]).toBeCloseTo(all[name], 5);
    });
  });
}

for (const backend of gpuBackends) {
  test(`terms on ${backend}, by name`, async () => {
    await startBackend(backend)();
    const loss = watchTerms(compile(whole));
    const z = tf.tensor2d(logits);
    const gradient = tf.grad((x: tf.Tensor) => loss({ logits: x, labels } as Batch))(z);
    const expected = await runCompiled(whole, { logits, labels }, [3, 3]);
    expect(distance([...(await gradient.data())], expected.gradient)).toBeLessThan(1e-5);
    const numbers = await loss.read();
    for (const name of ["plain", "sharp", "chosen"] as const) {
      const own = evaluate(pipe(parts[name] as Loss<"logits", "already reduced">, ignoreIndex(-1)), { logits, labels });
      expect(numbers?.terms[name]).toBeCloseTo(own, 4);
    }
    tf.dispose([z, gradient]);
    loss.dispose();
  });
}

test("never read the device by themselves", () =>
  behindGlass(async () => {
    const loss = watchTerms(compile(whole));
    const z = tf.tensor2d(logits);
    const { dataSync } = tf.Tensor.prototype;
    tf.Tensor.prototype.dataSync = () => {
      throw new Error("the device was read");
    };
    try {
      tf.grad((x: tf.Tensor) => loss({ logits: x, labels: [0, 1, 2] } as Batch))(z).dispose();
    } finally {
      tf.Tensor.prototype.dataSync = dataSync;
    }
    z.dispose();
    loss.dispose();
  }));

test("without a name are called by their formula", () => {
  const loss = compile(pipe(crossEntropy, zLoss(0.5), add(pipe(crossEntropy, sum, named("all")))));
  expect(loss.plan.termNames).toEqual(["Σ_i nll(y) / N", "Σ_i 0.5 · logsumexp(z)^2 / N", "all"]);
});

test("a name is given to what has none yet; terms of one name are one", async () => {
  const data = pipe(crossEntropy, named("words"), zLoss(0.5), zLoss(0.25), named("z"), named("nothing is left"));
  expect(show(data)).toBe(
    "loss = words + z\nwords = Σ_i nll(y) / N\nz = Σ_i 0.5 · logsumexp(z)^2 / N + Σ_i 0.25 · logsumexp(z)^2 / N",
  );
  expect(explain(data)).toContain("term 2, z: weightedMean");
  const { terms } = compile(data).withTerms({ logits: tf.tensor2d([[0, 0]]), labels: [0] });
  expect((await terms["z"].data())[0]).toBeCloseTo(0.75 * Math.log(2) ** 2, 6);
  expect(show(pipe(crossEntropy, classWeights([1, 2]), named("words")))).toBe(
    "loss = words\nwords = Σ_i w(y) · nll(y) / Σ_i w(y)\nw(c) = f(c), with f = classWeights",
  );
});

test("names are compared, and change no number", () => {
  const [a, b] = [pipe(crossEntropy, named("a")), pipe(crossEntropy, named("b"))];
  expect(lossEq.equals(a, pipe(crossEntropy, named("a")))).toBe(true);
  expect(lossEq.equals(a, b)).toBe(false);
  expect(lossEq.equals(a, crossEntropy)).toBe(false);
  const batch = { logits: [[2, 1, 0.1]], labels: [0] };
  expect(evaluate(a, batch)).toBe(evaluate(crossEntropy, batch));
  // They go with their terms through whatever follows.
  const later = pipe(
    meanSquaredError,
    named("error"),
    scale(2),
    mean,
    add(pipe(cosineSimilarity, named("angle"), mean)),
  );
  expect(later.terms.map(({ name }) => name)).toEqual(["error", "angle"]);
});

test("of a loss without a term, and of a batch without a row", async () => {
  const run = async (loss: AnyLoss, batch: object): Promise<readonly number[]> => {
    const compiled = compile(loss);
    const z = tf.zeros([0, 3]);
    const at = (x: tf.Tensor): ReturnType<typeof compiled.withTerms> =>
      compiled.withTerms({ ...batch, logits: x } as unknown as Batches[Input] as never);
    const gradient = tf.grad((x: tf.Tensor) => at(x).value)(z, tf.ones(at(z).value.shape));
    expect(gradient.shape).toEqual([0, 3]);
    return [...(await at(z).value.data()), ...Object.values(at(z).terms).flatMap((term) => [...term.dataSync()])];
  };
  expect(await run(emptyLoss, { labels: [] })).toEqual([0]);
  expect(await run(crossEntropy, { labels: [] })).toEqual([0, 0]);
  expect(await run(pipe(crossEntropy, zLoss(1), perToken), { labels: [] })).toEqual([]);
});
