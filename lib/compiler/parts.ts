import * as tf from "@tensorflow/tfjs";
import type { Semigroup } from "fp-ts/lib/Semigroup.js";

/** A numerator and a denominator for each term of a loss, [terms] each. Parts of shards add up to those of the whole. */
export interface Parts {
  readonly numerators: tf.Tensor1D;
  /** 0 for a term that is a sum. */
  readonly denominators: tf.Tensor1D;
}

/**
 * Parts under addition, a commutative semigroup up to rounding: how shards of a batch come together.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { compile, crossEntropy, partsSemigroup } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = compile(crossEntropy);
 * const half = (row: number[], label: number) => loss.parts({ logits: tf.tensor2d([row]), labels: [label] });
 * const both = partsSemigroup.concat(half([0, 0], 0), half([0, 0], 1));
 * expect((await loss.combine(both).data())[0]).toBeCloseTo(Math.log(2), 6);
 * ```
 */
export const partsSemigroup: Semigroup<Parts> = {
  concat: (a, b) => ({
    numerators: tf.add(a.numerators, b.numerators),
    denominators: tf.add(a.denominators, b.denominators),
  }),
};
