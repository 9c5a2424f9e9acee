/** Products for the cpu backend: pieces of the matrices are copied into the module's memory, and the result back. */
import * as tf from "@tensorflow/tfjs";
import type { Address } from "../module/block.ts";
import { type Factor, type Products, scaleOnHost, shapeOf } from "../products/products.ts";
import { type CpuBackend, valuesOf } from "./backend.ts";
import { type ModuleMemory, moduleMemory } from "./moduleMemory.ts";

/** So many lines of the longest side are worked on at a time. */
const lines = 1024;

export const cpuProducts: Products = {
  name: "cpu",
  spare: 0,
  multiply: (a, b, bias) => {
    const shape: [number, number] = [shapeOf(a)[0], shapeOf(b)[1]];
    const out = tf.tensor2d(new Float32Array(shape[0] * shape[1]), shape);
    run(out, a, b, bias, false);
    return out;
  },
  add: (total, a, b) => {
    run(total, a, b, null, true);
    return total;
  },
  scale: scaleOnHost,
};

/** From and to of the rows, the columns and the terms of a product. */
interface Piece {
  readonly m: readonly [number, number];
  readonly k: readonly [number, number];
  readonly n: readonly [number, number];
}

/** A part of a matrix in the module's memory, without gaps. */
class Part {
  readonly address: Address;
  readonly #rows: readonly [number, number];
  readonly #columns: readonly [number, number];
  readonly #width: number;
  readonly #values: Float32Array;

  constructor(
    private readonly module: ModuleMemory,
    matrix: tf.Tensor1D | tf.Tensor2D,
    rows: readonly [number, number],
    columns: readonly [number, number],
  ) {
    this.#rows = rows;
    this.#columns = columns;
    this.#width = matrix.shape[matrix.rank - 1];
    this.#values = valuesOf(tf.backend() as unknown as CpuBackend, matrix) as Float32Array;
    this.address = module.room(4 * (rows[1] - rows[0]) * (columns[1] - columns[0]));
  }

  get width(): number {
    return this.#columns[1] - this.#columns[0];
  }

  write(): this {
    this.#each((address, values) => this.module.write(address, values));
    return this;
  }

  read(): void {
    this.#each((address, values) => this.module.read(address, values));
  }

  #each(visit: (address: Address, values: Float32Array) => void): void {
    const [from, to] = this.#columns;
    for (let row = this.#rows[0]; row < this.#rows[1]; row++) {
      const start = row * this.#width;
      visit(this.address + 4 * (row - this.#rows[0]) * this.width, this.#values.subarray(start + from, start + to));
    }
  }
}

function run(out: tf.Tensor2D, a: Factor, b: Factor, bias: tf.Tensor1D | null, adds: boolean): void {
  const [m, k] = shapeOf(a);
  const [, n] = shapeOf(b);
  const whole: Piece = { m: [0, m], k: [0, k], n: [0, n] };
  const sides = { m, k, n };
  const longest = (["m", "k", "n"] as const).reduce((best, side) => (sides[side] > sides[best] ? side : best));
  for (let from = 0; from < Math.max(1, sides[longest]); from += lines) {
    const piece = { ...whole, [longest]: [from, Math.min(sides[longest], from + lines)] };
    const again = longest === "k" && from > 0;
    runPiece(out, a, b, again ? null : bias, adds || again, piece);
  }
}

function runPiece(
  out: tf.Tensor2D,
  a: Factor,
  b: Factor,
  bias: tf.Tensor1D | null,
  adds: boolean,
  { m, k, n }: Piece,
): void {
  const module = moduleMemory();
  const scratch = module.room(module.productScratch());
  const part = ({ matrix, transposed }: Factor, rows: Piece["m"], columns: Piece["n"]): Part =>
    (transposed ? new Part(module, matrix, columns, rows) : new Part(module, matrix, rows, columns)).write();
  const left = part(a, m, k);
  const right = part(b, k, n);
  const added = bias === null ? null : new Part(module, bias, [0, 1], n).write();
  const result = new Part(module, out, m, n);
  if (adds) result.write();
  const strides = ({ transposed }: Factor, { width }: Part): readonly [number, number] =>
    transposed ? [1, width] : [width, 1];
  const length = ([from, to]: readonly [number, number]): number => to - from;
  module.product(
    result.address,
    ...[left.address, ...strides(a, left)],
    ...[right.address, ...strides(b, right)],
    ...[length(m), length(k), length(n)],
    ...[added?.address ?? 0, adds ? 1 : 0, scratch],
  );
  result.read();
}
