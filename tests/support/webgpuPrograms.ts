/** What programs of tensorflow.js's webgpu backend compute wrongly, each case with the right numbers beside it. */
import * as tf from "@tensorflow/tfjs";

export interface ProgramCase {
  readonly name: string;
  /** What is computed one after the other, since a program is kept for the next. */
  readonly compute: () => readonly tf.Tensor[];
  readonly right: readonly (readonly number[])[];
  /** The relative error that is right, too; none for integers. */
  readonly within?: number;
  /** Whether it is one of the largest number: each is a sum of large ones. */
  readonly ofLargest?: true;
}

const lengths = [5, 3, 7];
const numbers = (length: number): number[] => Array.from({ length }, (_, i) => 1 + ((i * 7) % 5) / 4);

/** Sums or products of what comes before each entry. */
function cumulate(values: readonly number[], product: boolean, exclusive: boolean, reverse: boolean): number[] {
  const ordered = reverse ? [...values].reverse() : values;
  let total = product ? 1 : 0;
  const results = ordered.map((value) => {
    const before = total;
    total = product ? total * value : total + value;
    return exclusive ? before : total;
  });
  return reverse ? results.reverse() : results;
}

const cumulative: readonly ProgramCase[] = [false, true].flatMap((product) =>
  [false, true].map((exclusive) => ({
    name: `cumulative ${product ? "products" : "sums"} in reverse of several lengths${exclusive ? ", exclusive" : ""}`,
    compute: () =>
      lengths.map((length) => (product ? tf.cumprod : tf.cumsum)(tf.tensor1d(numbers(length)), 0, exclusive, true)),
    right: lengths.map((length) => cumulate(numbers(length), product, exclusive, true)),
    within: 1e-6,
  })),
);

const [outer, inner, columns] = [16, 2004, 12];
const entry = (row: number, column: number): number => (((row * 31 + column * 17) % 13) - 6) / 8;
const matrix = (rows: number, width: number, at: (row: number, column: number) => number): tf.Tensor2D =>
  tf.tensor2d(
    Float32Array.from({ length: rows * width }, (_, i) => at(Math.floor(i / width), i % width)),
    [rows, width],
  );

/** A long product, as the gradient of a language model's hidden states is: [N, V] · [D, V]ᵀ. */
const longProduct = Array.from({ length: outer * columns }, (_, at) => {
  const [row, column] = [Math.floor(at / columns), at % columns];
  let sum = 0;
  for (let k = 0; k < inner; k++) sum += entry(row, k) * entry(column + 5, k);
  return sum;
});
const right = (): tf.Tensor2D => matrix(columns, inner, (row, column) => entry(row + 5, column));

const tied = Array.from({ length: 100 }, (_, i) => (i === 33 || i === 64 ? 3 : 1));
const box = { height: 4, width: 3 };
const image = (number: number): number[] => Array.from({ length: box.height * box.width }, (_, i) => number * 100 + i);

/** 2 × 2 × 3 windows of a 2 × 2 × 3 volume: there is one, and its largest entry is where the gradient goes. */
const volume = [1, 2, 3, 4, 5, 6, 7, 12, 9, 10, 11, 8];

