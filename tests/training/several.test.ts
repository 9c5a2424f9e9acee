/** Weights of several losses that are trained, or follow the losses, in a loop of training. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { compile, crossEntropy, LossError, meanSquaredError } from "lossmith";
import { dynamicWeightAverage, gradNorm, uncertaintyWeighting } from "lossmith/training";
import { backends, behindGlass, gpuBackends, startBackend } from "../support/backends.ts";
import { distance } from "../support/numbers.ts";
import { askTorch, hasTorch, type SeveralTorchCase } from "../support/torch.ts";

const names = ["first", "second", "third"] as const;
const problem = {
  x: [
    [1, -0.5],
    [0.3, 2],
    [-1, 0.7],
  ],
  shared: [
    [0.2, -0.4],
    [0.5, 0.1],
  ],
  targets: [
    [
      [1, 0],
      [0, 2],
      [0.5, -1],
    ],
    [
      [-3, 1],
      [2, 2],
      [0, 1],
    ],
    [
      [0, 0],
      [0, 1],
      [1, 0],
    ],
  ],
  scales: [1, 0.1, 20],
};

/** The tasks of the problem as compiled losses over weights that they share. */
function tasksOf(shared: tf.Variable): Readonly<Record<(typeof names)[number], () => tf.Scalar>> {
  const loss = compile(meanSquaredError);
  const x = tf.tensor2d(problem.x);
  const task = (i: number) => (): tf.Scalar =>
    tf.mul(loss({ predictions: tf.matMul(x, shared as tf.Tensor2D), targets: problem.targets[i] }), problem.scales[i]);
  return { first: task(0), second: task(1), third: task(2) };
}

const sharedWeights = (): tf.Variable => tf.tidy(() => tf.variable(tf.tensor2d(problem.shared)));

type Answer = { readonly value: readonly number[]; readonly gradient: readonly number[] };

async function runGradNorm({ steps, rate, weightRate, alpha }: SeveralTorchCase): Promise<Answer> {
  const shared = sharedWeights();
  const tasks = tasksOf(shared);
  const balance = gradNorm(names, { shared: [shared], alpha: alpha ?? 0, optimizer: tf.train.sgd(weightRate) });
  const optimizer = tf.train.sgd(rate);
  const path: number[] = [];
  for (let i = 0; i < steps; i++) {
    balance.step(optimizer, tasks);
    path.push(...Object.values(await balance.weights()));
  }
  const result = { value: path, gradient: [...(await shared.data())] };
  balance.dispose();
  shared.dispose();
  return result;
}

async function runUncertainty({ steps, rate, init }: SeveralTorchCase): Promise<Answer> {
  const shared = sharedWeights();
  const tasks = tasksOf(shared);
  const weighting = uncertaintyWeighting({ first: { init }, second: { init }, third: { init } } as Record<
    string,
    object
  >);
  const optimizer = tf.train.sgd(rate);
  const path: number[] = [];
  for (let i = 0; i < steps; i++) {
    optimizer.minimize(() => weighting.combine({ first: tasks.first(), second: tasks.second(), third: tasks.third() }));
    path.push(...Object.values(await weighting.state()));
  }
  const result = { value: path, gradient: [...(await shared.data())] };
  weighting.dispose();
  shared.dispose();
  return result;
}

const runs: readonly (readonly [SeveralTorchCase, typeof runGradNorm])[] = [
  ...[0, 0.5, 1.5].map((alpha) => {
    const of = { several: "grad norm", ...problem, steps: 12, rate: 0.01, weightRate: 0.005, alpha } as const;
    return [of, runGradNorm] as const;
  }),
  ...[0, -1].map((init) => {
    const of = { several: "uncertainty", ...problem, steps: 12, rate: 0.02, weightRate: 0.02, init } as const;
    return [of, runUncertainty] as const;
  }),
];

(hasTorch() ? test : test.skip)(
  "twelve steps agree with PyTorch's, whose autograd goes through the norms",
  async () => {
    const answers = askTorch(runs.map(([of]) => of));
    for (const backend of [...backends, ...gpuBackends]) {
      await startBackend(backend)();
      for (const [i, [of, run]] of runs.entries()) {
        const { value, gradient } = await run(of);
        expect(distance(value, answers[i].value)).toBeLessThan(2e-5);
        expect(distance(gradient, answers[i].gradient)).toBeLessThan(2e-5);
      }
    }
  },
);

