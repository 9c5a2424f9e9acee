/** Compiled losses against float64, at the edges: long rows, large logits, confident rows, infinities, many rows. */
import { beforeAll, describe, expect, test } from "bun:test";
import * as tf from "@tensorflow/tfjs";
import { type AnyLoss, compile, crossEntropy, language, perToken, pipe, softcap, sum, temperature } from "lossmith";
import { backends, gpuBackends, startBackend } from "../support/backends.ts";

const { add, constant, entropy, logOdds, logsumexp, lossOf, multiply, nll } = language;

/** What a row is in float64. */
interface Row {
  readonly nll: number;
  readonly logOdds: number;
  readonly logsumexp: number;
  readonly entropy: number;
  /** ∂nll / ∂z. */
  readonly gradient: Float64Array;
}

function exactRow(z: ArrayLike<number>, label: number): Row {
  const values = Float64Array.from(z);
  const m = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const others = values.reduce((a, b, j) => (j === label ? a : Math.max(a, b)), Number.NEGATIVE_INFINITY);
  // Relative to the highest of the others, so that confident rows keep their digits.
  const sumOthers = values.reduce((total, x, j) => (j === label ? total : total + Math.exp(x - others)), 0);
  const gap = values[label] - others;
  const odds = others === Number.NEGATIVE_INFINITY ? Number.POSITIVE_INFINITY : gap - Math.log(sumOthers);
  const loss = odds > 0 ? Math.log1p(Math.exp(-odds)) : -odds + Math.log1p(Math.exp(odds));
  const s = Math.log(values.reduce((total, x) => total + Math.exp(x - m), 0));
  const p = values.map((x) => Math.exp(x - m - s));
  const entropyOf = p.reduce((total, q, j) => (q === 0 ? total : total + q * (m + s - values[j])), 0);
  const complement = 1 / (1 + Math.exp(odds));
  // With nothing beside the label there is nothing to move.
  const alone = others === Number.NEGATIVE_INFINITY;
  const gradient = values.map((x, j) => {
    if (alone) return 0;
    return j === label ? -complement : (Math.exp(x - others) / sumOthers) * complement;
  });
  return { nll: loss, logOdds: odds, logsumexp: m + s, entropy: entropyOf, gradient };
}

/** Repeatable numbers from −1 to 1, dense in their range. */
function noise(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

type Rows = readonly { readonly z: Float32Array; readonly label: number }[];

const kinds: Readonly<Record<string, (classes: number, random: () => number) => Float32Array>> = {
  "small logits": (classes, random) => Float32Array.from({ length: classes }, () => 4 * random()),
  "logits from -1e4 to 1e4": (classes, random) => Float32Array.from({ length: classes }, () => 1e4 * random()),
  "close logits near 1e4": (classes, random) => Float32Array.from({ length: classes }, () => 1e4 + random()),
  "equal logits": (classes, random) => new Float32Array(classes).fill(50 * random()),
  "one far above": (classes, random) =>
    Float32Array.from({ length: classes }, (_, j) => (j === Math.floor(classes / 3) ? 47.3 : 0) + 3 * random()),
  "one further above": (classes, random) =>
    Float32Array.from({ length: classes }, (_, j) => (j === Math.floor(classes / 3) ? 85.7 : 0) + random()),
  "entries of -infinity": (classes, random) =>
    Float32Array.from({ length: classes }, (_, j) => (j % 3 === 1 ? Number.NEGATIVE_INFINITY : 5 * random())),
};

function rowsOf(classes: number, seed: number): Rows {
  const random = noise(seed);
  return Object.values(kinds).flatMap((kind) => {
    const z = kind(classes, random);
    const label = Math.floor(classes / 3);
    return [
      { z, label },
      { z, label: classes - 1 },
    ].filter((row) => Number.isFinite(row.z[row.label]));
  });
}

/** The rows' logits, one after the other. */
function logitsOf(rows: Rows): tf.Tensor2D {
  const classes = rows[0].z.length;
  const values = new Float32Array(rows.length * classes);
  rows.forEach(({ z }, i) => {
    values.set(z, i * classes);
  });
  return tf.tensor2d(values, [rows.length, classes]);
}

const known = new Map<number, { readonly rows: Rows; readonly exact: readonly Row[] }>();

/** Rows of so many classes, and what they are in float64: the same for all backends. */
function exactRows(classes: number): { readonly rows: Rows; readonly exact: readonly Row[] } {
  const rows = known.get(classes)?.rows ?? rowsOf(classes, classes);
  const all = known.get(classes) ?? { rows, exact: rows.map(({ z, label }) => exactRow(z, label)) };
  known.set(classes, all);
  return all;
}

const sizes = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 33, 64, 100, 257, 1000, 4097, 50_257, 262_144];