export const programCases: readonly ProgramCase[] = [
  ...cumulative,
  {
    name: "the gradient of cumulative sums of several lengths",
    compute: () =>
      lengths.map((length) =>
        tf.grad((x) => tf.sum(tf.mul(tf.cumsum(x, 0), tf.tensor1d(numbers(length)))))(tf.zeros([length])),
      ),
    right: lengths.map((length) => cumulate(numbers(length), false, false, true)),
    within: 1e-6,
  },
  {
    name: "a cumulative sum along the last axis, as −1",
    compute: () => [tf.cumsum(tf.tensor2d([1, 2, 3, 4], [2, 2]), -1)],
    right: [[1, 3, 3, 7]],
  },
  {
    name: "a long product with a right factor that is transposed",
    compute: () => [
      tf.matMul(matrix(outer, inner, entry), right(), false, true),
      tf.matMul(
        matrix(inner, outer, (row, column) => entry(column, row)),
        right(),
        true,
        true,
      ),
    ],
    right: [longProduct, longProduct],
    within: 1e-5,
    ofLargest: true,
  },
  {
    name: "sums of segments of integers",
    compute: () => [
      tf.unsortedSegmentSum(tf.tensor1d([5, -3, 16777217, 4], "int32"), tf.tensor1d([0, 1, 2, 0], "int32"), 3),
    ],
    right: [[9, -3, 16777217]],
  },
  {
    name: "sums of segments with an id above the last segment, whose entries gather took from nowhere",
    compute: () => [tf.unsortedSegmentSum(tf.tensor1d([1, 2, 4, 8]), tf.tensor1d([0, 2, 1, -1], "int32"), 2)],
    right: [[1, 4]],
  },
  {
    name: "a transpose of integers, and what needs one of booleans",
    compute: () => [
      tf.transpose(tf.tensor3d([1, 2, 3, 4, 5, 16777217], [1, 2, 3], "int32"), [2, 0, 1]),
      tf.all(tf.tensor3d([1, 0, 1, 1, 1, 1, 0, 1], [2, 2, 2], "bool"), 1),
    ],
    right: [
      [1, 4, 2, 5, 3, 16777217],
      [1, 0, 0, 1],
    ],
  },
  {
    name: "the first of equal entries",
    compute: () => [tf.argMax(tf.tensor1d(tied)), tf.argMin(tf.tensor1d(tied.map((value) => -value)))],
    right: [[33], [33]],
  },
  {
    name: "the shape of a place on one axis",
    compute: () => [tf.argMax, tf.argMin].map((place) => tf.tensor1d(place(tf.tensor1d([1, 3, 2])).shape, "int32")),
    right: [[], []],
  },
  {
    name: "powers of integers",
    compute: () => [
      tf.pow(tf.tensor1d([15, 10, -3, 2, 7], "int32"), tf.tensor1d([3, 3, 3, 0, 1], "int32")),
      tf.pow(tf.tensor1d([15, -5, 0, 1], "int32"), tf.tensor1d([3, 6, 2, -2], "int32")),
      tf.pow(tf.tensor2d([30, 17, 5, 3], [2, 2], "int32"), tf.tensor1d([3, 3], "int32")),
    ],
    right: [
      [3375, 1000, -27, 1, 7],
      [3375, 15625, 0, 1],
      [27000, 4913, 125, 27],
    ],
  },
  {
    name: "boxes of an image whose number is above that of the boxes",
    compute: () => [
      tf.image.cropAndResize(
        tf.tensor4d([0, 1, 2].flatMap(image), [3, box.height, box.width, 1]),
        tf.tensor2d([0, 0, 1, 1], [1, 4]),
        tf.tensor1d([2], "int32"),
        [box.height, box.width],
        "nearest",
      ),
    ],
    right: [image(2)],
  },
  {
    name: "the largest entry of a window without one above −1e20",
    compute: () => [tf.maxPool(tf.fill<tf.Rank.R4>([1, 2, 4, 1], Number.NEGATIVE_INFINITY), 2, 2, "valid")],
    right: [[Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]],
  },
  {
    name: "the gradient of a window's largest entry: the first of equal ones, and an infinite one",
    compute: () =>
      [
        [1, 3, 3, 2],
        [1, Number.POSITIVE_INFINITY, 3, Number.POSITIVE_INFINITY],
      ].map((values) =>
        tf.grad((x) => tf.sum(tf.maxPool(x as tf.Tensor4D, 2, 2, "valid")))(tf.tensor4d(values, [1, 2, 2, 1])),
      ),
    right: [
      [0, 1, 0, 0],
      [0, 1, 0, 0],
    ],
  },
  {
    name: "the gradient of a window of three axes that is no cube",
    compute: () => [
      tf.grad((x) => tf.sum(tf.maxPool3d(x as tf.Tensor5D, [2, 2, 3], 1, "valid")))(
        tf.tensor5d(volume, [1, 2, 2, 3, 1]),
      ),
    ],
    right: [volume.map((value) => (value === 12 ? 1 : 0))],
  },
  ...[
    { name: "exp(x) − 1", op: tf.expm1, exact: Math.expm1, at: [1e-7, -1e-4, 0.3, 0.6, -40, 20] },
    { name: "log(1 + x)", op: tf.log1p, exact: Math.log1p, at: [1e-7, -1e-4, 0.25, 0.5, -0.9, 1e6] },
    {
      name: "softplus",
      op: tf.softplus,
      exact: (x: number) => Math.log1p(Math.exp(x)),
      at: [-12, -9, -1, 0, 1, 9],
    },
  ].map(({ name, op, exact, at }) => ({
    name: `the digits of ${name} where it is small`,
    compute: () => [op(tf.tensor1d(at))],
    right: [at.map((x) => exact(Math.fround(x)))],
    within: 2e-6,
  })),
];

/** The numbers that a case gave, or what was thrown. */
export type Outcome = readonly (readonly number[])[] | string;

/** What comes of each case on the current backend. */
export async function runProgramCases(): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { compute } of programCases) outcomes.push(await outcomeOf(compute).catch(String));
  return outcomes;
}

async function outcomeOf(compute: ProgramCase["compute"]): Promise<Outcome> {
  const tensors = tf.tidy(() => [...compute()]);
  try {
    const values: number[][] = [];
    for (const tensor of tensors) values.push([...(await tensor.data())]);
    return values;
  } finally {
    tf.dispose(tensors);
  }
}

/** Whether all numbers are right. */
export function areRight({ right, within = 0, ofLargest }: ProgramCase, outcome: Outcome): boolean {
  if (typeof outcome === "string") return false;
  return right.every((values, which) => {
    const largest = Math.max(...values.map(Math.abs));
    return (
      values.length === outcome[which].length &&
      values.every((value, i) => {
        const other = outcome[which][i];
        return value === other || Math.abs(value - other) <= within * (ofLargest ? largest : Math.abs(value));
      })
    );
  });
}
