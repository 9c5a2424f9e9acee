/** The linear form: value and gradients are those of the loss on the whole logits, of which only blocks ever exist. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  add,
  binaryCrossEntropy,
  type CompileLinearOptions,
  classWeights,
  compile,
  compileLinear,
  crossEntropy,
  distillation,
  entmax,
  explain,
  focal,
  fromProbabilities,
  ignoreIndex,
  type LinearBatch,
  LossError,
  labelSmoothing,
  language,
  mean,
  meanSquaredError,
  normalise,
  parameter,
  perToken,
  pipe,
  sum,
  temperature,
  zLoss,
} from "lossmith";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";
import { linearAgreement, linearCases } from "../support/linearCases.ts";
import { lossErrorOf } from "../support/lossErrorOf.ts";
import { multiplications } from "../support/multiplications.ts";
import { expectClose } from "../support/numbers.ts";
import { peakBytes } from "../support/peakBytes.ts";

const { batchMean, nll, divide } = language;

/** A loss divided by its own mean over the batch: rows share a number. */
const coupled = language.lossOf(divide(nll, batchMean(nll)));

for (const backend of [...backends, ...gpuBackends]) {
  describe(`the linear form, ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("agrees with the reference on random losses, shapes, blocks and layouts", async () => {
      await fc.assert(
        fc.asyncProperty(linearCases, async (one) => {
          const agreement = await linearAgreement(one);
          if ("refused" in agreement) return expect(agreement.compiled).toBe(agreement.refused);
          for (const error of Object.values(agreement)) expect(error).toBeLessThanOrEqual(2e-5);
        }),
        { numRuns: backend === "webgpu" ? 5 : 150, endOnFailure: true },
      );
    });
  });
}

const rows = 64;
const width = 8;
const classes = 5000;

interface Model {
  readonly hidden: tf.Tensor2D;
  readonly kernel: tf.Tensor2D;
  readonly labels: Int32Array;
}

function model(count = rows): Model {
  return {
    hidden: tf.randomNormal([count, width], 0, 1, "float32", 1),
    kernel: tf.randomNormal([width, classes], 0, 1, "float32", 2),
    labels: Int32Array.from({ length: count }, (_, row) => (row * 31) % classes),
  };
}

test("sparse labels that are arrays are checked where tensors are out of sight; as dense ones may be negative", async () => {
  await behindGlass(async () => {
    const loss = compileLinear(crossEntropy);
    const [hidden, kernel] = [tf.ones([1, 2]), tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3])];
    const lossOf = (labels: LinearBatch["labels"]): tf.Tensor => loss({ hidden, kernel, labels });
    const told = (ids: number[], probabilities: number[]): string =>
      lossErrorOf(() => lossOf({ ids: [ids], probabilities: [probabilities] }));
    expect(told([0, 3], [1, 0])).toContain("entry 1 of row 0 is 3");
    expect(told([0, 2], [1, Number.NaN])).toContain("labels.probabilities: entry 1 of row 0 is NaN");
    const [sparse, dense] = [lossOf({ ids: [[0, 2]], probabilities: [[1.5, -0.5]] }), lossOf([[1.5, 0, -0.5]])];
    expectClose([...(await sparse.data())], [...(await dense.data())], 1e-6);
    loss.dispose();
  });
});

for (const backend of backends) {
  describe(`what the linear form does, ${backend}`, () => {
    beforeAll(startBackend(backend));

    const options: CompileLinearOptions = { tileRows: 4 };

    function grads(
      data: Parameters<typeof compileLinear>[0],
      { hidden, kernel, labels }: Model,
      more: Partial<LinearBatch> = {},
    ): tf.Tensor[] {
      const loss = compileLinear(data, options);
      const gradients = tf.grads((h: tf.Tensor, k: tf.Tensor) => loss({ labels, ...more, hidden: h, kernel: k }).sum())(
        [hidden, kernel],
      );
      loss.dispose();
      return gradients;
    }

    test("three products a block where one sweep will do, four where rows share a number", () => {
      const { hidden, kernel, labels } = model();
      const blocks = rows / 4;
      const oneSweep = multiplications(() =>
        tf.dispose(grads(pipe(crossEntropy, zLoss(0.1)), { hidden, kernel, labels })),
      );
      expect(oneSweep.length).toBe(3 * blocks);
      const shared = multiplications(() => tf.dispose(grads(coupled, { hidden, kernel, labels })));
      expect(shared.length).toBe(4 * blocks);
      const perRow = multiplications(() => tf.dispose(grads(perToken(crossEntropy), { hidden, kernel, labels })));
      expect(perRow.length).toBe(4 * blocks);
      tf.dispose([hidden, kernel]);
    });

    test("one product a block without a tape, and none for what is frozen or not trainable", () => {
      const { hidden, kernel, labels } = model();
      const loss = compileLinear(crossEntropy, options);
      const blocks = rows / 4;
      expect(multiplications(() => loss({ hidden, kernel, labels }).dispose()).length).toBe(blocks);
      const ofHidden = (k: tf.Tensor2D, frozen: LinearBatch["frozen"]): number =>
        multiplications(() => {
          const batch = { kernel: k, labels, ...(frozen === undefined ? {} : { frozen }) };
          tf.grad((h: tf.Tensor) => loss({ ...batch, hidden: h }))(hidden).dispose();
        }).length;
      expect(ofHidden(kernel, ["kernel"])).toBe(2 * blocks);
      const fixed = tf.variable(kernel, false);
      expect(ofHidden(fixed as unknown as tf.Tensor2D, undefined)).toBe(2 * blocks);
      const ofKernel = multiplications(() => {
        tf.grad((k: tf.Tensor) => loss({ hidden, kernel: k, labels, frozen: ["hidden"] }))(kernel).dispose();
      });
      expect(ofKernel.length).toBe(2 * blocks);
      const states = tf.variable(hidden, false);
      const ofFixed = multiplications(() => {
        tf.grad((k: tf.Tensor) => loss({ hidden: states, kernel: k, labels }))(kernel).dispose();
      });
      expect(ofFixed.length).toBe(2 * blocks);
      tf.dispose([hidden, kernel, fixed, states]);
      loss.dispose();
    });

    test("rows that are ignored, masked or of weight 0 are in no product", () => {
      const { hidden, kernel, labels } = model();
      const work = (more: Partial<LinearBatch>): number =>
        multiplications(() => tf.dispose(grads(pipe(crossEntropy, ignoreIndex(-1)), { hidden, kernel, labels }, more)))
          .map(({ size }) => size)
          .reduce((total, size) => total + size, 0);
      const all = work({});
      expect(all).toBe(3 * rows * width * classes);
      expect(work({ labels: labels.map((y, row) => (row % 2 === 0 ? y : -1)) })).toBe(all / 2);
      expect(work({ mask: Uint8Array.from(labels, (_, row) => row % 2) })).toBe(all / 2);
      expect(work({ sampleWeight: Float32Array.from(labels, (_, row) => row % 2) })).toBe(all / 2);
      expect(work({ labels: labels.map(() => -1) })).toBe(0);
      tf.dispose([hidden, kernel]);
    });

    test("a weight that cannot be is told, whether or not a row is read", () => {
      const { hidden, kernel } = { hidden: tf.zeros([2, 2]), kernel: tf.zeros([2, 3]) };
      const none = { hidden: tf.zeros([0, 2]), kernel };
      const data = pipe(crossEntropy, classWeights([0, 0, 0]), normalise("max"));
      const loss = compileLinear(data);
      const ids = tf.zeros([0, 1], "int32");
      for (const batch of [
        { hidden, kernel, labels: [0, 1] },
        { hidden, kernel, labels: [0, 1], mask: [false, false] },
        { hidden, kernel, labels: [0, 1], mask: [false, false], denominators: [1] },
        { ...none, labels: [] },
        { ...none, labels: tf.zeros([0, 3]) },
        { ...none, labels: { ids, probabilities: tf.zeros([0, 1]) } },
      ])
        expect(lossErrorOf(() => loss(batch))).toContain("the weight of id 0 is NaN");
      tf.dispose([hidden, kernel, none.hidden, ids]);
    });

    test("of hundreds of blocks value and parameters keep their digits", () => {
      const [count, factor] = [512, 0.3];
      const linear = compileLinear(pipe(crossEntropy, temperature(parameter("t", 3))), { tileRows: 1 });
      const dense = compile(pipe(crossEntropy, temperature(parameter("t", 3))));
      const [hidden, kernel] = [tf.fill([count, 1], factor), tf.tensor2d([[0.1, 0.5, 1]])];
      const labels = new Int32Array(count);
      const logits = tf.matMul(hidden as tf.Tensor2D, kernel);
      const numbers = ({ value, grads: found }: ReturnType<typeof tf.variableGrads>): number[] =>
        [value, ...Object.values(found)].map((x) => x.dataSync()[0]);
      const frozen = ["hidden", "kernel"] as const;
      const parameters = [...linear.variables.values()];
      const apart = numbers(tf.variableGrads(() => linear({ hidden, kernel, labels, frozen }), parameters));
      const whole = numbers(tf.variableGrads(() => dense({ logits, labels }), [...dense.variables.values()]));
      apart.forEach((x, i) => {
        expect(Math.abs(x / whole[i] - 1)).toBeLessThan(1e-6);
      });
      for (const compiled of [linear, dense]) {
        tf.dispose([...compiled.variables.values()]);
        compiled.dispose();
      }
      tf.dispose([hidden, kernel, logits]);
    });

    test("with no row to read the value is 0, and so is every gradient", () => {
      const { hidden, kernel, labels } = model(6);
      for (const data of [pipe(crossEntropy, ignoreIndex(-1)), pipe(coupled, ignoreIndex(-1))]) {
        const gradients = grads(data, { hidden, kernel, labels: labels.map(() => -1) });
        expect(gradients.map(({ shape }) => shape)).toEqual([hidden.shape, kernel.shape]);
        for (const gradient of gradients) expect(gradient.abs().max().dataSync()[0]).toBe(0);
        tf.dispose(gradients);
      }
      tf.dispose([hidden, kernel]);
    });

    test("peak bytes beside the gradients do not grow with the rows", () => {
      const peakOf = (count: number): number => {
        const { hidden, kernel, labels } = model(count);
        // The first call makes what is made once.
        tf.dispose(grads(crossEntropy, { hidden, kernel, labels }));
        const peak = peakBytes(() => tf.dispose(grads(crossEntropy, { hidden, kernel, labels })));
        tf.dispose([hidden, kernel]);
        return peak - 4 * (width * classes + count * width);
      };
      const [few, many] = [16, 256].map(peakOf);
      const block = 4 * 4 * classes;
      // Two blocks, what an addition of ordinary ops may need, and vectors.
      expect(few).toBeGreaterThan(0);
      expect(many).toBeLessThan(2.2 * block + 4 * width * classes + 400 * 256);
      expect(many - few).toBeLessThan(400 * 256);
    });

    test("peak bytes are what explain says, also with ordinary ops over the vocabulary", () => {
      const [few, many] = [16, 1009];
      const given = {
        hidden: tf.randomNormal<tf.Rank.R2>([few, width], 0, 1, "float32", 1),
        kernel: tf.randomNormal<tf.Rank.R2>([width, many], 0, 1, "float32", 2),
        labels: Int32Array.from({ length: few }, (_, row) => row * 60),
      };
      const teacher = { hidden: given.hidden, kernel: given.kernel };
      const ofTeacher = pipe(crossEntropy, add(distillation({ temperature: 2 })));
      for (const [data, more] of [
        [crossEntropy, {}],
        [ofTeacher, { teacher }],
        [pipe(crossEntropy, temperature(parameter("t", 2))), {}],
        [pipe(crossEntropy, focal({ gamma: 2 }), labelSmoothing(0.1)), {}],
        [entmax({ alpha: 1.5 }), {}],
      ] as const) {
        const text = explain(data, { linear: { rows: few, width, classes: many, tileRows: 4 } });
        const blocks = Number(/, (\d+) blocks/.exec(text)?.[1]);
        tf.dispose(grads(data, given, more));
        const peak = peakBytes(() => tf.dispose(grads(data, given, more)));
        const beside = 4 * (width * many + few * width) + 8 * many + 1000;
        expect(peak).toBeLessThan(blocks * 4 * 4 * many + beside);
        expect(peak).toBeGreaterThan((blocks / 3) * 4 * 4 * many);
      }
      tf.dispose([given.hidden, given.kernel]);
    });

    test("a block is smaller where more of its size are held", () => {
      const sizes = { rows: 1024, width: 64, classes: 50257 };
      const smoothed = pipe(crossEntropy, focal({ gamma: 2 }), labelSmoothing(0.1));
      for (const data of [crossEntropy, smoothed, entmax({ alpha: 1.5 })]) {
        const text = explain(data, { linear: sizes });
        const peak = Number(/peak, beside inputs and their gradients: ([\d.]+) MB/.exec(text)?.[1]);
        expect(peak).toBeLessThan((0.1 * 4 * sizes.rows * sizes.classes + 4 * sizes.width * sizes.classes) / 1e6);
      }
    });

    test("micro-batches with the sum of their denominators add up to the whole batch", async () => {
      const { hidden, kernel, labels } = model();
      const loss = compileLinear(pipe(crossEntropy, ignoreIndex(0), zLoss(0.01)), options);
      const sampleWeight = Float32Array.from(labels, (_, row) => (row % 5) / 2);
      const whole = { hidden, kernel, labels, sampleWeight };
      const micro = [0, 1].map((i) => ({
        hidden: hidden.slice([i * 32, 0], [32, width]),
        kernel,
        labels: labels.subarray(i * 32, (i + 1) * 32),
        sampleWeight: sampleWeight.subarray(i * 32, (i + 1) * 32),
      }));
      const denominators = tf.addN(micro.map((batch) => loss.denominators(batch)));
      expectClose([...(await denominators.data())], [...(await loss.denominators(whole).data())], 1e-6);
      for (const { labels: own, sampleWeight: weights, hidden: states } of [...micro, whole]) {
        const counted = loss.denominators({ labels: own, sampleWeight: weights });
        expect([...counted.dataSync()]).toEqual([
          ...loss.denominators({ labels: own, sampleWeight: weights, hidden: states, kernel }).dataSync(),
        ]);
      }
      const ids = tf.zeros([2, 1], "int32");
      const sparse = { labels: { ids, probabilities: tf.ones([2, 1]) } };
      expect(lossErrorOf(() => loss.denominators(sparse as never))).toContain("Give { hidden, kernel } too");
      const teacher = { hidden, kernel };
      expect(lossErrorOf(() => loss.denominators({ labels, teacher } as never))).toContain(
        "teacher: a teacher that is",
      );
      expect(lossErrorOf(() => loss.denominators({} as never))).toContain("labels: got undefined");
      expect(lossErrorOf(() => loss.denominators({ hidden, labels } as never))).toContain("kernel: got undefined");
      expect(lossErrorOf(() => loss.denominators(null as never))).toContain("batch: got null");
      const gradient = (batch: LinearBatch, more = {}): tf.Tensor =>
        tf.grad((k: tf.Tensor) => loss({ ...batch, ...more, kernel: k }))(kernel);
      const added = tf.addN(micro.map((batch) => gradient(batch, { denominators })));
      const error = tf.norm(tf.sub(added, gradient(whole))).div(tf.norm(added));
      expect((await error.data())[0]).toBeLessThan(1e-6);
      const parts = micro.map((batch) => loss.parts(batch));
      const value = loss.combine({
        numerators: tf.addN(parts.map(({ numerators }) => numerators)),
        denominators: tf.addN(parts.map((part) => part.denominators)),
      });
      expectClose([...(await value.data())], [...(await loss(whole).data())], 1e-6);
      loss.dispose();
    });

    test("a trained temperature gets its gradient in both forms of the sweep", async () => {
      const { hidden, kernel, labels } = model(8);
      for (const make of [(): typeof crossEntropy => crossEntropy, () => coupled]) {
        const loss = compileLinear(pipe(make(), temperature(parameter("t", 2))), options);
        const [t] = loss.variables.values();
        const value = async (x: number): Promise<number> => {
          t.assign(tf.scalar(x));
          return (await loss({ hidden, kernel, labels }).data())[0];
        };
        const slope = ((await value(2.02)) - (await value(1.98))) / 0.04;
        t.assign(tf.scalar(2));
        const { grads: found } = tf.variableGrads(() => loss({ hidden, kernel, labels }) as tf.Scalar, [t]);
        expect(Math.abs((await found[t.name].data())[0] - slope)).toBeLessThan(2e-3 * Math.max(1, Math.abs(slope)));
        loss.dispose();
        t.dispose();
      }
    });

    test("bad input is told what would be right", () => {
      const hidden = tf.zeros([4, 3]);
      const kernel = tf.zeros([3, 7]);
      const labels = [0, 1, 2, 3];
      const loss = compileLinear(crossEntropy);
      const refused = (batch: object): string => {
        try {
          loss(batch as LinearBatch).dispose();
        } catch (error) {
          expect(error).toBeInstanceOf(LossError);
          return (error as Error).message;
        }
        throw new Error("it was taken");
      };
      expect(refused({ hidden, labels })).toContain("kernel: got undefined");
      expect(refused({ hidden: tf.zeros([4, 7]), kernel, labels })).toContain('{ kernelShape: "[V, D]" }');
      expect(refused({ hidden: tf.zeros([4, 2]), kernel, labels })).toContain(
        "2 entries and the kernel [3, 7] takes 3",
      );
      expect(refused({ hidden: tf.zeros([4, 3], "int32"), kernel, labels })).toContain("hidden: it has dtype int32");
      expect(refused({ hidden, kernel: tf.zeros([3, 7, 1]), labels })).toContain("kernel: it has shape [3, 7, 1]");
      expect(refused({ hidden, kernel: [kernel, tf.zeros([3, 6])], labels })).toContain("Split it along D");
      expect(refused({ hidden, kernel, bias: tf.zeros([3]), labels })).toContain(
        "bias: it has shape [3] beside 7 classes",
      );
      expect(refused({ hidden, kernel, labels: [0, 1, 7, 3] })).toContain("labels");
      expect(refused({ hidden, kernel, labels: [0, 1] })).toContain("labels");
      expect(refused({ hidden, kernel, labels, frozen: ["bias", "heads"] })).toContain("frozen");
      const ids = [[0], [1], [2], [9]];
      const probabilities = [[1], [1], [1], [1]];
      expect(refused({ hidden, kernel, labels: { ids, probabilities } })).toContain("entry 0 of row 3 is 9");
      expect(refused({ hidden, kernel, labels: { ids: [[0, 1]], probabilities } })).toContain("labels.ids");
      const distilled = compileLinear(distillation());
      for (const teacher of [null, 3, {}, { hidden }]) {
        const message = lossErrorOf(() => distilled({ hidden, kernel, labels, teacher: teacher as never }));
        expect(message).toMatch(/^teacher: /);
      }
      expect(lossErrorOf(() => loss.combine(undefined as never))).toContain("parts: got undefined");
      const three = { numerators: tf.ones([3]), denominators: tf.ones([3]) };
      expect(lossErrorOf(() => loss.combine(three as never))).toContain("numerators: they have shape [3]");
      const gone = tf.ones([1]);
      gone.dispose();
      expect(refused({ hidden, kernel, labels, denominators: gone })).toContain("denominators: the tensor is disposed");
      expect(() => compileLinear(undefined as never)).toThrow("compileLinear: got undefined in place of a loss");
      const inf = [[1], [Number.POSITIVE_INFINITY], [1], [1]];
      expect(refused({ hidden, kernel, labels: { ids: [[0], [1], [2], [3]], probabilities: inf } })).toContain(
        "labels.probabilities: entry 0 of row 1 is Infinity. Give finite probabilities",
      );
      expect(() => compileLinear(binaryCrossEntropy({ from: "logits" }) as never)).toThrow("Use compile");
      expect(() => compileLinear(fromProbabilities(crossEntropy))).toThrow("a linear layer gives logits");
      expect(() => compileLinear(crossEntropy, { tileRows: 0.5 })).toThrow("tileRows");
      expect(() => compileLinear(crossEntropy, { tileColumns: 0 })).toThrow("tileColumns");
      expect(() => compileLinear(crossEntropy, { kernelShape: "DV" as never })).toThrow("kernelShape");
      const second = (): tf.Tensor =>
        tf.grad((h: tf.Tensor) =>
          tf
            .grad((x: tf.Tensor) => loss({ hidden: x, kernel, labels }))(h)
            .sum(),
        )(hidden);
      expect(second).toThrow("gradient of the gradient");
    });

    test("explain says the blocks, and the bytes of both forms", () => {
      const text = explain(pipe(crossEntropy, mean), { linear: { rows: 1024, width: 256, classes: 50257 } });
      expect(text).toContain("26 blocks of at most 40 rows, [40, 50257] logits each");
      expect(text).toContain("one sweep");
      expect(text).toContain("peak, beside inputs and their gradients: 16.1 MB");
      expect(text).toContain("the dense form: 412 MB");
      expect(explain(perToken(crossEntropy), { linear: { rows: 8, width: 4, classes: 9, tileRows: 3 } })).toContain(
        "two sweeps",
      );
      expect(() => explain(sum(crossEntropy), { linear: { rows: 0, width: 1, classes: 1 } })).toThrow("rows");
      const sizes = { rows: 8, width: 4, classes: 9 };
      expect(() => explain(meanSquaredError, { linear: sizes })).toThrow("Use compile");
      expect(() => explain(fromProbabilities(crossEntropy), { linear: sizes })).toThrow("a linear layer gives logits");
      const weighted = pipe(crossEntropy, classWeights([1, 2]));
      expect(() => explain(weighted, { linear: sizes })).toThrow(
        "the field has 2 entries and the logits have 9 classes",
      );
    });
  });
}
