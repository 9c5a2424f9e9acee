/** Whether products are right on this device: a few of them, of sizes that fit no piece, against sums on the host. */
import * as tf from "@tensorflow/tfjs";
import { messageOf } from "../selfTest.ts";
import type { Factor, Products } from "./products.ts";

/** What is wrong with the products, where the host reads tensors without waiting; null if nothing is. */
export function faultOfNow(products: Products): string | null {
  try {
    const { results, expected } = start(products);
    const computed = results.map((tensor) => tensor.dataSync());
    tf.dispose([...results]);
    return compare(computed, expected);
  } catch (error) {
    return messageOf(error);
  }
}

/** The same on any device. */
export async function faultOf(products: Products): Promise<string | null> {
  try {
    const { results, expected } = start(products);
    const computed = await Promise.all(results.map((tensor) => tensor.data()));
    tf.dispose([...results]);
    return compare(computed, expected);
  } catch (error) {
    return messageOf(error);
  }
}

/** Longer than the pieces that are worked on at a time in no direction by a whole number of them. */
const [m, k, n] = [70, 37, 83];

interface Started {
  readonly results: readonly tf.Tensor[];
  readonly expected: readonly number[];
}

/** A product with a bias, a sum, and a product that is scaled, with factors that lie either way, that have the same result. */
function start(products: Products): Started {
  const left = (i: number, p: number): number => Math.sin(1 + i * 7 + p * 3);
  const right = (p: number, j: number): number => Math.cos(2 + p * 5 + j);
  const biasOf = (j: number): number => j % 5;
  const expected = matrix(m, n, (i, j) => {
    let sum = biasOf(j);
    for (let p = 0; p < k; p++) sum += left(i, p) * right(p, j);
    return sum;
  });
  const results = tf.tidy(() => {
    const a = tf.tensor2d(matrix(m, k, left), [m, k]);
    const b = tf.tensor2d(matrix(k, n, right), [k, n]);
    const bias = tf.tensor1d(matrix(1, n, (_, j) => biasOf(j)));
    const plain = (factor: tf.Tensor2D): Factor => ({ matrix: factor, transposed: false });
    const turned = (factor: tf.Tensor2D): Factor => ({ matrix: tf.transpose(factor), transposed: true });
    const before = tf.tensor2d(
      matrix(m, n, (_, j) => biasOf(j)),
      [m, n],
    );
    const half = products.multiply(plain(tf.mul(a, 0.5)), turned(b), tf.mul(bias, 0.5));
    const values = [
      products.multiply(plain(a), turned(b), bias),
      products.add(before, turned(a), plain(b)),
      products.scale(half, tf.scalar(2)),
    ];
    return values.map((tensor) => tf.keep(tensor));
  });
  return { results, expected: [...expected] };
}

function matrix(rows: number, columns: number, entry: (i: number, j: number) => number): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, at) => entry(Math.floor(at / columns), at % columns));
}

function compare(computed: readonly ArrayLike<number>[], expected: readonly number[]): string | null {
  for (const values of computed) {
    const wrong = expected.findIndex((x, at) => !(Math.abs(values[at] - x) <= 1e-4));
    if (wrong >= 0) return `entry ${wrong} is ${values[wrong]} and should be ${expected[wrong]}`;
  }
  return null;
}
