/** A small batch with known statistics: a kernel must reproduce it on this device before it is used. */
import * as tf from "@tensorflow/tfjs";
import type { RowCotangents, RowStatistics, RowStatisticsKernel, ViewInput, WideInput } from "./rowStatistics.ts";

const rows = 3;
/** The table of the dot product, [V]: 0, 1, 2, 0, 1, 2, … */
const weightOf = (j: number): number => j % 3;
const cotangents = { n: 1, e: 0.5, dot: 0.001 };

/** What is wrong with a kernel's numbers for rows of so many classes; null if they are right. */
export async function faultOf(kernel: RowStatisticsKernel, classes: number): Promise<string | null> {
  const { results, expected } = start(kernel, classes);
  const computed = await Promise.all(results.map((tensor) => tensor.data()));
  tf.dispose([...results]);
  return compare(computed, expected);
}

/** The same for a device that is read without waiting. */
export function faultOfNow(kernel: RowStatisticsKernel, classes: number): string | null {
  const { results, expected } = start(kernel, classes);
  const computed = results.map((tensor) => tensor.dataSync());
  tf.dispose([...results]);
  return compare(computed, expected);
}

function start(
  kernel: RowStatisticsKernel,
  classes: number,
): { readonly results: readonly tf.Tensor[]; readonly expected: readonly Expected[] } {
  const logits = Float32Array.from({ length: rows * classes }, (_, i) => 8 * Math.sin(1 + i * i));
  const labels = Int32Array.from({ length: rows }, (_, row) => (row * 7) % classes);
  const results = tf.tidy(() => run(kernel, logits, labels, classes).map((tensor) => tf.keep(tensor)));
  return { results, expected: expectedOf(logits, labels, classes) };
}

interface Expected {
  readonly name: string;
  readonly values: readonly number[];
}

function compare(computed: readonly ArrayLike<number>[], expected: readonly Expected[]): string | null {
  for (const [k, { name, values }] of expected.entries()) {
    const size = values.reduce((max, x) => Math.max(max, Math.abs(x)), 1e-3);
    const wrong = values.findIndex((x, i) => !(Math.abs(computed[k][i] - x) <= 1e-4 * size));
    if (wrong >= 0) return `${name}[${wrong}] is ${computed[k][wrong]} and should be ${values[wrong]}`;
  }
  return null;
}

/** A call with several statistics, and the commonest one, which some kernels have a way of its own for. */
function run(
  kernel: RowStatisticsKernel,
  logits: Float32Array,
  labels: Int32Array,
  classes: number,
): readonly tf.Tensor[] {
  const table = tf.tensor1d(Float32Array.from({ length: classes }, (_, j) => weightOf(j)));
  const shared = {
    ...{ logits: tf.tensor2d(logits, [rows, classes]), labels: tf.tensor1d(labels, "int32") },
    ...{ teacher: null, targets: null, valid: null },
  };
  const plain = { of: "logits", scale: 1, cap: null, bias: 0 } as const;
  const all = (x: number): tf.Tensor1D => tf.fill([rows], x);
  const none = { s: null, t: null, r: null, e: null, dots: [] };
  const passes = (view: ViewInput, g: RowCotangents): readonly [RowStatistics, tf.Tensor2D] => {
    const input: WideInput = { ...shared, views: [view] };
    const [statistics] = kernel.forward(input);
    return [statistics, kernel.backward(input, [statistics], [g])];
  };
  const [several, gradient] = passes(
    {
      ...{ ...plain, wanted: new Set(["n", "s", "e"] as const) },
      dots: [{ weights: "ones", table: { tensor: table, support: null }, times: "logits" }],
    },
    { ...none, n: all(cotangents.n), e: all(cotangents.e), dots: [all(cotangents.dot)] },
  );
  const [alone, gradientAlone] = passes(
    { ...plain, wanted: new Set(["n"] as const), dots: [] },
    { ...none, n: all(cotangents.n) },
  );
  return [several.n, several.s, several.e, several.dots[0], gradient, alone.n, gradientAlone] as readonly tf.Tensor[];
}

function expectedOf(logits: Float32Array, labels: Int32Array, classes: number): readonly Expected[] {
  const [n, s, e, dot]: [number[], number[], number[], number[]] = [[], [], [], []];
  const [gradient, gradientAlone]: [number[], number[]] = [[], []];
  labels.forEach((label, row) => {
    const z = [...logits.subarray(row * classes, (row + 1) * classes)];
    const m = z.reduce((a, b) => Math.max(a, b));
    const logsum = Math.log(z.reduce((sum, x) => sum + Math.exp(x - m), 0));
    const p = z.map((x) => Math.exp(x - m - logsum));
    const entropy = p.reduce((sum, q) => sum - q * Math.log(q), 0);
    n.push(logsum - (z[label] - m));
    s.push(logsum);
    e.push(entropy);
    dot.push(z.reduce((sum, x, j) => sum + weightOf(j) * (x - m), 0));
    z.forEach((_, j) => {
      const forN = cotangents.n * (p[j] - (j === label ? 1 : 0));
      gradientAlone.push(forN);
      gradient.push(forN + cotangents.e * p[j] * (-Math.log(p[j]) - entropy) + cotangents.dot * weightOf(j));
    });
  });
  return [
    { name: "n", values: n },
    { name: "s", values: s },
    { name: "e", values: e },
    { name: "dot", values: dot },
    { name: "gradient", values: gradient },
    { name: "n alone", values: n },
    { name: "gradient of n alone", values: gradientAlone },
  ];
}

/** What a test that failed by an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