for (const backend of backends) {
  describe(`a loop on ${backend}`, () => {
    beforeAll(startBackend(backend));

    test("leaves no tensor behind", async () => {
      const shared = sharedWeights();
      const tasks = tasksOf(shared);
      const before = tf.memory().numTensors;
      const balance = gradNorm(names, { shared: [shared] });
      const weighting = uncertaintyWeighting(names);
      const average = dynamicWeightAverage(names);
      const optimizer = tf.train.sgd(1e-4);
      const step = async (i: number): Promise<void> => {
        balance.step(optimizer, tasks);
        tf.dispose(balance.step(optimizer, tasks, { returnLosses: true }) as tf.NamedTensorMap);
        optimizer.minimize(() => {
          const losses = { first: tasks.first(), second: tasks.second(), third: tasks.third() };
          average.record(losses);
          return tf.addN([average.combine(losses), weighting.combine(losses), balance.combine(losses)]);
        });
        if (i % 3 === 2) await average.endEpoch();
      };
      for (let i = 0; i < 6; i++) await step(i);
      const early = tf.memory().numTensors;
      for (let i = 0; i < 30; i++) await step(i);
      expect(tf.memory().numTensors).toBe(early);
      await step(0);
      for (const own of [balance, weighting, average]) {
        own.dispose();
        own.dispose();
      }
      optimizer.dispose();
      expect(tf.memory().numTensors).toBe(before);
      shared.dispose();
    });

    test("GradNorm knows the weights of layers, and tasks with variables of their own", async () => {
      const trunk = tf.layers.dense({ units: 3, inputShape: [2] });
      const heads = [0, 1].map(() => tf.layers.dense({ units: 2 }));
      const inputs = tf.input({ shape: [2] });
      const model = tf.model({
        inputs,
        outputs: heads.map((head) => head.apply(trunk.apply(inputs)) as tf.SymbolicTensor),
      });
      const x = tf.tensor2d(problem.x);
      const [labels, values] = [compile(crossEntropy), compile(meanSquaredError)];
      const output = (i: number): tf.Tensor => (model.apply(x) as tf.Tensor[])[i];
      const balance = gradNorm(["labels", "values"], { shared: trunk.trainableWeights });
      const optimizer = tf.train.adam(0.05);
      const tasks = {
        labels: () => labels({ logits: output(0), labels: [0, 1, 1] }),
        values: () => values({ predictions: output(1), targets: problem.targets[0] }),
      };
      const total = (): number => tf.tidy(() => tf.add(tasks.labels(), tasks.values()).dataSync()[0]);
      const before = total();
      for (let i = 0; i < 20; i++) balance.step(optimizer, tasks);
      expect(total()).toBeLessThan(before);
      const { labels: a, values: b } = await balance.weights();
      expect(a + b).toBeCloseTo(2, 5);
      expect(a).not.toBe(1);
      balance.dispose();
    });

    test("GradNorm goes on from its state, with a step's variables alone, and never by a negative weight", async () => {
      const run = async (stop: number | null): Promise<readonly number[]> => {
        const shared = sharedWeights();
        const other = tf.variable(tf.scalar(1));
        const tasks = tasksOf(shared);
        const make = () => gradNorm(names, { shared: [shared], optimizer: tf.train.sgd(0.01) });
        let balance = make();
        const optimizer = tf.train.sgd(0.001);
        for (let i = 0; i < 6; i++) {
          if (i === stop) {
            const state = JSON.parse(JSON.stringify(await balance.state()));
            balance.dispose();
            balance = make();
            balance.restore(state);
          }
          balance.step(optimizer, { ...tasks, first: () => tf.mul(tasks.first(), other) }, { variables: [shared] });
        }
        expect((await other.data())[0]).toBe(1);
        return [...Object.values(await balance.weights()), ...(await shared.data())];
      };
      expect(distance(await run(3), await run(null))).toBeLessThan(1e-6);

      const shared = sharedWeights();
      const rough = gradNorm(names, { shared: [shared], optimizer: tf.train.sgd(100) });
      for (let i = 0; i < 4; i++) rough.step(tf.train.sgd(1e-4), tasksOf(shared));
      const weights = Object.values(await rough.weights());
      expect(weights.every((w) => w > 0)).toBe(true);
      expect(weights.reduce((a, b) => a + b)).toBeCloseTo(3, 4);
    });
  });
}

describe("dynamic weight averaging", () => {
  beforeAll(startBackend("cpu"));

  test("is K softmax(r / T) of the ratios of the epochs' means, and 1 in the first two epochs", async () => {
    const average = dynamicWeightAverage(["a", "b"], { temperature: 0.5 });
    expect(average.weights).toEqual({ a: 1, b: 1 });
    average.record({ a: 4, b: tf.scalar(1) });
    // A step without b: the mean is one of the steps that have it.
    average.record({ a: 2 });
    expect(await average.endEpoch()).toEqual({ a: 1, b: 1 });
    average.record({ a: 1, b: 0.9 });
    await average.endEpoch();
    const [x, y] = [Math.exp(1 / 3 / 0.5), Math.exp(0.9 / 0.5)];
    expect(average.weights.a).toBeCloseTo((2 * x) / (x + y), 6);
    expect(average.weights.b).toBeCloseTo((2 * y) / (x + y), 6);
    expect(average.combine({ a: tf.scalar(2), b: tf.scalar(3) }).dataSync()[0]).toBeCloseTo(
      2 * average.weights.a + 3 * average.weights.b,
      5,
    );
    const again = dynamicWeightAverage(["a", "b"], { temperature: 0.5 });
    again.restore(JSON.parse(JSON.stringify(average.state())));
    expect(again.weights).toEqual(average.weights);
  });

  test("refuses what has no ratio", async () => {
    const average = dynamicWeightAverage(["a", "b"]);
    await expect(average.endEpoch()).rejects.toThrow('"a" was recorded');
    average.record({ a: 1 });
    await expect(average.endEpoch()).rejects.toThrow('"b" was recorded');
    average.record({ b: 0 });
    await expect(average.endEpoch()).rejects.toThrow('the mean loss of "b" is 0');
  });
});

