/**
 * Programs over the rows of a batch as fragment programs: one writes all outputs, [outputs, N]. A texel holds two outputs of
 * two rows.
 */
import * as tf from "@tensorflow/tfjs";
import { type Column, type RowNumbers, tensorOf } from "../column.ts";
import type { RowDevice, RowProgram } from "../rowProgram.ts";
import { rowSums } from "../sums.ts";
import { deviceRefusal } from "./backend.ts";
import { Inputs, samplerOf } from "./program.ts";

export const webglRows: RowDevice = {
  language: {
    define: (name, value) => `float ${name} = ${value};`,
    defineCondition: (name, value) => `bool ${name} = ${value};`,
    select: (condition, whenTrue, otherwise) => `(${condition} ? ${whenTrue} : ${otherwise})`,
  },
  rows: runRows,
  totals: (program, rows) => tf.tidy(() => rowSums(runRows(program, rows))),
};

/** Infinities and NaN come out as in float64. */
const rowFunctions = `
float nan() {
  return NAN;
}

bool isNotANumber(float x) {
  return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u;
}

bool isZero(float x) {
  return (floatBitsToUint(x) & 0x7fffffffu) == 0u;
}

/** NaN or ∞. */
bool isFlaw(float x) {
  return isNotANumber(x) || floatBitsToUint(x) == 0x7f800000u;
}

float rowExp(float x) {
  if (isNotANumber(x)) return x;
  // In two halves where one would be beyond what it is made for.
  if (x > 88.7) return infinity();
  if (x > 87.) return preciseExp(vec4(x - 32.)).x * 7.8962960182680695e13;
  return preciseExp(vec4(x)).x;
}

float rowLog(float x) {
  if (isNotANumber(x) || x < 0.) return nan();
  if (isZero(x)) return -infinity();
  if (isFlaw(x)) return x;
  return preciseLog(vec2(x)).x;
}

float rowLog1p(float x) {
  if (isFlaw(x)) return x;
  if (x >= 0.) return log1p(vec2(x)).x;
  if (x > -.3) return doubleArtanh(vec2(x / (x + 2.))).x;
  return rowLog(1. + x);
}

float rowSoftplus(float x) {
  if (isFlaw(x)) return x;
  return max(x, 0.) + log1p(preciseExp(vec2(-abs(x)))).x;
}

float rowSigmoid(float x) {
  if (isNotANumber(x)) return x;
  float e = preciseExp(vec4(-abs(x))).x;
  return (x < 0. ? e : 1.) / (1. + e);
}

float rowPow(float x, float y) {
  if (isZero(y)) return 1.;
  if (y == 1.) return x;
  if (y == 2.) return x * x;
  if (isNotANumber(x) || isNotANumber(y)) return nan();
  if (isZero(x)) return y > 0. ? 0. : infinity();
  if (x > 0.) return rowExp(y * rowLog(x));
  if (floor(y) != y) return isFlaw(-x) ? rowExp(y * rowLog(-x)) : nan();
  float size = rowExp(y * rowLog(-x));
  return floor(y * .5) * 2. != y ? -size : size;
}

float rowMin(float x, float y) {
  if (isNotANumber(x)) return x;
  if (isNotANumber(y)) return y;
  return min(x, y);
}

float rowMax(float x, float y) {
  if (isNotANumber(x)) return x;
  if (isNotANumber(y)) return y;
  return max(x, y);
}

float rowWeigh(float w, float x) {
  return isZero(w) ? 0. : w * x;
}
`;

function runRows({ given, numbers, statements, outputs }: RowProgram, rows: number): tf.Tensor2D {
  return tf.tidy(() => {
    const inputs = new Inputs();
    const values = readGiven(given, rows, inputs);
    for (const [k, value] of numbers.entries()) inputs.number(`u${k}`, value);
    const pairs = Array.from({ length: Math.ceil(outputs.length / 2) }, (_, i) => {
      return `if (k == ${2 * i}) return vec2(${outputs[2 * i]}, ${outputs[2 * i + 1] ?? "0."});`;
    });
    return inputs.run(
      `${rowFunctions}
      vec2 outputsAt(int k, int row) {
        ${values.map((value, i) => `float x${i} = ${value};`).join("\n")}
        ${statements.join("\n")}
        ${pairs.join("\n")}
        return vec2(0.);
      }
      void main() {
        ivec2 coords = getOutputCoords();
        vec2 first = outputsAt(coords.x, coords.y);
        // What lies beyond the last row must be 0: other ops read it.
        vec2 second = coords.y + 1 < ${rows} ? outputsAt(coords.x, coords.y + 1) : vec2(0.);
        setOutput(vec4(first.x, second.x, first.y, second.y));
      }`,
      [outputs.length, rows],
    ) as tf.Tensor2D;
  });
}

