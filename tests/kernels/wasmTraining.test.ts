/** Small models train on wasm as on cpu: each kernel that their gradients need, and whole models, against cpu. */
import { afterAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import { useBackend } from "lossmith";
import { expectClose } from "../support/numbers.ts";

afterAll(async () => {
  await useBackend("cpu");
});

/** Numbers without ties, mostly negative in some windows. */
function numbers(shape: number[], seed: number): tf.Tensor {
  const size = shape.reduce((product, length) => product * length, 1);
  return tf.tensor(
    Array.from({ length: size }, (_, i) => 2 * Math.sin(1.7 * i + 3.1 * seed) - 0.7),
    shape,
  );
}

type Compute = (...inputs: tf.Tensor[]) => tf.Tensor;

/** The value of `compute` and its gradient for each input, weighed by numbers of all sizes. */
async function valueAndGradients(backend: "cpu" | "wasm", compute: Compute, shapes: number[][]): Promise<number[][]> {
  await useBackend(backend);
  const inputs = shapes.map((shape, i) => numbers(shape, i + 1));
  const value = tf.tidy(() => compute(...inputs));
  const weights = numbers(value.shape, 9);
  const gradients = tf.grads((...x: tf.Tensor[]) => tf.sum(tf.mul(compute(...x), weights)))(inputs);
  const results = await Promise.all([value, ...gradients].map(async (tensor) => [...(await tensor.data())]));
  tf.dispose([...inputs, value, weights, ...gradients]);
  return results;
}

async function expectSame(compute: Compute, shapes: number[][]): Promise<void> {
  const cpu = await valueAndGradients("cpu", compute, shapes);
  // Memory that held something else shows what a kernel leaves as it finds it.
  await useBackend("wasm");
  for (const { length } of cpu) tf.fill([length], 7).dispose();
  const wasm = await valueAndGradients("wasm", compute, shapes);
  for (const [i, actual] of wasm.entries()) expectClose(actual, cpu[i], 2e-5);
}

const image = (x: tf.Tensor): tf.Tensor4D => x as tf.Tensor4D;
const volume = (x: tf.Tensor): tf.Tensor5D => x as tf.Tensor5D;
const dimension = fc.integer({ min: 1, max: 3 });
const window = fc.record({
  images: dimension,
  height: fc.integer({ min: 3, max: 7 }),
  width: fc.integer({ min: 3, max: 7 }),
  channels: dimension,
  filter: fc.tuple(dimension, dimension),
  outputs: dimension,
  strides: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
  pad: fc.constantFrom("valid" as const, "same" as const),
});

describe("the gradients of", () => {
  test("convolutions, over shapes, strides and paddings", async () => {
    await fc.assert(
      fc.asyncProperty(window, async ({ images, height, width, channels, filter, outputs, strides, pad }) => {
        await expectSame(
          (x, w) => tf.conv2d(image(x), image(w), strides, pad),
          [
            [images, height, width, channels],
            [...filter, channels, outputs],
          ],
        );
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  test("depthwise convolutions", async () => {
    await fc.assert(
      fc.asyncProperty(window, async ({ images, height, width, channels, filter, outputs, strides, pad }) => {
        // The forward kernel takes one stride for both directions.
        const stride = strides[0];
        await expectSame(
          (x, w) => tf.depthwiseConv2d(image(x), image(w), stride, pad),
          [
            [images, height, width, channels],
            [...filter, channels, outputs],
          ],
        );
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  test("pools, also where all entries of a window are negative", async () => {
    await fc.assert(
      fc.asyncProperty(window, async ({ images, height, width, channels, filter, strides, pad }) => {
        const shape = [images, height, width, channels];
        await expectSame((x) => tf.maxPool(image(x), filter, strides, pad), [shape]);
        await expectSame((x) => tf.maxPool(image(tf.neg(tf.abs(x))), filter, strides, pad), [shape]);
        await expectSame((x) => tf.avgPool(image(x), filter, strides, pad), [shape]);
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  const cases: Readonly<Record<string, readonly [Compute, ...number[][]]>> = {
    "a convolution padded by hand": [(x, w) => tf.conv2d(image(x), image(w), 1, 2), [2, 5, 4, 3], [3, 3, 3, 2]],
    "a transposed convolution": [
      (x, w) => tf.conv2dTranspose(image(x), image(w), [2, 14, 12, 3], 2, "same"),
      [2, 7, 6, 4],
      [3, 3, 3, 4],
    ],
    "a convolution in one dimension": [
      (x, w) => tf.conv1d(x as tf.Tensor3D, w as tf.Tensor3D, 1, "same"),
      [2, 7, 3],
      [3, 3, 4],
    ],
    "a separable convolution": [
      (x, w, p) => tf.separableConv2d(image(x), image(w), image(p), 1, "same"),
      [2, 7, 6, 3],
      [3, 3, 3, 2],
      [1, 1, 6, 4],
    ],
    "a fused convolution": [
      (x, filter, bias) =>
        tf.fused.conv2d({
          ...{ x: image(x), filter: image(filter), strides: 1, pad: "same", bias, activation: "relu" },
        }),
      [1, 5, 5, 3],
      [3, 3, 3, 4],
      [4],
    ],
    "a convolution over volumes": [
      (x, w) => tf.conv3d(volume(x), volume(w), 1, "same"),
      [2, 4, 4, 4, 2],
      [2, 2, 2, 2, 3],
    ],
    "the largest of a volume's windows": [(x) => tf.maxPool3d(volume(x), 2, 2, "valid"), [2, 4, 4, 4, 3]],
    "the mean of a volume's windows": [(x) => tf.avgPool3d(volume(x), 2, 2, "valid"), [2, 4, 4, 4, 3]],
    "a dilation": [(x, w) => tf.dilation2d(image(x), w as tf.Tensor3D, 1, "same"), [2, 5, 5, 3], [3, 3, 3]],
    // cpu's is wrong for a second image.
    "a nearest neighbour": [(x) => tf.image.resizeNearestNeighbor(image(x), [6, 8]), [1, 3, 4, 2]],
    "batch normalisation": [
      (x, mean, variance, offset, scale) => {
        const vector = (tensor: tf.Tensor): tf.Tensor1D => tensor as tf.Tensor1D;
        return tf.batchNorm(x, vector(mean), vector(tf.add(tf.square(variance), 0.1)), vector(offset), vector(scale));
      },
      [2, 3, 4, 5],
      [5],
      [5],
      [5],
      [5],
    ],
    "layer normalisation": [
      (x) => {
        const { mean, variance } = tf.moments(x, -1, true);
        return tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-3)));
      },
      [4, 6],
    ],
    attention: [
      (q, k, v) => tf.matMul(tf.softmax(tf.div(tf.matMul(q, k, false, true), 2)), v),
      [2, 3, 5, 4],
      [2, 3, 5, 4],
      [2, 3, 5, 4],
    ],
    "attention by einsum": [
      (q, k, v) => tf.einsum("bhij,bjhd->bihd", tf.softmax(tf.div(tf.einsum("bihd,bjhd->bhij", q, k), 2)), v),
      [2, 5, 3, 4],
      [2, 5, 3, 4],
      [2, 5, 3, 4],
    ],
    "a sum over what one tensor alone has": [(x, y) => tf.einsum("ijl,jk->ki", x, y), [2, 3, 2], [3, 4]],
    "an einsum of one tensor": [(x) => tf.einsum("ijk->ki", x), [2, 3, 4]],
    "an einsum to a number": [(x, y) => tf.einsum("ij,ij->", x, y), [2, 3], [2, 3]],
    "a stride above the width of the filter": [
      (x, w) => tf.conv2d(image(x), image(w), 2, "same"),
      [2, 5, 4, 3],
      [2, 1, 3, 2],
    ],
    "a matrix that is multiplied in two shapes": [
      (x, y) => {
        const row = tf.matMul(tf.reshape(y, [1, 4]), tf.ones([4, 1]));
        const outer = tf.matMul(tf.reshape(x, [4, 1]), tf.reshape(y, [1, 4]));
        return tf.mul(row, tf.add(tf.matMul(outer, tf.reshape(y, [4, 1])), tf.matMul(x as tf.Tensor2D, y).sum()));
      },
      [2, 2],
      [2, 2],
    ],
    "an outer product": [(x, y) => tf.einsum("i,j->ji", x, y), [3], [4]],
    "entries that are gathered": [(x) => tf.gatherND(x, tf.tensor2d([0, 1, 1, 2, 0, 1], [3, 2], "int32")), [2, 3]],
    "an embedding": [(table) => tf.gather(table, tf.tensor2d([0, 2, 1, 2], [2, 2], "int32")), [4, 3]],
    "entries that are gathered in a batch": [
      (x) => tf.gather(x, tf.tensor2d([2, 0, 1, 1], [2, 2], "int32"), 1, 1),
      [2, 3, 4],
    ],
    "a dropout": [(x) => tf.dropout(x, 0.5, undefined, 3), [5, 4]],
    "a choice": [(x, y) => tf.where(tf.tensor1d([true, false, true], "bool"), x, y), [3], [3]],
  };
  for (const [name, [compute, ...shapes]] of Object.entries(cases)) {
    test(name, () => expectSame(compute, shapes));
  }

  for (const activation of ["linear", "relu", "relu6", "elu", "sigmoid", "leakyrelu"] as const) {
    test(`several products at once with a bias, then ${activation}`, () =>
      expectSame(
        (a, b, bias) =>
          tf.fused.matMul({ a: a as tf.Tensor3D, b: b as tf.Tensor3D, bias, activation, leakyreluAlpha: 0.2 }),
        [[2, 3, 4], [2, 4, 5], [5]],
      ));
  }

  test("einsum and gatherND are those of matMul and gather", async () => {
    for (const backend of ["cpu", "wasm"] as const) {
      const compare = async (one: Compute, other: Compute, shapes: number[][]): Promise<void> => {
        const expected = await valueAndGradients(backend, other, shapes);
        const actual = await valueAndGradients(backend, one, shapes);
        for (const [i, numbers] of actual.entries()) expectClose(numbers, expected[i], 1e-5);
      };
      const [left, right] = [
        [2, 3, 4],
        [2, 4, 5],
      ];
      await compare(
        (x, y) => tf.einsum("bij,bjk->bik", x, y),
        (x, y) => tf.matMul(x, y),
        [left, right],
      );
      await compare(
        (x, y) => tf.einsum("ij,ij->i", x, y),
        (x, y) => tf.sum(tf.mul(x, y), 1),
        [
          [3, 4],
          [3, 4],
        ],
      );
      const rows = tf.tensor1d([2, 0, 2], "int32");
      await compare(
        (x) => tf.gatherND(x, tf.reshape(rows, [3, 1])),
        (x) => tf.gather(x, rows),
        [[3, 4]],
      );
    }
  });
});

test("tensors of integers and booleans are computed with as on cpu", async () => {
  const types = ["int32", "bool"] as const;
  const of = (type: (typeof types)[number], shape: number[] = [3, 4]): tf.Tensor =>
    tf.tensor(
      Array.from({ length: shape.reduce((product, length) => product * length, 1) }, (_, i) =>
        type === "bool" ? Number(i % 3 === 0) : ((i * 7) % 11) - 4,
      ),
      shape,
      type,
    );
  const unary = [
    ...(["abs", "exp", "expm1", "isNaN", "log1p", "neg", "reciprocal", "relu", "relu6", "reverse"] as const),
    ...(["round", "selu", "sign", "softplus", "square", "step"] as const),
  ];
  const computes: Readonly<Record<string, (x: tf.Tensor) => tf.Tensor>> = {
    ...Object.fromEntries(unary.map((name) => [name, (x: tf.Tensor) => x[name]()])),
    leakyRelu: (x) => tf.leakyRelu(x, 0.2),
    clipByValue: (x) => tf.clipByValue(x, -2, 2),
    prelu: (x) => tf.prelu(x, x),
    atan2: (x) => tf.atan2(x, x),
    where: (x) => tf.where(of("bool"), x, tf.reverse(x, 1)),
    stridedSlice: (x) => tf.stridedSlice(x, [0, 0], [3, 4], [2, 2]),
    floorDiv: (x) => tf.floorDiv(x, tf.scalar(3, "int32")),
    mod: (x) => tf.mod(x, tf.scalar(3, "int32")),
    "values of topk": (x) => tf.topk(x, 2).values,
    "indices of topk": (x) => tf.topk(x, 2).indices,
    "cast to a boolean": (x) => tf.cast(tf.mul(x, tf.scalar(256, "int32")), "bool"),
    "gather in two batch dimensions, beyond another": (x) =>
      tf.gather(tf.reshape(x, [1, 2, 2, 3]), tf.tensor3d([2, 0, 1, 1], [1, 2, 2], "int32"), 3, 2),
    "gather in a batch": (x) => tf.gather(x, tf.tensor2d([2, 0, 3, 1, 1, 1], [3, 2], "int32"), 1, 1),
  };
  const resultsOn = async (backend: "cpu" | "wasm"): Promise<Readonly<Record<string, unknown>>> => {
    await useBackend(backend);
    const results: Record<string, unknown> = {};
    for (const [name, compute] of Object.entries(computes)) {
      for (const type of types) {
        const tensor = tf.tidy(() => compute(of(type)));
        const values = [...(await tensor.data())].map((x) => Number(Number(x).toPrecision(5)));
        results[`${name} of ${type}`] = [tensor.dtype, tensor.shape, values];
        tensor.dispose();
      }
    }
    return results;
  };
  const cpu = await resultsOn("cpu");
  expect(await resultsOn("wasm")).toEqual(cpu);
});

test("an index outside of a batch is an error", async () => {
  await useBackend("wasm");
  const x = tf.ones([2, 3]);
  const held = tf.engine().backend.numDataIds();
  const indices = tf.tensor2d([0, 3], [2, 1], "int32");
  expect(() => tf.gather(x, indices, 1, 1)).toThrow("the index value 3 is not in [0, 2]");
  expect(tf.engine().backend.numDataIds()).toBe(held + 1);
  tf.dispose([x, indices]);
});

test("the kernels leave no memory behind", async () => {
  await useBackend("wasm");
  const computes: readonly [Compute, ...number[][]][] = [
    [(x, w) => tf.conv2d(image(x), image(w), 1, "same"), [2, 5, 5, 2], [3, 3, 2, 3]],
    [(x, w) => tf.depthwiseConv2d(image(x), image(w), 1, "same"), [2, 5, 5, 2], [3, 3, 2, 3]],
    [(x) => tf.maxPool(image(x), 2, 2, "valid"), [2, 5, 5, 2]],
    [(x, y) => tf.einsum("ijl,jk->ki", x, y), [2, 3, 2], [3, 4]],
    [(x) => tf.maxPool3d(volume(x), 2, 2, "valid"), [1, 4, 4, 4, 2]],
    [(x) => tf.dilation2d(image(x), tf.ones([2, 2, 2]), 1, "same"), [2, 3, 4, 2]],
    [
      (a, b, bias) => tf.fused.matMul({ a: a as tf.Tensor3D, b: b as tf.Tensor3D, bias, activation: "relu" }),
      [2, 3, 4],
      [2, 4, 5],
      [5],
    ],
    [(x) => tf.mul(x, tf.neg(tf.cast(tf.cast(x, "int32"), "bool"))), [2, 3]],
    [(x) => tf.mul(x, tf.topk(tf.ones([2, 3], "bool"), 3).values), [2, 3]],
  ];
  for (const [compute, ...shapes] of computes) {
    const inputs = shapes.map((shape, i) => numbers(shape, i));
    const step = (): void => tf.dispose(tf.tidy(() => tf.grads((...x: tf.Tensor[]) => tf.sum(compute(...x)))(inputs)));
    step();
    const held = [tf.engine().backend.numDataIds(), tf.findBackend("cpu").numDataIds(), tf.memory().numBytes];
    step();
    expect([tf.engine().backend.numDataIds(), tf.findBackend("cpu").numDataIds(), tf.memory().numBytes]).toEqual(held);
    tf.dispose(inputs);
  }
});

test("a convolution's patches are worked on in blocks", async () => {
  // 4 · 64 · 64 · 9 · 64 numbers are more than one block has.
  const shapes = [
    [4, 64, 64, 64],
    [3, 3, 64, 2],
  ];
  await useBackend("wasm");
  const [x, w] = shapes.map((shape, i) => numbers(shape, i + 1));
  const gradient = (some: tf.Tensor): tf.Tensor =>
    tf.grad((filter: tf.Tensor) => tf.sum(tf.square(tf.conv2d(image(some), image(filter), 1, "same"))))(w);
  const whole = await gradient(x).data();
  const parts = tf.addN([0, 1, 2, 3].map((i) => gradient(tf.slice(x, [i], [1]))));
  expectClose([...whole], [...(await parts.data())], 1e-4);
  tf.disposeVariables();
});

/** A model with weights that a formula gives, and a batch for it. */
interface Trainable {
  readonly model: () => tf.LayersModel;
  readonly input: number[];
  /** What tokens are below; numbers if it is missing. */
  readonly vocabulary?: number;
}

const sequential =
  (...layers: readonly (() => tf.layers.Layer)[]): (() => tf.LayersModel) =>
  () =>
    tf.sequential({ layers: layers.map((layer) => layer()) });
const head = (): tf.layers.Layer => tf.layers.dense({ units: 3 });

describe("a training step of", () => {
  const models: Readonly<Record<string, Trainable>> = {
    "embedding and LSTM": {
      model: sequential(
        () => tf.layers.embedding({ inputDim: 7, outputDim: 4, inputLength: 5 }),
        () => tf.layers.lstm({ units: 4 }),
        head,
      ),
      input: [3, 5],
      vocabulary: 7,
    },
    "embedding and GRU": {
      model: sequential(
        () => tf.layers.embedding({ inputDim: 7, outputDim: 4, inputLength: 5 }),
        () => tf.layers.gru({ units: 4, returnSequences: true }),
        () => tf.layers.globalAveragePooling1d({}),
        head,
      ),
      input: [3, 5],
      vocabulary: 7,
    },
    "a bidirectional network": {
      model: sequential(
        () =>
          tf.layers.bidirectional({
            layer: tf.layers.simpleRNN({ units: 3 }),
            inputShape: [5, 2],
            mergeMode: "concat",
          }),
        head,
      ),
      input: [3, 5, 2],
    },
    "convolutions, pools, batch normalisation and dropout": {
      model: sequential(
        () => tf.layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [8, 8, 2], activation: "relu" }),
        () => tf.layers.batchNormalization(),
        () => tf.layers.maxPooling2d({ poolSize: 2 }),
        () => tf.layers.conv2d({ filters: 3, kernelSize: 2, padding: "same", strides: 2 }),
        () => tf.layers.averagePooling2d({ poolSize: 2, strides: 1 }),
        () => tf.layers.flatten(),
        () => tf.layers.dropout({ rate: 0.4, seed: 7 }),
        head,
      ),
      input: [3, 8, 8, 2],
    },
    "depthwise, separable and transposed convolutions": {
      model: sequential(
        () => tf.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2, inputShape: [6, 6, 2] }),
        () => tf.layers.separableConv2d({ filters: 4, kernelSize: 2, activation: "tanh" }),
        () => tf.layers.conv2dTranspose({ filters: 2, kernelSize: 2, strides: 2 }),
        () => tf.layers.globalMaxPooling2d({}),
        head,
      ),
      input: [3, 6, 6, 2],
    },
    "layer normalisation and a convolution over time": {
      model: sequential(
        () => tf.layers.conv1d({ filters: 4, kernelSize: 3, padding: "same", inputShape: [6, 3] }),
        () => tf.layers.layerNormalization(),
        () => tf.layers.maxPooling1d({ poolSize: 2 }),
        () => tf.layers.flatten(),
        head,
      ),
      input: [3, 6, 3],
    },
    "an LSTM over images": {
      model: sequential(
        () => tf.layers.convLstm2d({ filters: 2, kernelSize: 2, inputShape: [3, 5, 5, 2] }) as tf.layers.Layer,
        () => tf.layers.flatten(),
        head,
      ),
      input: [2, 3, 5, 5, 2],
    },
  };

  async function step(backend: "cpu" | "wasm", { model: make, input, vocabulary }: Trainable): Promise<number[][]> {
    await useBackend(backend);
    const model = make();
    model.setWeights(
      model
        .getWeights()
        .map((weight, i) => tf.mul(tf.add(numbers(weight.shape, i), 0.7), weight.rank === 1 ? 0.1 : 0.3)),
    );
    const size = input.reduce((product, length) => product * length, 1);
    const batch =
      vocabulary === undefined
        ? numbers(input, 20)
        : tf.tensor(
            Array.from({ length: size }, (_, i) => (5 * i + 2) % vocabulary),
            input,
          );
    const labels = tf.oneHot(
      Array.from({ length: input[0] }, (_, i) => i % 3),
      3,
    );
    const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
    const { value, grads } = tf.variableGrads(
      () => tf.losses.softmaxCrossEntropy(labels, model.apply(batch, { training: true }) as tf.Tensor).asScalar(),
      variables,
    );
    const results = [value, ...variables.map(({ name }) => grads[name])];
    const data = await Promise.all(results.map(async (tensor) => [...(await tensor.data())]));
    model.dispose();
    tf.dispose([batch, labels, value, grads]);
    return data;
  }

  for (const [name, trainable] of Object.entries(models)) {
    test(name, async () => {
      const cpu = await step("cpu", trainable);
      const wasm = await step("wasm", trainable);
      expect(wasm.length).toBe(cpu.length);
      for (const [i, actual] of wasm.entries()) expectClose(actual, cpu[i], 1e-4);
      expect(cpu.every((values) => values.some((x) => x !== 0))).toBe(true);
    });
  }
});