test("nothing waits for the device in a step", () =>
  behindGlass(async () => {
    const shared = sharedWeights();
    const tasks = tasksOf(shared);
    const [balance, average] = [gradNorm(names, { shared: [shared] }), dynamicWeightAverage(names)];
    const optimizer = tf.train.sgd(1e-3);
    const { dataSync } = tf.Tensor.prototype;
    tf.Tensor.prototype.dataSync = () => {
      throw new Error("the device was read");
    };
    try {
      balance.step(optimizer, tasks);
      balance.step(optimizer, tasks);
      tf.tidy(() => average.record({ first: tasks.first() }));
    } finally {
      tf.Tensor.prototype.dataSync = dataSync;
    }
    expect(Object.values(await balance.weights()).every(Number.isFinite)).toBe(true);
    average.dispose();
    balance.dispose();
  }));

describe("wrong input", () => {
  beforeAll(startBackend("cpu"));
  const anything = (x: unknown): never => x as never;
  const shared = [{ name: "kernel" }];
  const v = (): tf.Variable => tf.tidy(() => tf.variable(tf.scalar(2)));
  const wrong: readonly (readonly [string, () => unknown, ...string[]])[] = [
    ["no tasks", () => uncertaintyWeighting([]), "uncertaintyWeighting(tasks)", "[]"],
    ["tasks of nothing", () => uncertaintyWeighting(anything(undefined)), "uncertaintyWeighting(tasks)"],
    ["a task twice", () => dynamicWeightAverage(["a", "a"]), "dynamicWeightAverage(tasks)", '"a" is there twice'],
    ["a task without a name", () => gradNorm([""], { shared }), "gradNorm(tasks)", "task 0"],
    ["no form", () => uncertaintyWeighting({ a: { form: anything("l2") } }), '"a": form', "l2"],
    ["no log variance", () => uncertaintyWeighting({ a: { init: Number.NaN } }), '"a": init', "NaN"],
    ["an unknown task", () => uncertaintyWeighting(["a"]).combine(anything({ b: tf.scalar(1) })), '"b"', '"a"'],
    ["no losses", () => dynamicWeightAverage(["a"]).combine({}), "combine(losses)", 'nothing for "a"'],
    ["a tensor for all", () => dynamicWeightAverage(["a"]).combine(anything(tf.scalar(1))), "combine(losses)", '"a"'],
    ["a loss per token", () => uncertaintyWeighting(["a"]).combine({ a: tf.ones([3]) }), '"a" has shape [3]'],
    ["a number", () => uncertaintyWeighting(["a"]).combine(anything({ a: 1 })), '"a" is 1', "compiled loss"],
    ["NaN recorded", () => dynamicWeightAverage(["a"]).record({ a: Number.NaN }), "record(losses)", "NaN"],
    ["temperature 0", () => dynamicWeightAverage(["a"], { temperature: 0 }), "temperature", "got 0"],
    ["a state of another", () => dynamicWeightAverage(["a"]).restore(anything({})), "restore(state)", "{}"],
    ["a state of other tasks", () => uncertaintyWeighting(["a"]).restore(anything({ b: 1 })), "restore(state)", '"b"'],
    ["nothing shared", () => gradNorm(["a"], { shared: [] }), "gradNorm({ shared })", "trainableWeights"],
    ["no options", () => gradNorm(["a"], anything(undefined)), "gradNorm({ shared })", "undefined"],
    ["alpha below 0", () => gradNorm(["a"], { shared, alpha: -1 }), "gradNorm({ alpha })", "-1"],
    ["an initial loss of 0", () => gradNorm(["a"], { shared, initial: { a: 0 } }), "gradNorm({ initial })", '"a"'],
    [
      "a missing task",
      () => gradNorm(["a", "b"], { shared }).step(tf.train.sgd(1), anything({ a: () => tf.scalar(1) })),
      'nothing for "b"',
    ],
    [
      "a task beside the shared weights",
      () => {
        const x = v();
        return gradNorm(["a"], { shared }).step(tf.train.sgd(1), { a: () => tf.square(x) });
      },
      '"a" has no gradient for any of the shared weights',
    ],
    [
      "a loss below 0",
      () => {
        const x = v();
        return gradNorm(["a"], { shared: [x] }).step(tf.train.sgd(1), { a: () => tf.neg(x) });
      },
      '"a"',
      "-2",
    ],
  ];
  for (const [name, run, ...parts] of wrong) {
    test(name, () => {
      let error: unknown = null;
      try {
        run();
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(LossError);
      for (const part of parts) expect((error as LossError).message).toContain(part);
    });
  }
});
