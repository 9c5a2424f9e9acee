/** Micro-batches that add up to the whole batch, in one process and in two. */
import { beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs";
import fc from "fast-check";
import {
  type AnyLoss,
  add,
  type CompiledLoss,
  classWeights,
  compile,
  confidencePenalty,
  crossEntropy,
  freqWeights,
  fromCounts,
  ignoreIndex,
  LossError,
  labelSmoothing,
  mean,
  perToken,
  pipe,
  powerLaw,
  scale,
  sum,
  zLoss,
} from "lossmith";
import { backends, startBackend } from "../support/backends.ts";
import { expectClose } from "../support/numbers.ts";
import { accumulationLoss, shardOf } from "../support/shards.ts";

interface Rows {
  readonly logits: number[][];
  readonly labels: number[];
  readonly sampleWeight: number[];
}

const losses: Readonly<Record<string, AnyLoss>> = {
  mean: pipe(crossEntropy, ignoreIndex(-1), mean),
  "weighted mean": pipe(
    crossEntropy,
    freqWeights(fromCounts([9, 4, 1])),
    powerLaw(0.5),
    labelSmoothing(0.1),
    ignoreIndex(-1),
  ),
  sum: pipe(crossEntropy, ignoreIndex(-1), sum),
  "several terms": pipe(
    crossEntropy,
    classWeights([1, 2, 3]),
    zLoss(0.1),
    confidencePenalty(0.1),
    add(pipe(crossEntropy, scale(0.5), sum)),
    add(pipe(crossEntropy, mean)),
    ignoreIndex(-1),
  ),
};

const rowsOf = fc.integer({ min: 1, max: 12 }).chain((count) =>
  fc.record({
    logits: fc.array(
      fc.array(
        fc.integer({ min: -40, max: 40 }).map((n) => n / 8),
        { minLength: 3, maxLength: 3 },
      ),
      {
        minLength: count,
        maxLength: count,
      },
    ),
    labels: fc.array(fc.constantFrom(-1, 0, 1, 2), { minLength: count, maxLength: count }),
    sampleWeight: fc.array(fc.constantFrom(0, 0.5, 1, 2), { minLength: count, maxLength: count }),
    cuts: fc.array(fc.nat({ max: count }), { maxLength: 3 }),
  }),
);

function split(rows: Rows, cuts: readonly number[]): Rows[] {
  const edges = [0, ...[...cuts].sort((a, b) => a - b), rows.labels.length];
  return edges.slice(1).map((end, i) => ({
    logits: rows.logits.slice(edges[i], end),
    labels: rows.labels.slice(edges[i], end),
    sampleWeight: rows.sampleWeight.slice(edges[i], end),
  }));
}

/** The loss as a function of its logits. */
function onLogits(
  loss: CompiledLoss,
  { labels, sampleWeight }: Rows,
  denominators?: tf.Tensor1D,
): (z: tf.Tensor) => tf.Scalar {
  const given = denominators === undefined ? {} : { denominators };
  return (z) => loss({ logits: z, labels, sampleWeight, ...given }) as tf.Scalar;
}

function tensorOf(rows: Rows): tf.Tensor2D {
  return tf.tensor2d(rows.logits.flat(), [rows.labels.length, 3]);
}

/** The value and the gradient of the whole batch, out of micro-batches. */
function accumulate(
  loss: CompiledLoss,
  shards: readonly Rows[],
  useDenominators: boolean,
): { value: number; gradient: number[] } {
  const denominators = tf.addN(shards.map((shard) => loss.denominators(shard)));
  let value = 0;
  const gradient: number[] = [];
  for (const shard of shards) {
    const result = tf.valueAndGrad(onLogits(loss, shard, useDenominators ? denominators : undefined))(tensorOf(shard));
    value += result.value.dataSync()[0] / (useDenominators ? 1 : shards.length);
    gradient.push(...[...result.grad.dataSync()].map((g) => g / (useDenominators ? 1 : shards.length)));
  }
  return { value, gradient };
}

for (const backend of backends) {
  describe(`accumulation, ${backend}`, () => {
    beforeAll(startBackend(backend));

    for (const [name, data] of Object.entries(losses)) {
      test(`micro-batches of any sizes add up to the whole batch: ${name}`, () => {
        const loss = compile(data);
        fc.assert(
          fc.property(rowsOf, ({ cuts, ...rows }) => {
            tf.tidy(() => {
              const whole = tf.valueAndGrad(onLogits(loss, rows))(tensorOf(rows));
              const { value, gradient } = accumulate(loss, split(rows, cuts), true);
              const size = Math.abs(whole.value.dataSync()[0]);
              expect(Math.abs(value - whole.value.dataSync()[0])).toBeLessThanOrEqual(1e-6 * Math.max(size, 1e-3));
              expectClose(gradient, [...whole.grad.dataSync()], 1e-6);
            });
          }),
          { numRuns: 60 },
        );
        loss.dispose();
      });
    }

    test("the parts of shards add up, and combine to the loss of the whole", () => {
      const loss = compile(losses["several terms"]);
      fc.assert(
        fc.property(rowsOf, ({ cuts, ...rows }) => {
          tf.tidy(() => {
            const parts = split(rows, cuts).map((shard) => loss.parts({ ...shard, logits: tensorOf(shard) }));
            const together = loss.combine({
              numerators: tf.addN(parts.map(({ numerators }) => numerators)),
              denominators: tf.addN(parts.map(({ denominators }) => denominators)),
            });
            const whole = onLogits(loss, rows)(tensorOf(rows));
            expectClose([...together.dataSync()], [...whole.dataSync()], 2e-6);
          });
        }),
        { numRuns: 30 },
      );
      loss.dispose();
    });

    test("the numerators of parts are differentiable", async () => {
      const loss = compile(losses["weighted mean"]);
      const rows: Rows = {
        logits: [
          [1, 2, 3],
          [0, 1, 0],
        ],
        labels: [0, 2],
        sampleWeight: [1, 2],
      };
      const throughParts = tf.grad((z: tf.Tensor) => loss.combine(loss.parts({ ...rows, logits: z })))(tensorOf(rows));
      const direct = tf.grad(onLogits(loss, rows))(tensorOf(rows));
      expectClose([...(await throughParts.data())], [...(await direct.data())], 1e-6);
      tf.dispose([throughParts, direct]);
    });

    test("the mean of the micro-batches' means, the well-known wrong way, is another number", () => {
      const loss = compile(losses["mean"]);
      const rows: Rows = {
        logits: [
          [3, 0, 0],
          [0, 1, 0],
          [0, 2, 0],
        ],
        labels: [1, 1, -1],
        sampleWeight: [1, 1, 1],
      };
      const shards = split(rows, [1]);
      const whole = tf.tidy(() => onLogits(loss, rows)(tensorOf(rows)).dataSync()[0]);
      expect(Math.abs(accumulate(loss, shards, true).value - whole)).toBeLessThan(1e-6);
      const uneven: Rows = { logits: [...rows.logits, [0, 0, 5]], labels: [1, 1, -1, 0], sampleWeight: [1, 1, 1, 1] };
      const wrong = accumulate(loss, split(uneven, [1]), false).value;
      const right = tf.tidy(() => onLogits(loss, uneven)(tensorOf(uneven)).dataSync()[0]);
      expect(Math.abs(wrong - right)).toBeGreaterThan(0.01);
    });
  });
}

describe("two processes that exchange their sums", () => {
  beforeAll(startBackend("cpu"));

  /** Runs the other half in a process of its own, under the same runtime. */
  function ask(
    shard: number,
    denominators: readonly number[] | null,
  ): { denominators: number[]; value: number; gradient: number[] } {
    const script = fileURLToPath(new URL("../support/shardProcess.ts", import.meta.url));
    const flags = "Deno" in globalThis ? ["run", "--allow-all", "--no-check"] : [];
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [...flags, script, JSON.stringify({ shard, denominators })],
      {
        encoding: "utf8",
      },
    );
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout.split("\n").filter((line) => line.startsWith("{"))[0]) as ReturnType<typeof ask>;
  }

  test("get the value and the gradient of the whole batch", () => {
    const loss = compile(accumulationLoss);
    const first = [0, 1].map((shard) => ask(shard, null).denominators);
    const sums = first[0].map((x, i) => x + first[1][i]);
    const halves = [0, 1].map((shard) => ask(shard, sums));
    const whole = shardOf(null);
    const { value, grad } = tf.valueAndGrad((z: tf.Tensor) => loss({ ...whole, logits: z }))(tf.tensor2d(whole.logits));
    expectClose([halves[0].value + halves[1].value], [value.dataSync()[0]], 1e-6);
    expectClose([...halves[0].gradient, ...halves[1].gradient], [...grad.dataSync()], 1e-6);
  }, 60_000);
});

describe("what has no parts says so", () => {
  beforeAll(startBackend("cpu"));

  test("a loss that ends in perToken", () => {
    const loss = compile(pipe(crossEntropy, perToken));
    expect(() => loss.parts({ logits: tf.zeros([1, 2]), labels: [0] })).toThrow(LossError);
    expect(() => loss.denominators({ labels: [0] })).toThrow("perToken");
  });

  test("denominators of another number of terms", () => {
    const loss = compile(crossEntropy);
    expect(() => loss({ logits: tf.zeros([1, 2]), labels: [0], denominators: [1, 2] })).toThrow("1 terms");
  });
});