async function valuesOf(loss: AnyLoss, rows: Rows): Promise<Float32Array> {
  const logits = logitsOf(rows);
  const labels = Int32Array.from(rows, ({ label }) => label);
  const value = compile(loss)({ logits, labels });
  const values = (await value.data()) as Float32Array;
  tf.dispose([logits, value]);
  return values;
}

async function gradientOf(loss: AnyLoss, rows: Rows): Promise<Float32Array> {
  const logits = logitsOf(rows);
  const labels = Int32Array.from(rows, ({ label }) => label);
  const compiled = compile(pipe(loss as typeof crossEntropy, sum));
  const gradient = tf.grad((z: tf.Tensor) => compiled({ logits: z, labels }))(logits);
  const values = (await gradient.data()) as Float32Array;
  tf.dispose([logits, gradient]);
  return values;
}

/** A loss that is not 0 to the gradient and keeps the row's number. */
const read = (value: Parameters<typeof lossOf>[0]): AnyLoss =>
  pipe(lossOf(add(value, multiply(constant(0), nll))), perToken);

for (const backend of [...backends, ...gpuBackends]) {
  describe(`${backend} against float64`, () => {
    beforeAll(startBackend(backend));

    for (const classes of sizes) {
      test(`V = ${classes}: nll, log-odds, logsumexp, entropy and the gradient, to 2e-6`, async () => {
        const { rows, exact } = exactRows(classes);
        const nlls = await valuesOf(pipe(crossEntropy, perToken), rows);
        exact.forEach((row, i) => {
          // Of its own scale, also where it is 1e-38; float32 has no digits below.
          const error = Math.abs(nlls[i] - row.nll) / Math.max(row.nll, 1e-38);
          expect(row.nll === 0 ? nlls[i] : error).toBeLessThanOrEqual(2e-6);
        });
        for (const [value, name] of [
          [logOdds, "logOdds"],
          [logsumexp, "logsumexp"],
          [entropy, "entropy"],
        ] as const) {
          const values = await valuesOf(read(value), rows);
          exact.forEach((row, i) => {
            const expected = row[name];
            if (Number.isFinite(expected)) {
              const error = Math.abs(values[i] - expected) / Math.max(1, Math.abs(expected));
              expect(`${name} ${error <= 2e-6 ? "" : error}`).toBe(`${name} `);
            } else expect(values[i]).toBe(expected);
          });
        }
        const gradient = await gradientOf(crossEntropy, rows);
        exact.forEach((row, i) => {
          const largest = row.gradient.reduce((max, x) => Math.max(max, Math.abs(x)), 1e-37);
          let error = 0;
          for (let j = 0; j < classes; j++) {
            error = Math.max(error, Math.abs(gradient[i * classes + j] - row.gradient[j]));
          }
          expect(error / largest).toBeLessThanOrEqual(2e-6);
        });
      });
    }

    test("through views: a temperature at large logits, a softcap", async () => {
      for (const classes of [5, 1000]) {
        const rows = rowsOf(classes, 7);
        const [cooled, capped] = await Promise.all([
          valuesOf(pipe(crossEntropy, temperature(0.7), perToken), rows),
          valuesOf(pipe(crossEntropy, softcap(30), perToken), rows),
        ]);
        rows.forEach(({ z, label }, i) => {
          const scale = Math.fround(1 / 0.7);
          const cool = exactRow(
            Float64Array.from(z, (x) => scale * x),
            label,
          ).nll;
          expect(Math.abs(cooled[i] - cool)).toBeLessThanOrEqual(2e-6 * Math.max(1, cool));
          const cap = exactRow(
            Float64Array.from(z, (x) => 30 * Math.tanh(x / 30)),
            label,
          ).nll;
          expect(Math.abs(capped[i] - cap)).toBeLessThanOrEqual(4e-6 * Math.max(1, cap));
        });
      }
    });

    test("70 000 rows, one row, no row; ranks 1 to 4", async () => {
      const random = noise(3);
      const count = 70_000;
      const classes = 3;
      const z = Float32Array.from({ length: count * classes }, () => 5 * random());
      const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
      const loss = compile(pipe(crossEntropy, perToken));
      const values = (await loss({ logits: tf.tensor2d(z, [count, classes]), labels }).data()) as Float32Array;
      let worst = 0;
      for (let i = 0; i < count; i++) {
        const { nll: exact } = exactRow(z.subarray(i * classes, (i + 1) * classes), labels[i]);
        worst = Math.max(worst, Math.abs(values[i] - exact) / exact);
      }
      expect(worst).toBeLessThanOrEqual(2e-6);
      expect(loss({ logits: tf.zeros([0, 3]), labels: new Int32Array() }).shape).toEqual([0]);
      for (const shape of [[], [2], [2, 3], [2, 1, 3]]) {
        const rank = shape.reduce((product, n) => product * n, 1);
        const logits = tf.tensor(z.subarray(0, rank * classes), [...shape, classes]);
        const of = loss({ logits, labels: tf.tensor(labels.subarray(0, rank), shape, "int32") });
        expect(of.shape).toEqual(shape);
        expect([...(await of.data())]).toEqual([...values.subarray(0, rank)]);
      }
    });

    test("logsumexp is that of the label where all others are masked by a large negative number", async () => {
      const views = {
        plain: pipe(lossOf(logsumexp), perToken),
        scaled: pipe(lossOf(logsumexp), temperature(0.5), perToken),
      };
      for (const [name, data] of Object.entries(views)) {
        const loss = compile(data);
        for (const low of [-1e9, -1e20, -1e30, -3.4e38 / 4]) {
          for (const label of [0, 1]) {
            const logits = tf.tensor2d([[4.5, low, low, low, low]]);
            const value = loss({ logits, labels: Int32Array.of(label) });
            const [z] = await value.data();
            expect([name, low, label, Math.abs(z - (name === "plain" ? 4.5 : 9)) < 1e-5]).toEqual([
              name,
              low,
              label,
              true,
            ]);
            tf.dispose([logits, value]);
          }
        }
        loss.dispose();
      }
    });

    test("a +infinity or a NaN spoils its own row, and no other", async () => {
      for (const classes of [3, 16, 17, 1031]) {
        const random = noise(5);
        const clean = [0, 1, 2, 3].map(() => ({
          z: Float32Array.from({ length: classes }, () => 4 * random()),
          label: 1,
        }));
        const spoiled = clean.map(({ z, label }, i) => {
          const copy = z.slice();
          if (i === 1) copy[classes - 1] = Number.POSITIVE_INFINITY;
          if (i === 3) copy[0] = Number.NaN;
          return { z: copy, label };
        });
        const loss = pipe(crossEntropy, perToken);
        const [values, expected] = [await valuesOf(loss, spoiled), await valuesOf(loss, clean)];
        expect([...values].map(Number.isNaN)).toEqual([false, true, false, true]);
        expect([values[0], values[2]]).toEqual([expected[0], expected[2]]);
        const [gradient, of] = [await gradientOf(crossEntropy, spoiled), await gradientOf(crossEntropy, clean)];
        for (const i of [0, 2]) {
          const range = [i * classes, (i + 1) * classes] as const;
          expect(gradient.slice(...range)).toEqual(of.slice(...range));
        }
        for (const i of [1, 3]) {
          expect(gradient.slice(i * classes, (i + 1) * classes).every(Number.isNaN)).toBe(true);
        }
      }
    });
  });
}
