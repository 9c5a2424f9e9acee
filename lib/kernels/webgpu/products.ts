/** Products on webgpu: tensorflow.js's own, and one that adds to a total in its place. */
import * as tf from "@tensorflow/tfjs";
import { type Factor, type Products, portableProducts, shapeOf } from "../products/products.ts";
import { runProgram, workgroupSize } from "./program.ts";

export const webgpuProducts: Products = {
  name: "webgpu",
  spare: 0,
  multiply: (a, b, bias) =>
    bias === null
      ? portableProducts.multiply(a, b, null)
      : (tf.fused.matMul({
          ...{ a: a.matrix, b: b.matrix, bias },
          ...{ transposeA: a.transposed, transposeB: b.transposed },
        }) as tf.Tensor2D),
  add: (total, a, b) => addProduct(total, a, b),
  scale: (total, factor) => {
    runProgram({
      key: "lossmith scaled in its place",
      source: () => "fn main(index : i32) { if (index < uniforms.count) { result[index] *= factor[0]; } }",
      outputShape: total.shape,
      workgroups: Math.ceil(total.size / workgroupSize),
      inputs: [{ name: "factor", tensor: factor }],
      uniforms: [{ name: "count", type: "i32", value: total.size }],
      into: total,
    });
    return tf.clone(total);
  },
};

/** A workgroup makes a square of the result of so many rows, an invocation one of 4 × 4. */
const square = 64;
/** Terms of the sums that a workgroup reads at a time. */
const depth = 16;

function addProduct(total: tf.Tensor2D, a: Factor, b: Factor): tf.Tensor2D {
  const [m, k] = shapeOf(a);
  const [, n] = shapeOf(b);
  const across = Math.ceil(n / square);
  return runProgram({
    key: `lossmith sum and product ${a.transposed} ${b.transposed}`,
    source: () => source(a.transposed, b.transposed),
    outputShape: [m, n],
    workgroups: across * Math.ceil(m / square),
    inputs: [
      { name: "a", tensor: a.matrix },
      { name: "b", tensor: b.matrix },
    ],
    uniforms: [
      { name: "m", type: "i32", value: m },
      { name: "k", type: "i32", value: k },
      { name: "n", type: "i32", value: n },
      { name: "across", type: "i32", value: across },
    ],
    into: total,
  }) as tf.Tensor2D;
}

/** Neighbouring invocations read neighbouring entries, whichever way a factor lies. */
function source(transposedA: boolean, transposedB: boolean): string {
  const [rowOfA, termOfA] = transposedA ? [`e % ${square}`, `e / ${square}`] : [`e / ${depth}`, `e % ${depth}`];
  const [columnOfB, termOfB] = transposedB ? [`e / ${depth}`, `e % ${depth}`] : [`e % ${square}`, `e / ${square}`];
  const atA = transposedA ? "p * uniforms.m + i" : "i * uniforms.k + p";
  const atB = transposedB ? "j * uniforms.k + p" : "p * uniforms.n + j";
  const each = (body: (x: number, y: number) => string): string =>
    [0, 1, 2, 3].flatMap((x) => [0, 1, 2, 3].map((y) => body(x, y))).join("\n    ");
  const four = (body: (x: number) => string): string => [0, 1, 2, 3].map(body).join("\n      ");
  return /* wgsl */ `
var<workgroup> left : array<f32, ${square * depth}>;
var<workgroup> right : array<f32, ${square * depth}>;

fn main(index : i32) {
  let lane = i32(localId.x);
  let workgroup = index / ${workgroupSize};
  let firstRow = workgroup / uniforms.across * ${square};
  let firstColumn = workgroup % uniforms.across * ${square};
  let x = lane / 16 * 4;
  let y = lane % 16 * 4;
  ${each((i, j) => `var c${i}${j} = 0.0;`)}
  for (var start = 0; start < uniforms.k; start += ${depth}) {
    for (var e = lane; e < ${square * depth}; e += ${workgroupSize}) {
      let row = ${rowOfA};
      let termA = ${termOfA};
      let i = firstRow + row;
      var p = start + termA;
      var value = 0.0;
      if (i < uniforms.m && p < uniforms.k) { value = a[${atA}]; }
      left[termA * ${square} + row] = value;
      let column = ${columnOfB};
      let termB = ${termOfB};
      let j = firstColumn + column;
      p = start + termB;
      value = 0.0;
      if (j < uniforms.n && p < uniforms.k) { value = b[${atB}]; }
      right[termB * ${square} + column] = value;
    }
    workgroupBarrier();
    for (var term = 0; term < ${depth}; term++) {
      ${four((i) => `let a${i} = left[term * ${square} + x + ${i}];`)}
      ${four((j) => `let b${j} = right[term * ${square} + y + ${j}];`)}
      ${each((i, j) => `c${i}${j} += a${i} * b${j};`)}
    }
    workgroupBarrier();
  }
  ${each((i, j) => `if (firstRow + x + ${i} < uniforms.m && firstColumn + y + ${j} < uniforms.n) { let at = (firstRow + x + ${i}) * uniforms.n + firstColumn + y + ${j}; result[at] += c${i}${j}; }`)}
}`;
}
