import * as tf from "@tensorflow/tfjs";
import { type Either, tryCatch } from "fp-ts/lib/Either.js";
import { LossError } from "../loss/error.ts";
import { type AnyLoss, checkLoss, type Input, inputOf, type Kind, type Loss } from "../loss/loss.ts";
import type { Batch } from "./batch.ts";
import {
  combineParts,
  type Executable,
  executeDenominators,
  executeLoss,
  executeParts,
  executeTerms,
  type TermValues,
  type WithoutInput,
} from "./execute.ts";
import type { Parts } from "./parts.ts";
import { type Plan, plan } from "./plan.ts";
import { Tables } from "./tables.ts";
import type { ValuesBatch } from "./valuesBatch.ts";

/** The batch that a loss over an input is called with. */
export interface Batches {
  readonly logits: Batch;
  readonly values: ValuesBatch;
}

/** A loss as a function of a batch: of logits and labels, or for a loss over values of predictions and targets. */
export interface CompiledLoss<Value extends tf.Tensor = tf.Tensor, I extends Input = "logits"> {
  /**
   * The loss of a batch: a scalar, or a tensor in the shape of the rows for a loss that ends in `perToken`.
   * Differentiable by `tf.grad`, `tf.variableGrads` and `optimizer.minimize`, once, with respect to the logits, soft
   * labels that are a tensor, predictions, targets that are a float32 tensor, sample weights that are a tensor, and the
   * loss's own variables.
   */
  (batch: Batches[I]): Value;
  readonly plan: Plan;
  /**
   * The loss of a batch and the value of each of its terms, which add up to it, by name: the one that `named` gave it, or the
   * term's formula as `show` prints it. Terms of one name are one value, their sum. It costs what the loss alone does;
   * nothing is read back. All are differentiable as the loss is, and belong to the surrounding tidy: in
   * `optimizer.minimize` they are gone after the step. `watchTerms` keeps the numbers of the latest step for logs.
   */
  withTerms(batch: Batches[I]): TermValues<Value>;
  /** The trainable parameters, by name. */
  readonly variables: ReadonlyMap<string, tf.Variable<tf.Rank.R0>>;
  /**
   * What each term's numerator is divided by, [terms], from labels or targets, mask and weights alone; 0 for a term
   * that is a sum.
   * Add these over the micro-batches of a step and give the sums to each call as `denominators`: the losses and the
   * gradients of the micro-batches then add up to those of the whole batch. Soft labels are given as a tensor, or with
   * the batch's logits, since nested arrays without logits are integer labels. The result is a constant to gradients.
   */
  denominators(batch: WithoutInput[I]): tf.Tensor1D;
  /**
   * A numerator and a denominator for each term, [terms] each, that add up over shards of a batch. The numerators are
   * differentiable; the denominators are constants, also where sample weights or soft labels want a gradient.
   */
  parts(batch: Batches[I]): Parts;
  /** The loss that parts make: Σ over the terms of numerator / denominator. */
  combine(parts: Parts): tf.Scalar;
  /** Frees the tables that the loss keeps on the device; it can be called again afterwards. Variables stay. */
  dispose(): void;
}

/** Options of `compile`. */
export interface CompileOptions {
  /**
   * Whether a label out of range is a LossError that names its row also where labels, mask and weights are tensors on a GPU,
   * which makes each call wait for the device. false by default: the row's loss is NaN there. Labels on the host, and
   * all labels on cpu and wasm, are always checked.
   */
  readonly check?: boolean;
}

/**
 * Compiles a loss.
 *
 * Shapes: logits [..., V], labels [...]; or for a loss over values predictions and targets [..., D]. The result is a
 * scalar float32, or float32 [...] for `perToken`.
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
export function compile<I extends Input>(
  loss: Loss<I, Exclude<Kind, "already reduced per token">>,
  options?: CompileOptions,
): CompiledLoss<tf.Scalar, I>;
export function compile<I extends Input>(loss: Loss<I, Kind>, options?: CompileOptions): CompiledLoss<tf.Tensor, I>;
export function compile(loss: AnyLoss, options: CompileOptions = {}): CompiledLoss<tf.Tensor, Input> {
  const executable = executableOf(loss, options, "compile");
  const { variables, tables } = executable;
  const integer = executable.plan("integer");
  const run = (batch: Batches[Input]): tf.Tensor => executeLoss(executable, batch);
  return Object.assign(run, {
    plan: integer,
    variables,
    withTerms: (batch: Batches[Input]) => executeTerms(executable, batch),
    denominators: (batch: WithoutInput[Input]) => executeDenominators(executable, batch),
    parts: (batch: Batches[Input]) => executeParts(executable, batch),
    combine: (parts: Parts) => combineParts(integer, parts),
    dispose: () => tables.dispose(),
  });
}

/** A loss made ready to run, with variables for its trainable parameters. */
export function executableOf(loss: AnyLoss, options: CompileOptions, where: string): Executable {
  const { check = false } = options ?? {};
  if (typeof check !== "boolean") {
    throw new LossError(`${where}({ check })`, `got ${String(check)}`, "Give true or false");
  }
  checkLoss(loss, where);
  const integer = plan(loss);
  const input = inputOf(loss);
  let soft: Plan | null = null;
  const planFor = (labels: "integer" | "soft"): Plan => {
    if (labels === "integer" || input === "values") return integer;
    soft ??= plan(loss, "soft");
    return soft;
  };
  const variables = new Map(
    [...integer.parameters.values()].map(
      ({ name, init }) => [name, tf.tidy(() => tf.variable(tf.scalar(init)))] as const,
    ),
  );
  return { input, plan: planFor, check, tables: new Tables(), variables };
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
export function compileEither<I extends Input>(
  loss: Loss<I, Kind>,
  options: CompileOptions = {},
): Either<LossError, CompiledLoss<tf.Tensor, I>> {
  return tryCatch(
    () => compile(loss, options),
    (error) => {
      if (error instanceof LossError) return error;
      throw error;
    },
  );
}
