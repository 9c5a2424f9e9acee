/** Runs a kernel on a batch and measures how far it is from float64. */
import * as tf from "@tensorflow/tfjs";
import type {
  RowCotangents,
  RowStatistics,
  RowStatisticsKernel,
  StatisticName,
  WideInput,
} from "../../lib/kernels/rowStatistics.ts";
import { expectedRow, namesOf, type RowCase, type RowValues } from "./rowCases.ts";

/** How far numbers were from what they should be, in units of what they are measured by. */
export interface Report {
  cases: number;
  /**
   * The largest error of each statistic, measured by max(1, its size), of n also by n itself, and of the gradient,
   * measured by the largest of what is added up in the row.
   */
  readonly worst: Record<string, number>;
  /** What was wrong: NaN or ∞ in the wrong place, or an error above the tolerance. */
  readonly failures: string[];
}

export function newReport(): Report {
  return { cases: 0, worst: {}, failures: [] };
}

export interface Outcome {
  readonly values: RowValues;
  readonly gradient: Float32Array;
}

interface Results {
  readonly values: readonly Record<string, tf.Tensor>[];
  readonly gradient: tf.Tensor;
}

/** Runs a kernel whose device is read without waiting. */
export function runKernel(kernel: RowStatisticsKernel, given: RowCase, cotangents: RowValues): Outcome {
  const results = start(kernel, given, cotangents);
  const read = (tensor: tf.Tensor): Float32Array => tensor.dataSync() as Float32Array;
  const values = results.values.map((view) =>
    Object.fromEntries(Object.entries(view).map(([name, tensor]) => [name, read(tensor)])),
  );
  const outcome = { values, gradient: read(results.gradient) };
  tf.dispose([...results.values, results.gradient]);
  return outcome;
}

/** Runs a kernel whose device is waited for. */
export async function awaitKernel(
  kernel: RowStatisticsKernel,
  given: RowCase,
  cotangents: RowValues,
): Promise<Outcome> {
  const results = start(kernel, given, cotangents);
  const read = async (tensor: tf.Tensor): Promise<Float32Array> => (await tensor.data()) as Float32Array;
  const values: Record<string, Float32Array>[] = [];
  for (const view of results.values) {
    const entries = Object.entries(view).map(async ([name, tensor]) => [name, await read(tensor)] as const);
    values.push(Object.fromEntries(await Promise.all(entries)));
  }
  const outcome = { values, gradient: await read(results.gradient) };
  tf.dispose([...results.values, results.gradient]);
  return outcome;
}

/** A case as a kernel is given it. */
export function inputOf(given: RowCase): WideInput {
  const { rows, classes } = given;
  const matrix = (data: Float32Array | null): tf.Tensor2D | null =>
    data === null ? null : tf.tensor2d(data, [rows, classes]);
  const tables = new Map<Float32Array, tf.Tensor1D>();
  const table = (data: Float32Array): tf.Tensor1D => {
    const tensor = tables.get(data) ?? tf.tensor1d(data);
    tables.set(data, tensor);
    return tensor;
  };
  const logits = matrix(given.logits);
  return {
    logits,
    // A loss may distil from the very logits that it is given.
    teacher: given.teacher === given.logits ? logits : matrix(given.teacher),
    labels: given.labels === null ? null : tf.tensor1d(given.labels, "int32"),
    targets: matrix(given.targets),
    valid: given.valid === null ? null : { tensor: tf.tensor1d(given.valid, "bool"), invalid: null },
    views: given.views.map((view) => ({
      of: view.of,
      scale: view.scaleOnDevice ? tf.scalar(view.scale) : view.scale,
      cap: view.cap,
      bias: typeof view.bias === "number" ? view.bias : table(view.bias),
      wanted: new Set<StatisticName>(view.wanted),
      ...(view.labels === undefined ? {} : { labels: tf.tensor1d(view.labels, "int32") }),
      dots: view.dots.map((dot) => ({
        ...dot,
        table: dot.table === null ? null : { tensor: table(dot.table), support: supportOf(dot.table) },
      })),
    })),
  };
}

function start(kernel: RowStatisticsKernel, given: RowCase, cotangents: RowValues): Results {
  const compute = (): Results => {
    const input = inputOf(given);
    const statistics = kernel.forward(input);
    const g = given.views.map((view, v): RowCotangents | null => {
      const of = (name: string): tf.Tensor1D | null => {
        const data = cotangents[v][name];
        return data === undefined ? null : tf.tensor1d(data);
      };
      if (Object.keys(cotangents[v]).length === 0) return null;
      const dots = view.dots.map((_, i) => of(`dot ${i}`));
      return { s: of("s"), n: of("n"), t: of("t"), r: of("r"), e: of("e"), dots };
    });
    const values = statistics.map((of, v) => byName(of, namesOf(given.views[v])));
    return { values, gradient: kernel.backward(input, statistics, g) };
  };
  return tf.tidy(compute as unknown as () => tf.TensorContainer) as unknown as Results;
}