/** GLSL for each number of `row`: by a texture for each tensor, or one of all, as rows, where a program reads no more. */
function readGiven(given: readonly RowNumbers[], rows: number, inputs: Inputs): readonly string[] {
  const tensors = given.map((numbers) => (numbers instanceof tf.Tensor ? numbers : numbers.within));
  const unique = [...new Map(tensors.map((tensor) => [tensor.dataId, tensor])).values()];
  if (unique.length > tf.env().getNumber("WEBGL_MAX_TEXTURES_IN_SHADER")) {
    const lists = given.map((numbers) => tf.mul(tensorOf(numbers).cast("float32"), tf.ones([rows])));
    inputs.tensor("given", tf.stack(lists));
    return given.map((_, k) => entryOf(`getGiven(${k}, row)`, `${k}`, "row"));
  }
  for (const [k, tensor] of unique.entries()) inputs.tensor(`given${k}`, asListOrMatrix(tensor));
  return given.map((numbers, i) => {
    const sampler = samplerOf(`given${unique.findIndex(({ dataId }) => dataId === tensors[i].dataId)}`);
    if (!(numbers instanceof tf.Tensor)) return columnOf(sampler, numbers);
    if (numbers.size === rows) return entryOf(`${sampler}(row)`, "0", "row");
    return `${sampler}(0).x`;
  });
}

/** A tensor of rank 1 or 2 with the same numbers. */
function asListOrMatrix(tensor: tf.Tensor): tf.Tensor {
  return tensor.rank === 1 || tensor.rank === 2 ? tensor : tensor.reshape([tensor.size]);
}

function columnOf(sampler: string, { as, index }: Column): string {
  if (as === "entry") return entryOf(`${sampler}(${index})`, "0", `${index}`);
  if (as === "row") return entryOf(`${sampler}(${index}, row)`, `${index}`, "row");
  return entryOf(`${sampler}(row, ${index})`, "row", `${index}`);
}

/** The entry of a texel at a row and a column of it. */
function entryOf(texel: string, row: string, column: string): string {
  return `(${row} % 2 == 0 ? (${column} % 2 == 0 ? ${texel}.x : ${texel}.y) : (${column} % 2 == 0 ? ${texel}.z : ${texel}.w))`;
}

const verdicts = new WeakMap<object, boolean>();

/** Whether such programs compute right on the current device: with the first question they are tested there. */
export function webglRowsWork(): boolean {
  const backend = tf.backend();
  const known = verdicts.get(backend) ?? (deviceRefusal() === null && passes());
  verdicts.set(backend, known);
  return known;
}

const xs = [
  -40,
  -2.5,
  -1,
  -0.2,
  -1e-4,
  0,
  1e-4,
  0.3,
  1,
  5,
  40,
  Number.NEGATIVE_INFINITY,
  Number.POSITIVE_INFINITY,
  Number.NaN,
];

const tests: readonly (readonly [string, (x: number) => number])[] = [
  ["rowExp(x0)", Math.exp],
  ["rowLog(x0)", Math.log],
  ["rowLog1p(x0)", Math.log1p],
  ["rowSoftplus(x0)", (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))],
  ["rowSigmoid(x0)", (x) => 1 / (1 + Math.exp(-x))],
  ["rowPow(x0, u0)", (x) => x ** 3],
  ["rowMax(x0, rowMin(u0, x0))", (x) => Math.max(x, Math.min(3, x))],
  ["rowWeigh(0., x0) + x1", () => 7],
];

function passes(): boolean {
  try {
    const computed = tf.tidy(() => {
      const given = [tf.tensor1d(xs), tf.scalar(7)];
      return runRows(
        { given, numbers: [3], statements: [], outputs: tests.map(([text]) => text) },
        xs.length,
      ).dataSync();
    });
    return tests.every(([, exact], k) =>
      xs.every((x, i) => isNear(computed[k * xs.length + i], exact(Math.fround(x)))),
    );
  } catch {
    return false;
  }
}

function isNear(x: number, exact: number): boolean {
  return Object.is(x, exact) || x === exact || Math.abs(x - exact) <= 4e-6 * Math.max(1e-6, Math.abs(exact));
}
