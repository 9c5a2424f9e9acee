import * as tf from "@tensorflow/tfjs";
import type { Input, Kind, Loss } from "../loss/loss.ts";
import { finite } from "../loss/schedule.ts";
import { gradientsOf, type MicroBatch } from "./gradients.ts";
import { disposeHead, makeHead } from "./objective.ts";
import type { Entries } from "./rows.ts";
import type { TrainBatch } from "./trainStep.ts";

/** Whose gradients are added up. */
export interface AccumulateOptions<X, I extends Input = "logits"> {
  readonly loss: Loss<I, Exclude<Kind, "already reduced per token">>;
  /** The model: float32 logits [..., V] or predictions [..., D] of a micro-batch's x. Runs in a tidy. */
  readonly model: (x: X) => tf.Tensor;
  /** By default all trainable variables that the loss depends on. */
  readonly variables?: readonly tf.Variable[];
}

/** The value of a whole batch, and its gradients by the names of the variables. The caller disposes them. */
export interface AccumulatedGradients {
  readonly value: tf.Scalar;
  readonly grads: tf.NamedTensorMap;
}

/** Adds up gradients over micro-batches. */
export interface AccumulateGradients<X, I extends Input = "logits"> {
  /** `step` is what scheduled parameters read, 0 by default. */
  (batches: readonly TrainBatch<X, I>[], step?: number): AccumulatedGradients;
  /** The loss's trainable parameters, by name. */
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  /** Frees what the loss keeps on the device, its parameters among it. */
  dispose(): void;
}

/**
 * Value and gradients of a batch that is too large to be worked on at once, out of micro-batches of any sizes: what
 * `tf.variableGrads` gives for the whole batch, for loops that call `optimizer.applyGradients` themselves. `trainStep` does
 * the same when it is given micro-batches.
 *
 * The denominators of all micro-batches are added up first, from labels, masks and weights alone; each micro-batch then
 * runs once, and its activations are freed before the next one runs. A mean of the micro-batches' means, the usual way, is another number
 * wherever they have different numbers of valid tokens or different weights.
 *
 * @throws LossError for a loss that couples the rows of a batch, and for batches that do not fit the loss.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { compile, crossEntropy, ignoreIndex, pipe } from "lossmith";
 * import { accumulateGradients } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const weights = tf.variable(tf.tensor2d([[1, 0], [0.5, 2]]));
 * const loss = pipe(crossEntropy, ignoreIndex(-1));
 * const gradients = accumulateGradients({ loss, model: (x: tf.Tensor2D) => tf.matMul(x, weights) });
 * const { value } = gradients([
 *   { x: tf.tensor2d([[1, 0], [0, 1]]), labels: [0, -1] },
 *   { x: tf.tensor2d([[1, 1]]), labels: [0] },
 * ]);
 * const whole = compile(loss)({ logits: tf.tensor2d([[1, 0], [1.5, 2]]), labels: [0, 0] });
 * expect((await value.data())[0]).toBeCloseTo((await whole.data())[0], 6);
 * ```
 */
export function accumulateGradients<X, I extends Input = "logits">(
  options: AccumulateOptions<X, I>,
): AccumulateGradients<X, I> {
  const { loss, model, variables = null } = options;
  const head = makeHead("loss", loss, "accumulateGradients({ loss })");
  const parameters = head.compiled.variables;
  const all = variables === null ? null : [...new Set([...variables, ...parameters.values()])];
  const run = (batches: readonly TrainBatch<X, I>[], step = 0): AccumulatedGradients => {
    finite(step, "accumulateGradients(options)(batches, step)", { lowest: 0 });
    const micro = batches.map(
      ({ x, ...entries }): MicroBatch => ({
        entries: [entries as unknown as Entries],
        forward: () => ({ outputs: [model(x)], penalty: null }),
      }),
    );
    const { gradients, readings } = gradientsOf([head], micro, all, step);
    const value = tf.tidy(() => readings.slice([readings.size - 1], [1]).asScalar());
    readings.dispose();
    return { value, grads: { ...gradients } };
  };
  return Object.assign(run, { parameters, dispose: () => disposeHead(head) });
}