/** Where a table is not 0; null if it is so everywhere. */
function supportOf(table: Float32Array): Int32Array | null {
  const support = Int32Array.from(table.keys()).filter((j) => table[j] !== 0);
  return support.length === table.length ? null : support;
}

function byName(statistics: RowStatistics, names: readonly string[]): Record<string, tf.Tensor> {
  return Object.fromEntries(
    names.map((name) => [
      name,
      (name.startsWith("dot")
        ? statistics.dots[Number(name.slice(4))]
        : statistics[name as StatisticName]) as tf.Tensor,
    ]),
  );
}

export function checkKernel(
  kernel: RowStatisticsKernel,
  given: RowCase,
  cotangents: RowValues,
  report: Report,
  tolerance: number,
): void {
  compare(runKernel(kernel, given, cotangents), given, cotangents, report, tolerance);
}

/** Measures an outcome. Where the slope of a cap is hardly more than 0, it may have fewer digits if it is rounded. */
export function compare(
  outcome: Outcome,
  given: RowCase,
  cotangents: RowValues,
  report: Report,
  tolerance: number,
  slopes: "exact" | "rounded" = "rounded",
): void {
  const { rows, classes } = given;
  report.cases += 1;
  const measure = (name: string, actual: number, expected: number, unit: number, what: () => string): void => {
    if (Object.is(actual, expected) || actual === expected || (Number.isNaN(actual) && Number.isNaN(expected))) return;
    // Below float32's normal numbers there are no digits to compare.
    const error = Math.abs(actual - expected) < 1e-37 ? 0 : Math.abs(actual - expected) / unit;
    if (error <= tolerance) report.worst[name] = Math.max(report.worst[name] ?? 0, error);
    else if (report.failures.length < 20) {
      report.failures.push(`${what()}: ${name} is ${actual} and should be ${expected}; an error of ${error}`);
    }
  };
  for (let row = 0; row < rows; row++) {
    const isValid = given.valid === null || given.valid[row] === 1;
    const gradient = new Float64Array(classes);
    const units = new Float64Array(classes);
    given.views.forEach((view, v) => {
      const expected = expectedRow(given, row, view);
      const where = (): string =>
        `case ${report.cases}, V ${classes}, row ${row}, view ${v} (scale ${view.scale}, cap ${view.cap}, ${
          typeof view.bias === "number" ? "no" : "a"
        } bias), label ${given.labels?.[row]}, logits ${given.logits.slice(row * classes, row * classes + 4)}`;
      const group = view.cap !== null ? "capped " : typeof view.bias !== "number" ? "biased " : "";
      for (const name of namesOf(view)) {
        const value = isValid ? expected.values[name] : 0;
        // A sum with parts of −∞ and of ∞ may be anything.
        if (Number.isNaN(value) && !Number.isNaN(expected.values["m"])) continue;
        const actual = outcome.values[v][name][row];
        const size = Math.max(1, Math.abs(value), expected.sizes[name] ?? 0);
        measure(group + (name.startsWith("dot") ? "dot" : name), actual, value, size, where);
        if (name === "n" && value < 1 && value > 0) {
          const relative = Math.abs(actual - value) < 1e-37 ? 0 : Math.abs(actual - value) / value;
          const key = `${group}n, relative`;
          report.worst[key] = Math.max(report.worst[key] ?? 0, relative);
        }
      }
      if (!isValid) return;
      const { entries: parts, sizes } = expected.gradient((name) => cotangents[v][name]?.[row] ?? 0);
      const largest = sizes.reduce((max, size) => Math.max(max, size), 0);
      for (let j = 0; j < classes; j++) {
        gradient[j] += parts[j];
        units[j] += largest;
        // Where a cap leaves no slope at the likely entries, the largest are some of the unlikely, and all are small:
        // exp(−40), say, has the digits that 40 has in float32.
        if (view.cap !== null && sizes[j] !== 0) {
          const saturation =
            slopes === "exact" ? 0 : (2 * view.scale * Math.abs(given.logits[row * classes + j])) / view.cap;
          units[j] += 0.5 * sizes[j] * (Math.abs(expected.entries[j]) + saturation);
        } else if (typeof view.bias !== "number" && sizes[j] !== 0) {
          // The sum of a logit and a bias, relative to the row's highest, is a float32; so is their logsumexp.
          units[j] += (2 ** -23 / tolerance) * sizes[j] * Math.abs(expected.entries[j]);
        }
      }
    });
    const group = given.views.some(({ cap, bias }) => cap !== null || typeof bias !== "number") ? "warped " : "";
    for (let j = 0; j < classes; j++) {
      const where = (): string =>
        `case ${report.cases}, V ${classes}, row ${row} (${isValid ? "valid" : "not valid"}), entry ${j}, label ${given.labels?.[row]}, logits ${given.logits.slice(row * classes, row * classes + 4)}`;
      measure(`${group}gradient`, outcome.gradient[row * classes + j], gradient[j], units[j] || 1, where);
    }
  }
}
