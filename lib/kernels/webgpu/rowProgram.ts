/** A program of ours over the rows of a batch: some numbers of a row from other numbers of it, in one dispatch. */
import * as tf from "@tensorflow/tfjs";
import { arithmetic } from "./arithmetic.ts";
import { runProgram, storageBuffers, workgroupSize } from "./program.ts";

export interface RowProgram {
  /** Tensors [N], or with one entry for all rows; the statements call them x0, x1, …. */
  readonly tensors: readonly tf.Tensor[];
  /** Numbers for all rows; the statements call them u0, u1, …. */
  readonly numbers: readonly number[];
  /** WGSL that defines what the outputs are made of, with `rowFunctions` at hand. */
  readonly statements: readonly string[];
  readonly outputs: readonly string[];
}

/**
 * Functions on numbers that follow IEEE 754 at the edges, where WGSL promises nothing: infinities and NaN come out as in
 * float64.
 */
const rowFunctions = /* wgsl */ `
fn infinity() -> f32 {
  return bitcast<f32>(0x7f800000u ^ uniforms.zero);
}

fn nan() -> f32 {
  return bitcast<f32>(0x7fc00000u ^ uniforms.zero);
}

fn rowExp(x : f32) -> f32 {
  if (isNotANumber(x)) { return x; }
  if (x > 88.7) { return infinity(); }
  return exponential(x);
}

fn rowLog(x : f32) -> f32 {
  if (isNotANumber(x) || x < 0.0) { return nan(); }
  if (x == 0.0) { return -infinity(); }
  if (isFlaw(x)) { return x; }
  return logarithm(x);
}

fn rowLog1p(x : f32) -> f32 {
  if (isFlaw(x)) { return x; }
  if (x >= 0.0) { return log1pOf(x); }
  if (x > -0.3) { return doubleArtanh(x / (x + 2.0)); }
  return rowLog(1.0 + x);
}

fn rowSoftplus(x : f32) -> f32 {
  if (isFlaw(x)) { return x; }
  return max(x, 0.0) + log1pOf(exponential(-abs(x)));
}

fn rowSigmoid(x : f32) -> f32 {
  if (isNotANumber(x)) { return x; }
  let e = exponential(-abs(x));
  return select(1.0, e, x < 0.0) / (1.0 + e);
}

fn rowPow(x : f32, y : f32) -> f32 {
  if (y == 0.0) { return 1.0; }
  if (y == 1.0) { return x; }
  if (y == 2.0) { return x * x; }
  if (isNotANumber(x) || isNotANumber(y)) { return nan(); }
  if (x == 0.0) { return select(infinity(), 0.0, y > 0.0); }
  if (x > 0.0) { return rowExp(y * rowLog(x)); }
  if (floor(y) != y) { return nan(); }
  let size = rowExp(y * rowLog(-x));
  return select(size, -size, floor(y * 0.5) * 2.0 != y);
}

fn rowMin(x : f32, y : f32) -> f32 {
  if (isNotANumber(x)) { return x; }
  if (isNotANumber(y)) { return y; }
  return min(x, y);
}

fn rowMax(x : f32, y : f32) -> f32 {
  if (isNotANumber(x)) { return x; }
  if (isNotANumber(y)) { return y; }
  return max(x, y);
}

fn rowWeigh(w : f32, x : f32) -> f32 {
  if (isZero(w)) { return 0.0; }
  return w * x;
}
`;

/** One buffer is the result's. */
const mostInputs = storageBuffers - 1;

/** The outputs of each row, [outputs, N]. */
export function runRowProgram(program: RowProgram, rows: number): tf.Tensor2D {
  return tf.tidy(() => {
    const { tensors, numbers, statements, outputs } = program;
    const widths = tensors.map(({ size }) => (size === rows ? "row" : "one"));
    const together = tensors.length > mostInputs;
    // Where there are more tensors than bindings they are copied into one: those with an entry for each row first.
    const order = tensors.map((_, k) => k).sort((a, b) => widths[b].localeCompare(widths[a]));
    const inputs = together
      ? [{ name: "given", tensor: tf.concat1d(order.map((k) => tensors[k].reshape<tf.Tensor1D>([tensors[k].size]))) }]
      : tensors.map((tensor, k) => ({ name: `given${k}`, tensor }));
    const perRow = widths.filter((width) => width === "row").length;
    const read = (k: number): string => {
      if (!together) return `given${k}[${widths[k] === "row" ? "row" : "0"}]`;
      const place = order.indexOf(k);
      return place < perRow
        ? `given[${place} * uniforms.rows + row]`
        : `given[${perRow} * uniforms.rows + ${place - perRow}]`;
    };
    const source = `
${arithmetic}
${rowFunctions}
fn main(index : i32) {
  let row = index;
  if (row < uniforms.rows) {
    ${tensors.map((_, k) => `let x${k} = f32(${read(k)});`).join("\n    ")}
    ${numbers.map((_, k) => `let u${k} = uniforms.u${k};`).join("\n    ")}
    ${statements.join("\n    ")}
    ${outputs.map((output, k) => `result[${k} * uniforms.rows + row] = ${output};`).join("\n    ")}
  }
}
`;
    const result = runProgram({
      key: `lossmith rows ${numbers.length} ${widths.join()} ${source}`,
      source: () => source,
      outputShape: [outputs.length, rows],
      workgroups: Math.ceil(rows / workgroupSize),
      inputs,
      uniforms: [
        { name: "rows", type: "i32", value: rows },
        { name: "zero", type: "u32", value: 0 },
        ...numbers.map((value, k) => ({ name: `u${k}`, type: "f32" as const, value })),
      ],
    });
    return result as tf.Tensor2D;
  });
}
