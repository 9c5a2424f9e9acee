/**
 * What programs of tensorflow.js's webgpu backend say wrongly, and what they say instead. A text that is not found, since
 * tensorflow.js was repaired, is left as it is.
 */
import type { DataType } from "@tensorflow/tfjs";
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { expm1Terms, seriesBound } from "../../kernels/expm1.ts";

/** A program, as tensorflow.js gives it to its backend. */
export type Program = Parameters<WebGPUBackend["runWebGPUProgram"]>[0];

interface Correction {
  /** With what tensorflow.js's key of the program starts. */
  readonly key: string;
  /** For results of integers or booleans alone. */
  readonly integers?: true;
  readonly wrong: RegExp;
  readonly right: string;
  /** Functions that the right text calls, of numbers or of vectors of four. */
  readonly functions?: (type: "f32" | "vec4<f32>") => string;
}

/** a to a whole power, by products: beyond 31 it is 0, ±1, or no int32. Below 0 it is cut to a whole number. */
const wholePower = (type: string): string => `
  fn wholePower(base : ${type}, exponent : ${type}) -> ${type} {
    var product = ${type}(1.0);
    for (var i = 0; i < 31; i++) {
      product = select(product, product * base, ${type}(f32(i)) < exponent);
    }
    let below = select(${type}(0.0), ${type}(1.0), base == ${type}(1.0));
    return select(product, below, exponent < ${type}(0.0));
  }
`;

/** As lib/kernels/log1p.ts forms it below 0.3; above it 1 + a keeps nearly all digits of a. */
const log1p = (): string => `
  fn accurateLog1p(a : f32) -> f32 {
    let s = a / (2.0 + a);
    let q = s * s;
    let series = 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0))));
    return select(log(1.0 + a), series, abs(a) < 0.3);
  }
`;

const expm1 = (): string => `
  fn accurateExpm1(a : f32) -> f32 {
    let series = a * ${expm1Terms.map((term) => `(${term.toExponential()} + a * `).join("")}0.0${")".repeat(expm1Terms.length)};
    return select(exp(a) - 1.0, series, abs(a) < ${seriesBound});
  }
`;

const corrections: readonly Correction[] = [
  // Integers are given to a function of floats, which the device refuses.
  {
    key: "transpose_",
    integers: true,
    wrong: /setOutputAtIndex\(flatIndex, A\[/,
    right: "setOutputAtIndexI32(flatIndex, A[",
  },
  // An integer's sum takes the bits of a float, and an id that is too large wraps around.
  {
    key: "unsortedSegmentSum",
    wrong: /let value = getX\(b, inCol\);/,
    right: "let value = x[getIndexFromCoords2D(coords, uniforms.xShape)];",
  },
  {
    key: "unsortedSegmentSum",
    wrong: /if \(segmentId >= 0\)/,
    right: "if (segmentId >= 0 && segmentId < uniforms.numSegments)",
  },
  // Of equal entries it is not the first.
  {
    key: "argMinMax_",
    wrong: /(let candidate = xBestValues\[localId\.x \+ interval\];\s*if \()(candidate [<>] bestValue)\)/,
    right: "$1$2 || (candidate == bestValue && xBestIndices[localId.x + interval] < xBestIndices[localId.x]))",
  },
  // An image's number is compared to that of the boxes.
  { key: "cropAndResize_", wrong: /bInd >= uniforms\.outShape\[0\]/, right: "bInd >= uniforms.imageShape[0]" },
  // Windows without an entry above −1e20 count as empty.
  ...["pool2D_max_", "pool3D_max_"].map((key) => ({
    key,
    wrong: /-1\.0 \/ pow\(10\.0, -20\.0\)/,
    right: "-uniforms.INFINITY",
  })),
  // The gradient goes to the last of equal entries, and past an infinite one.
  ...["pool2D_max_", "pool3D_max_"].map((key) => ({
    key,
    wrong: /let currMaxValue = mix\(value, maxValue, maxValueFound\);\s*if \(value >= currMaxValue\)/,
    right: "if (maxValueFound == 0.0 || value > maxValue)",
  })),
  // A place in a window that is not a cube.
  {
    key: "pool3D_max_",
    wrong: /wD \* uniforms\.filterDims\.y \* uniforms\.filterDims\.y/,
    right: "wD * uniforms.filterDims.y * uniforms.filterDims.z",
  },
  // A power of integers is cut to a whole number: 15³ would be 3374. (19 is the power.)
  {
    key: "binary_19_",
    integers: true,
    wrong: /pow\(abs\(a\), b\)/g,
    right: "wholePower(abs(a), b)",
    functions: wholePower,
  },
  // Small numbers lose their digits. (13, 20 and 34 are expm1, log1p and softplus.)
  { key: "unary_13", wrong: /return exp\(a\) - 1\.0;/, right: "return accurateExpm1(a);", functions: expm1 },
  { key: "unary_20", wrong: /return log\(1\.0 \+ a\);/, right: "return accurateLog1p(a);", functions: log1p },
  { key: "unary_34", wrong: /return log\(exp_a \+ 1\.0\);/, right: "return accurateLog1p(exp_a);", functions: log1p },
  // Above 65 535 rows there are more workgroups than rows.
  {
    key: "softmax",
    wrong: /setOutputAtCoords\(row, col, value\);/,
    right: "if (row < uniforms.outShape[0]) { setOutputAtCoords(row, col, value); }",
  },
];

/** A product in pieces of the inner dimension: it reads a right factor that is transposed in fours along the wrong axis. */
const transposedInPieces = /^matMulSplitK_(true|false)_true_/;

/** Lets a program say what it should. */
export function correct(program: Program, result: DataType): void {
  if (transposedInPieces.test(program.shaderKey)) program.outputComponent = 1;
  const isInteger = result === "int32" || result === "bool";
  const concerning = corrections.filter(
    ({ key, integers }) => program.shaderKey.startsWith(key) && (integers === undefined || isInteger),
  );
  if (concerning.length === 0) return;
  let code = program.getUserCode();
  const type = program.outputComponent === 4 ? "vec4<f32>" : "f32";
  for (const { wrong, right, functions } of concerning) {
    const corrected = code.replace(wrong, right);
    if (corrected !== code) code = (functions?.(type) ?? "") + corrected;
  }
  program.getUserCode = () => code;
}
