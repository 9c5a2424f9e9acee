/**
 * Programs over the rows of a batch as fragment programs: one writes all outputs, [outputs, N]. A texel holds two outputs of
 * two rows, which are computed side by side, as vec2.
 */
import * as tf from "@tensorflow/tfjs";
import { type Column, type RowNumbers, tensorOf } from "../column.ts";
import type { RowDevice, RowProgram } from "../rowProgram.ts";
import { rowSums } from "../sums.ts";
import { deviceRefusal } from "./backend.ts";
import { Inputs, samplerOf } from "./program.ts";

export const webglRows: RowDevice = {
  language: {
    define: (name, value) => `vec2 ${name} = ${value};`,
    constant: (text) => `vec2(${text})`,
    isLess: (x, y) => `lessThan(${x}, ${y})`,
    isRow: (index) => `bvec2(row == ${index}, row + 1 == ${index})`,
    select: (condition, whenTrue, otherwise) => `mix(${otherwise}, ${whenTrue}, ${condition})`,
  },
  rows: runRows,
  totals: (program, rows) => tf.tidy(() => rowSums(runRows(program, rows))),
};

/** Of two rows at once. Infinities and NaN come out as in float64. */
const rowFunctions = `
float nan() {
  return NAN;
}

bvec2 either(bvec2 a, bvec2 b) {
  return bvec2(a.x || b.x, a.y || b.y);
}

bvec2 both(bvec2 a, bvec2 b) {
  return bvec2(a.x && b.x, a.y && b.y);
}

bvec2 isZero(vec2 x) {
  return equal(floatBitsToUint(x) & uvec2(0x7fffffffu), uvec2(0u));
}

/** NaN or ∞. */
bvec2 isFlaw(vec2 x) {
  return either(isUndefined(x), equal(floatBitsToUint(x), uvec2(0x7f800000u)));
}

vec2 rowExp(vec2 x) {
  // In two parts, by e^32, where it would be beyond what it is made for.
  bvec2 isHigh = greaterThan(x, vec2(87.));
  vec2 power = preciseExp(mix(x, x - 32., isHigh)) * mix(vec2(1.), vec2(7.8962960182680695e13), isHigh);
  power = mix(power, vec2(infinity()), greaterThan(x, vec2(88.7)));
  return mix(power, x, isUndefined(x));
}

vec2 rowLog(vec2 x) {
  vec2 y = mix(preciseLog(x), x, isFlaw(x));
  y = mix(y, vec2(-infinity()), isZero(x));
  return mix(y, vec2(NAN), lessThan(x, vec2(0.)));
}

vec2 rowLog1p(vec2 x) {
  // Between −0.3 and 1 with the digits of a small x.
  return mix(rowLog(1. + x), doubleArtanh(x / (x + 2.)), lessThan(abs(x - .35), vec2(.65)));
}

vec2 rowSoftplus(vec2 x) {
  vec2 e = preciseExp(-abs(x));
  return mix(max(x, 0.) + doubleArtanh(e / (e + 2.)), x, isFlaw(x));
}

vec2 rowSigmoid(vec2 x) {
  vec2 e = preciseExp(-abs(x));
  return mix(mix(vec2(1.), e, lessThan(x, vec2(0.))) / (1. + e), x, isUndefined(x));
}

vec2 rowPow(vec2 x, vec2 y) {
  vec2 size = rowExp(y * rowLog(abs(x)));
  bvec2 isBelow = lessThan(x, vec2(0.));
  bvec2 isWhole = equal(floor(y), y);
  bvec2 isOdd = both(isWhole, notEqual(floor(.5 * y) * 2., y));
  vec2 power = mix(size, -size, both(isBelow, isOdd));
  power = mix(power, vec2(NAN), both(isBelow, not(either(isWhole, isFlaw(-x)))));
  power = mix(power, x * x, equal(y, vec2(2.)));
  power = mix(power, x, equal(y, vec2(1.)));
  return mix(power, vec2(1.), isZero(y));
}

vec2 rowMin(vec2 x, vec2 y) {
  return mix(mix(min(x, y), y, isUndefined(y)), x, isUndefined(x));
}

vec2 rowMax(vec2 x, vec2 y) {
  return mix(mix(max(x, y), y, isUndefined(y)), x, isUndefined(x));
}

vec2 rowWeigh(vec2 w, vec2 x) {
  return mix(w * x, vec2(0.), isZero(w));
}
`;

