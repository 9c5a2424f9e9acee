import type * as tf from "@tensorflow/tfjs";
import { chooseProducts } from "../../lib/kernels/products/choose.ts";
import type { Products } from "../../lib/kernels/products/products.ts";

/** A product that was made. */
export interface Multiplication {
  readonly name: "multiply" | "add";
  /** Its numbers of rows and columns. */
  readonly shape: readonly [number, number];
  /** The multiplications of numbers in it. */
  readonly size: number;
}

/** Runs `body` with a note of each product that it makes. */
export function multiplications(body: () => void): readonly Multiplication[] {
  const products = chooseProducts() as { -readonly [K in keyof Products]: Products[K] };
  const { multiply, add } = products;
  const seen: Multiplication[] = [];
  const note = (name: Multiplication["name"], k: number, result: tf.Tensor2D): tf.Tensor2D => {
    seen.push({ name, shape: result.shape, size: result.size * k });
    return result;
  };
  const termsOf = ({ matrix, transposed }: Parameters<Products["multiply"]>[0]): number =>
    matrix.shape[transposed ? 0 : 1];
  products.multiply = (a, b, bias) => note("multiply", termsOf(a), multiply(a, b, bias));
  products.add = (total, a, b) => note("add", termsOf(a), add(total, a, b));
  try {
    body();
  } finally {
    Object.assign(products, { multiply, add });
  }
  return seen;
}
