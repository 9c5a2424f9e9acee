/** Cases that once went wrong, or that go wrong in a straightforward implementation. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import {
  type AnyLoss,
  classWeights,
  clip,
  compile,
  crossEntropy,
  evaluate,
  evaluateGradient,
  freqWeights,
  fromCounts,
  LossError,
  labelSmoothing,
  language,
  linear,
  mean,
  normalise,
  override,
  parameter,
  perToken,
  pipe,
  powerLaw,
  ramp,
  scale,
  sum,
} from "lossmith";
import { backends, startBackend } from "../support/backends.ts";
import { runCompiled } from "../support/compiled.ts";
import { distance, expectClose, flat } from "../support/numbers.ts";

/** Numbers between −1 and 1, the same in every run. */
function noise(length: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length }, () => {
    state = (state * 48_271) % 2_147_483_647;
    return (2 * state) / 2_147_483_647 - 1;
  });
}

for (const backend of backends) {
  describe(`regressions, ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("a field of zeros under smoothing is 0, whatever the memory held before", async () => {
      const loss = pipe(crossEntropy, classWeights([0, 0, 0]), labelSmoothing(0.1), sum);
      for (let i = 0; i < 5; i++) {
        tf.fill([64], 3).dispose();
        const { value, gradient } = await runCompiled(
          loss,
          { logits: Array(64).fill([1, 2, 3]), labels: Array(64).fill(0) },
          [64, 3],
        );
        expect(value).toEqual([0]);
        expect(gradient.every((g) => g === 0)).toBe(true);
      }
      const warmUp = pipe(
        crossEntropy,
        classWeights([2, 1, 3]),
        clip(0, linear({ init: 0, end: 1, steps: 10 })),
        labelSmoothing(0.1),
      );
      expect((await runCompiled(warmUp, { logits: [[1, 2, 3]], labels: [0], step: 0 }, [1, 3])).value).toEqual([0]);
    });

    test("a batch without a row gives the layers below a gradient of 0", async () => {
      const loss = compile(crossEntropy);
      const kernel = tf.variable(tf.ones([40, 30]));
      tf.fill([40, 30], 5).dispose();
      const { value, grads } = tf.variableGrads(
        () => loss({ logits: tf.matMul(tf.zeros([0, 40]), kernel as tf.Tensor2D), labels: [] }),
        [kernel],
      );
      expect((await grads[kernel.name].data()).every((g) => g === 0)).toBe(true);
      tf.dispose([value, grads, kernel]);
    });

    test("a step that is refused leaves the loss as it was", async () => {
      const loss = compile(pipe(crossEntropy, classWeights([1, 2]), ramp(linear({ init: 0, end: 2, steps: 10 }))));
      const logits = tf.tensor2d([[1, 2]]);
      const at = (step: number): tf.Scalar => loss({ logits, labels: [0], step });
      const before = (await at(0).data())[0];
      expect(() => at(10)).toThrow(LossError);
      expect((await at(0).data())[0]).toBe(before);
      loss.dispose();
      logits.dispose();
    });

    test("sums over 262 144 classes and 50 000 rows keep their digits", async () => {
      const classes = 262_144;
      const logits = tf.tensor2d(
        noise(classes).map((x) => 8 * x),
        [1, classes],
      );
      const loss = compile(crossEntropy);
      const { value, grad } = tf.valueAndGrad((z: tf.Tensor) => loss({ logits: z, labels: [7] }))(logits);
      const exact = evaluate(crossEntropy, { logits: [[...(await logits.data())]], labels: [7] });
      expectClose([...(await value.data())], [exact], 1e-6);
      const total = [...(await grad.data())].reduce((a, g) => a + g, 0);
      expect(Math.abs(total)).toBeLessThan(2e-5);
      tf.dispose([logits, value, grad]);

      const rows = 50_000;
      const sampleWeight = new Float32Array(rows).fill(0.1);
      const small = tf.tensor2d(noise(2 * rows), [rows, 2]);
      const mean = loss({ logits: small, labels: new Int32Array(rows), sampleWeight });
      const values = flat(await small.array());
      let expected = 0;
      for (let row = 0; row < rows; row++)
        expected += Math.log1p(Math.exp(values[2 * row + 1] - values[2 * row])) / rows;
      expectClose([...(await mean.data())], [expected], 1e-5);
      tf.dispose([small, mean]);
    });

    test("a row of weight 0 is not looked at, even if it is NaN", async () => {
      const batch = {
        logits: [
          [Number.NaN, 0],
          [1, 2],
        ],
        labels: [0, 1],
        sampleWeight: [0, 1],
      };
      const { value, gradient } = await runCompiled(crossEntropy, batch, [2, 2]);
      expect(value[0]).toBeCloseTo(Math.log1p(Math.exp(-1)), 6);
      expect(gradient.slice(0, 2).map(Math.abs)).toEqual([0, 0]);
    });

    test("a schedule that is 0 at a step means the same as the number 0", async () => {
      const batch = { logits: [[1, 2, Number.NEGATIVE_INFINITY]], labels: [1], step: 0 };
      for (const loss of [
        pipe(crossEntropy, labelSmoothing(linear({ init: 0, end: 0.1, steps: 10 }))),
        pipe(crossEntropy, labelSmoothing(0)),
      ]) {
        const { value, gradient } = await runCompiled(loss, batch, [1, 3]);
        expect(value[0]).toBeCloseTo(Math.log1p(Math.exp(-1)), 6);
        expect(gradient.every(Number.isFinite)).toBe(true);
        expect(evaluate(loss, batch)).toBeCloseTo(Math.log1p(Math.exp(-1)), 12);
      }
      const off = pipe(crossEntropy, scale(linear({ init: 0, end: 1, steps: 10 })), sum);
      expect((await runCompiled(off, { ...batch, labels: [2] }, [1, 3])).value).toEqual([0]);
      expect(evaluate(off, { ...batch, labels: [2] })).toBe(0);
    });

    test("weights that float32 cannot hold are refused, small ones too", () => {
      const loss = compile(pipe(crossEntropy, freqWeights(fromCounts([1e9, 1e8, 1e9])), powerLaw(5.5)));
      const logits = tf.zeros([1, 3]);
      expect(() => loss({ logits, labels: [0] })).toThrow("float32 cannot hold");
      const plain = compile(crossEntropy);
      expect(() => plain({ logits, labels: [0], sampleWeight: [1e300] })).toThrow(LossError);
      logits.dispose();
    });

    test("sums over the classes of what is not u · nll take all of it", async () => {
      const {
        add,
        floor,
        lossOf,
        modulate,
        nll,
        overClasses,
        probability,
        select,
        step,
        stopGradient,
        subtract,
        weigh,
        constant,
      } = {
        ...language,
        floor: (x: language.ClassExpression) => language.unary("floor", x),
      };
      const twice = modulate("twice", (value) => add(value, stopGradient(value)));
      const losses: AnyLoss[] = [
        pipe(crossEntropy, twice, labelSmoothing(0.1), sum),
        pipe(crossEntropy, modulate("stopped", stopGradient), labelSmoothing(0.1), sum),
        pipe(lossOf(add(floor(nll), nll)), labelSmoothing(0.1), sum),
        pipe(lossOf(select(step, constant(3), nll, subtract(nll, constant(1)))), labelSmoothing(0.1), sum),
        pipe(lossOf(overClasses(weigh(probability, nll))), sum),
      ];
      const soft = [
        [0.2, 0.5, 0.3],
        [1, 0, 0],
      ];
      for (const loss of losses) {
        for (const labels of [[0, 2], soft]) {
          const batch = {
            logits: [
              [1, 2, 0],
              [0, 0.5, 3],
            ],
            labels,
            step: 5,
          };
          const { value, gradient } = await runCompiled(loss, batch, [2, 3]);
          expectClose(value, [evaluate(loss as typeof crossEntropy, batch)], 1e-6);
          expect(distance(gradient, flat(evaluateGradient(loss, batch)), 1e-3)).toBeLessThan(1e-5);
        }
      }
    });

    test("the entropy as a sum over classes is finite with a logit of -infinity, and so is its gradient", async () => {
      const { lossOf, nll, overClasses, probability, weigh } = language;
      const batch = { logits: [[0, 1, Number.NEGATIVE_INFINITY]], labels: [0] };
      const loss = pipe(lossOf(overClasses(weigh(probability, nll))), sum);
      expect(flat(evaluateGradient(loss, batch)).every(Number.isFinite)).toBe(true);
    });

    test("soft rows of weight 0: a gradient for their weight, none for their labels", async () => {
      const loss = compile(pipe(crossEntropy, sum));
      const logits = tf.tensor2d([
        [0, 0, 3],
        [1, 2, 0],
      ]);
      const labels = tf.tensor2d([
        [0, 1, 0],
        [0.5, 0.5, 0],
      ]);
      const weights = tf.tensor1d([0, 1]);
      const byWeight = tf.grad((w: tf.Tensor) => loss({ logits, labels, sampleWeight: w }))(weights);
      const expected = evaluate(pipe(crossEntropy, perToken), {
        logits: [
          [0, 0, 3],
          [1, 2, 0],
        ],
        labels: [
          [0, 1, 0],
          [0.5, 0.5, 0],
        ],
      });
      expectClose([...(await byWeight.data())], flat(expected), 1e-5);
      const infinite = tf.tensor2d([
        [0, 1, Number.NEGATIVE_INFINITY],
        [1, 2, 0],
      ]);
      const byLabels = tf.grad((q: tf.Tensor) => loss({ logits: infinite, labels: q, sampleWeight: weights }))(labels);
      expect([...(await byLabels.data())].slice(0, 3).map(Math.abs)).toEqual([0, 0, 0]);
      tf.dispose([logits, labels, weights, byWeight, infinite, byLabels]);
    });

    test("gradients of labels take parameters as they were in the forward pass", async () => {
      const loss = compile(pipe(crossEntropy, scale(parameter("s", 1)), sum));
      const s = loss.variables.get("s") as tf.Variable;
      const logits = tf.tensor2d([[1, 2, 0]]);
      const gradient = tf.grad((q: tf.Tensor) => {
        const value = loss({ logits, labels: q });
        s.assign(tf.scalar(5));
        return value;
      })(tf.tensor2d([[1, 0, 0]]));
      const nll = Math.log(Math.exp(1) + Math.exp(2) + 1) - 1;
      expect((await gradient.data())[0]).toBeCloseTo(nll, 5);
      tf.dispose([logits, gradient]);
    });

    test("parts inside a gradient for the sample weights, and denominators in any form", async () => {
      const loss = compile(crossEntropy);
      const logits = tf.tensor2d([
        [1, 2, 0],
        [0, 0, 3],
      ]);
      const gradient = tf.grad((w: tf.Tensor) => loss.combine(loss.parts({ logits, labels: [0, 1], sampleWeight: w })));
      expect((await gradient(tf.tensor1d([1, 2])).data()).every(Number.isFinite)).toBe(true);
      const given = async (denominators: unknown): Promise<number> =>
        (await loss({ logits, labels: [0, 1], denominators: denominators as number[] }).data())[0];
      expect(await given(tf.tensor1d([4], "int32"))).toBe(await given([4]));
      for (const bad of [2, null, [Number.NaN], [1, 2]])
        expect(() => loss({ logits, labels: [0, 1], denominators: bad as never })).toThrow(LossError);
      logits.dispose();
    });

    test("denominators of soft labels: a tensor, or with the logits; a float array alone is refused", async () => {
      const loss = compile(pipe(crossEntropy, mean));
      const labels = [
        [0, 1, 0],
        [1, 0, 0],
      ];
      expect([...(await loss.denominators({ labels: tf.tensor2d(labels) }).data())]).toEqual([2]);
      const withLogits = { labels, logits: tf.zeros([2, 3]) };
      expect([...(await loss.denominators(withLogits).data())]).toEqual([2]);
      expect(() => loss.denominators({ labels: new Float32Array(6) })).toThrow(LossError);
    });

    test("of two fields without weights the same one is told as in the reference", () => {
      const none = classWeights([0, 0], { counts: [1, 1] });
      const loss = pipe(crossEntropy, none, normalise("tokenMean"), none, normalise("typeMean"));
      const logits = [[1, 2]];
      for (const labels of [[0], [[0.5, 0.5]]]) {
        const told = 'normalise("typeMean") ∘ classWeights: the weight of id 0 is NaN';
        expect(() => evaluate(loss, { logits, labels })).toThrow(told);
        expect(() => tf.tidy(() => compile(loss)({ logits: tf.tensor2d(logits), labels }))).toThrow(told);
      }
    });

    test("a one-hot that was cast to float32, which cpu leaves in an array of integers", async () => {
      const logits = tf.tensor2d([1, 2, 3, 0, 1, 0], [2, 3]);
      const value = tf.tidy(() => {
        const labels = tf.oneHot(tf.tensor1d([0, 2], "int32"), 3).toFloat();
        return compile(crossEntropy)({ logits, labels });
      });
      const expected = evaluate(crossEntropy, { logits: logits.arraySync(), labels: [0, 2] });
      expect((await value.data())[0]).toBeCloseTo(expected, 5);
      tf.dispose([logits, value]);
    });

    test("a logit of +infinity makes its row NaN, in the reference too", async () => {
      const batch = { logits: [[Number.POSITIVE_INFINITY, 0]], labels: [0] };
      expect(evaluate(crossEntropy, batch)).toBeNaN();
      expect((await runCompiled(crossEntropy, batch, [1, 2])).value[0]).toBeNaN();
    });
  });
}

test("override of ten thousand entries is one law, named by its first", () => {
  const counts = fromCounts(new Float64Array(20_000).fill(2));
  const weights = Object.fromEntries(Array.from({ length: 10_000 }, (_, id) => [id, 3]));
  const { law } = override(weights);
  expect(law.name).toBe("override({ 0: 3, 1: 3, 2: 3, 3: 3, … 9996 more })");
  const loss = pipe(crossEntropy, freqWeights(counts), override(weights), sum);
  expect(evaluate(loss, { logits: [Array(20_000).fill(0)], labels: [9_999] })).toBeCloseTo(3 * Math.log(20_000), 9);
});