function runRows({ given, numbers, statements, outputs }: RowProgram, rows: number): tf.Tensor2D {
  return tf.tidy(() => {
    const inputs = new Inputs();
    const values = readGiven(given, rows, inputs);
    for (const [k, value] of numbers.entries()) inputs.number(`number${k}`, value);
    const pairs = Array.from({ length: Math.ceil(outputs.length / 2) }, (_, i) => {
      const second = outputs[2 * i + 1] ?? "vec2(0.)";
      return `if (coords.x == ${2 * i}) result = vec4(${outputs[2 * i]}, ${second});`;
    });
    return inputs.run(
      `${rowFunctions}
      void main() {
        ivec2 coords = getOutputCoords();
        int row = coords.y;
        ${values.map((value, i) => `vec2 x${i} = ${value};`).join("\n")}
        ${numbers.map((_, k) => `vec2 u${k} = vec2(number${k});`).join("\n")}
        ${statements.join("\n")}
        vec4 result = vec4(0.);
        ${pairs.join("\n")}
        // What lies beyond the last row must be 0: other ops read it.
        ${rows % 2 === 0 ? "" : `if (row == ${rows - 1}) result.yw = vec2(0.);`}
        setOutput(result);
      }`,
      [outputs.length, rows],
    ) as tf.Tensor2D;
  });
}

/** GLSL for each number of two rows: by a texture for each tensor, or one of all, as rows, where a program reads no more. */
function readGiven(given: readonly RowNumbers[], rows: number, inputs: Inputs): readonly string[] {
  const tensors = given.map((numbers) => (numbers instanceof tf.Tensor ? numbers : numbers.within));
  const unique = [...new Map(tensors.map((tensor) => [tensor.dataId, tensor])).values()];
  if (unique.length > tf.env().getNumber("WEBGL_MAX_TEXTURES_IN_SHADER")) {
    const lists = given.map((numbers) => tf.mul(tensorOf(numbers).cast("float32"), tf.ones([rows])));
    inputs.tensor("given", tf.stack(lists));
    return given.map((_, k) => columnOf("getGiven", "row", k));
  }
  for (const [k, tensor] of unique.entries()) inputs.tensor(`given${k}`, asListOrMatrix(tensor));
  return given.map((numbers, i) => {
    const sampler = samplerOf(`given${unique.findIndex(({ dataId }) => dataId === tensors[i].dataId)}`);
    if (!(numbers instanceof tf.Tensor)) return columnOf(sampler, numbers.as, numbers.index);
    return numbers.size === rows ? `${sampler}(row).xy` : `${sampler}(0).xx`;
  });
}

/** A tensor of rank 1 or 2 with the same numbers. */
function asListOrMatrix(tensor: tf.Tensor): tf.Tensor {
  return tensor.rank === 1 || tensor.rank === 2 ? tensor : tensor.reshape([tensor.size]);
}

/** Of a matrix a texel holds two rows and two columns. */
function columnOf(sampler: string, as: Column["as"], index: number): string {
  const isEven = index % 2 === 0;
  if (as === "entry") return `${sampler}(${index}).${isEven ? "xx" : "yy"}`;
  if (as === "row") return `${sampler}(${index}, row).${isEven ? "xy" : "zw"}`;
  return `${sampler}(row, ${index}).${isEven ? "xz" : "yw"}`;
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
  ["rowWeigh(vec2(0.), x0) + x1", () => 7],
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
