/** Programs over the rows of a batch as compute programs. */
import * as tf from "@tensorflow/tfjs";
import type { RowNumbers } from "../column.ts";
import type { RowDevice, RowProgram } from "../rowProgram.ts";
import { arithmetic } from "./arithmetic.ts";
import { type Input, runProgram, storageBuffers, workgroupSize } from "./program.ts";
import { declareReduction, declareSlot, type Folding, type Reduced, reduction } from "./reduce.ts";

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
  if (floor(y) != y) { return select(nan(), rowExp(y * rowLog(-x)), isFlaw(-x)); }
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

export const webgpuRows: RowDevice = {
  language: {
    define: (name, value) => `let ${name} = ${value};`,
    constant: (text) => text,
    isLess: (x, y) => `${x} < ${y}`,
    isRow: (index) => `row == ${index}`,
    select: (condition, whenTrue, otherwise) => `select(${otherwise}, ${whenTrue}, ${condition})`,
  },
  rows: runRowProgram,
  totals: runRowTotals,
};

function runRowProgram(program: RowProgram, rows: number): tf.Tensor2D {
  const { outputs } = program;
  const body = (read: string): string => `
fn main(index : i32) {
  let row = index;
  if (row < uniforms.rows) {
    ${read}
    ${outputs.map((output, k) => `result[${k} * uniforms.rows + row] = ${output};`).join("\n    ")}
  }
}`;
  return run(program, body, rows, [outputs.length, rows], Math.ceil(rows / workgroupSize)) as tf.Tensor2D;
}

/** A workgroup adds the outputs of so many rows, or of more where there are many. */
const rowsOfWorkgroup = 16 * workgroupSize;

/** With more workgroups there would be more partial sums than a second dispatch adds at once. */
const mostWorkgroups = 256;

const wholeWorkgroup: Folding = { lanes: workgroupSize, subgroups: false };

function runRowTotals(program: RowProgram, rows: number): tf.Tensor1D {
  const { outputs } = program;
  const workgroups = Math.min(mostWorkgroups, Math.ceil(rows / rowsOfWorkgroup));
  const sums = outputs.map((_, k): Reduced => ({ name: `sum${k}`, by: "sum" }));
  const body = (read: string): string => `
${declareReduction(wholeWorkgroup, sums)}
fn main(index : i32) {
  let lane = i32(localId.x);
  ${declareSlot(wholeWorkgroup)}
  ${sums.map(({ name }) => `var ${name} = 0.0;`).join("\n  ")}
  for (var row = index; row < uniforms.rows; row += uniforms.workgroups * ${workgroupSize}) {
    ${read}
    ${outputs.map((output, k) => `sum${k} += ${output};`).join("\n    ")}
  }
  ${reduction(sums, wholeWorkgroup)}
  if (lane == 0) {
    let workgroup = index / ${workgroupSize};
    ${sums.map(({ name }, k) => `result[${k} * uniforms.workgroups + workgroup] = ${name};`).join("\n    ")}
  }
}`;
  return tf.tidy(() => {
    const totals = run(program, body, rows, [outputs.length, workgroups], workgroups);
    return workgroups === 1 ? totals.reshape([outputs.length]) : tf.sum(totals, 1);
  });
}

function run(
  { given, numbers, statements }: RowProgram,
  body: (read: string) => string,
  rows: number,
  outputShape: number[],
  workgroups: number,
): tf.Tensor {
  return tf.tidy(() => {
    const { inputs, places } = readGiven(given, rows);
    const read = [
      ...places.map((place, k) => `let x${k} = f32(${place});`),
      ...numbers.map((_, k) => `let u${k} = uniforms.u${k};`),
      ...statements,
    ];
    const main = body(read.join("\n    "));
    return runProgram({
      key: `lossmith rows ${numbers.length} ${main}`,
      source: () => `${arithmetic}\n${rowFunctions}\n${main}`,
      ...{ outputShape, workgroups, inputs },
      uniforms: [
        { name: "rows", type: "i32", value: rows },
        { name: "workgroups", type: "i32", value: workgroups },
        { name: "zero", type: "u32", value: 0 },
        ...numbers.map((value, k) => ({ name: `u${k}`, type: "f32" as const, value })),
      ],
    });
  });
}

interface Given {
  readonly inputs: readonly Input[];
  /** WGSL for each number of a row. */
  readonly places: readonly string[];
}

/** A buffer for each tensor, or one for all of them where a program may not bind so many. */
function readGiven(given: readonly RowNumbers[], rows: number): Given {
  const tensors = given.map((numbers) => (numbers instanceof tf.Tensor ? numbers : numbers.within));
  const unique = [...new Map(tensors.map((tensor) => [tensor.dataId, tensor])).values()];
  const inOne = unique.length > mostInputs;
  const inputs = inOne
    ? [{ name: "given", tensor: tf.concat1d(unique.map((tensor) => tensor.reshape([tensor.size]))) }]
    : unique.map((tensor, k) => ({ name: `given${k}`, tensor }));
  const places = given.map((numbers, i) => {
    const k = unique.findIndex(({ dataId }) => dataId === tensors[i].dataId);
    const place = placeIn(numbers, rows);
    return inOne
      ? `given[${[...unique.slice(0, k).map((before) => sizeOf(before, rows)), place].join(" + ")}]`
      : `given${k}[${place}]`;
  });
  return { inputs, places };
}

/** Where a row's number is, in WGSL that holds for every number of rows. */
function placeIn(numbers: RowNumbers, rows: number): string {
  if (numbers instanceof tf.Tensor) return numbers.size === rows ? "row" : "0";
  const { within, as, index } = numbers;
  if (as === "entry") return `${index}`;
  return as === "row" ? `${index} * uniforms.rows + row` : `row * ${within.shape[1]} + ${index}`;
}

/** The size of a tensor: of one for each row, of several, or of numbers for all rows. */
function sizeOf({ size, shape }: tf.Tensor, rows: number): string {
  return size % rows === 0 && shape.includes(rows) ? `${size / rows} * uniforms.rows` : `${size}`;
}
