import type * as tf from "@tensorflow/tfjs";
import { type Either, tryCatch } from "fp-ts/lib/Either.js";
import { LossError } from "../loss/error.ts";
import type { AnyLoss } from "../loss/loss.ts";
import type { Batch } from "./batch.ts";
import { execute } from "./execute.ts";
import { type Plan, plan } from "./plan.ts";
import { Tables } from "./tables.ts";

/** A loss as a function of a batch. */
export interface CompiledLoss {
  /**
   * The loss of a batch: a scalar, or a tensor in the shape of the labels for a loss that ends in `perToken`.
   * Differentiable with respect to the logits by `tf.grad`, `tf.variableGrads` and `optimizer.minimize`.
   */
  (batch: Batch): tf.Tensor;
  readonly plan: Plan;
  /** Frees the tables that the loss keeps on the device. It can be called again afterwards. */
  dispose(): void;
}

/**
 * Compiles a loss.
 *
 * Shapes: logits [..., V], labels [...]; the result is a scalar float32, or float32 [...] for `perToken`.
 * A batch without a valid row, or without a row, gives 0 with zero gradient.
 *
 * @throws LossError, here for a loss that has no compiled form and in the call for a batch that does not fit the loss.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { compile, crossEntropy, freqWeights, fromCounts, pipe, powerLaw } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = compile(pipe(crossEntropy, freqWeights(fromCounts([100, 10, 1])), powerLaw(0.5)));
 * const logits = tf.tensor2d([[2, 1, 0.1], [0.5, 2.5, 0.3], [1, 1, 1]]);
 * const value = loss({ logits, labels: [0, 1, 2] });
 * expect((await value.data())[0]).toBeCloseTo(0.854312, 5);
 * ```
 */
export function compile(loss: AnyLoss): CompiledLoss {
  const planned = plan(loss);
  const tables = new Tables();
  const run = (batch: Batch): tf.Tensor => execute(planned, tables, batch);
  return Object.assign(run, { plan: planned, dispose: () => tables.dispose() });
}

/**
 * `compile`, with the LossError as the left of an Either instead of an exception.
 *
 * @example
 * ```ts
 * import { isRight } from "fp-ts/lib/Either.js";
 * import { compileEither, crossEntropy } from "lossmith";
 * import { expect } from "expect";
 *
 * expect(isRight(compileEither(crossEntropy))).toBe(true);
 * ```
 */
export function compileEither(loss: AnyLoss): Either<LossError, CompiledLoss> {
  return tryCatch(
    () => compile(loss),
    (error) => {
      if (error instanceof LossError) return error;
      throw error;
    },
  );
}
