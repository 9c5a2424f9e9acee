import { LossError } from "../loss/error.ts";
import {
  add,
  constant,
  divide,
  max,
  min,
  multiply,
  named,
  pow,
  select,
  stopGradient,
  subtract,
  unary,
  weigh,
} from "../loss/expression.ts";
import { type ClassExpression, type ColumnExpression, type Loss, lossOfValues } from "../loss/loss.ts";
import { finite, lift, type Numeric } from "../loss/schedule.ts";
import { equalParts, error, overColumns } from "../loss/values.ts";

/** Options of `tripletMargin`. */
export interface TripletMarginOptions {
  /** By how much the negative is to be farther than the positive, at least 0; 1 by default. */
  readonly margin?: Numeric;
  /** The norm of distances, from 1 to Infinity; 2 by default, Euclidean. */
  readonly p?: number;
  /** Whether the negative's distance from the positive counts where it is the smaller one; false by default. */
  readonly swap?: boolean;
  /** Added to each difference, so that equal embeddings have a gradient; 1e-6 by default. */
  readonly epsilon?: number;
}

/**
 * Triplet margin loss: an anchor is to be nearer to its positive than to its negative, by a margin.
 *
 * Formula, for a row: max(0, margin + d(anchor, positive) − d(anchor, negative)), with d(x, y) = (Σ_j |x_j − y_j +
 * epsilon|^p)^(1/p), and the largest |x_j − y_j + epsilon| at p = ∞. With `swap` the last distance is min(d(anchor,
 * negative), d(positive, negative)).
 * Shapes: predictions [..., 3 D], a row of which is the anchor, the anchor again and the positive, one after the other;
 * targets of the same shape: the positive, the negative and the negative again. So each prediction stands beside what its
 * distance is measured from; `triplets` makes such batches of [..., D], with gradients to all three. Lengths are formed
 * relative to the largest difference, so that they neither overflow nor vanish.
 *
 * @throws LossError where the margin is negative, p is below 1, epsilon is negative or not finite; in the call where a
 * row has not 3 D columns.
 *
 * Source: Balntas et al., Learning shallow convolutional feature descriptors with triplet losses (BMVC 2016); as
 * PyTorch's `TripletMarginLoss`, where p may be below 1.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { compile, tripletMargin, triplets } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = compile(tripletMargin({ margin: 2 }));
 * const batch = triplets(tf.tensor2d([[0, 0]]), tf.tensor2d([[3, 4]]), tf.tensor2d([[0, 6]]));
 * expect(loss(batch).dataSync()[0]).toBeCloseTo(2 + 5 - 6, 5);
 * ```
 */
export function tripletMargin(options: TripletMarginOptions = {}): Loss<"values", "without a weight field"> {
  if (typeof options !== "object" || options === null) {
    throw new LossError("tripletMargin", `got ${String(options)}`, "Give { margin }, such as { margin: 1 }");
  }
  const { p = 2, swap = false } = options;
  if (!(p >= 1)) throw new LossError("tripletMargin({ p })", `got ${String(p)}`, "Give a norm from 1 to Infinity");
  if (typeof swap !== "boolean") {
    throw new LossError("tripletMargin({ swap })", `got ${String(swap)}`, "Give true or false");
  }
  const margin: ClassExpression = lift(options.margin ?? 1, "tripletMargin({ margin })", { lowest: 0 });
  const epsilon = finite(options.epsilon ?? 1e-6, "tripletMargin({ epsilon })", { lowest: 0 });
  const size = unary("abs", add(error, constant(epsilon)));
  const [positive, negative, between] = parts.map((part) => lengthOf(size, part, p));
  const nearest = swap
    ? min(named("d(anchor, negative)", negative), named("d(positive, negative)", between))
    : negative;
  const lead = subtract(named("d(anchor, positive)", positive), swap ? nearest : named("d(anchor, negative)", nearest));
  return lossOfValues(max(constant(0), add(margin, lead)));
}

const parts = equalParts("anchor − positive", "anchor − negative", "positive − negative");

/** The p-norm of sizes in the columns of a part. */
function lengthOf(size: ColumnExpression, part: ColumnExpression, p: number): ClassExpression {
  const inPart = weigh(part, size);
  if (p === 1) return overColumns("sum", inPart);
  if (p === Number.POSITIVE_INFINITY) return overColumns("max", inPart);
  // It only scales: the length does not depend on it, so that it needs no gradient.
  const largest = stopGradient(overColumns("max", inPart));
  const relative = divide(size, largest);
  const power = p === 2 ? multiply(relative, relative) : pow(relative, constant(p));
  const length = multiply(largest, pow(overColumns("sum", weigh(part, power)), constant(1 / p)));
  return select(constant(0), largest, length, largest);
}
