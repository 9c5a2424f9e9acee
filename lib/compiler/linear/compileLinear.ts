import * as tf from "@tensorflow/tfjs";
import { chooseProducts } from "../../kernels/products/choose.ts";
import { LossError } from "../../loss/error.ts";
import type { Kind, Loss } from "../../loss/loss.ts";
import type { Batch } from "../batch.ts";
import { type CompileOptions, executableOf } from "../compile.ts";
import {
  combineParts,
  constantOf,
  type Executable,
  executeDenominators,
  type Output,
  reachedNumerators,
  readDenominators,
  refuseParts,
  refuseSecondOrder,
} from "../execute.ts";
import { listOf } from "../narrow.ts";
import type { Parts } from "../parts.ts";
import type { Plan } from "../plan.ts";
import { detachTensors } from "../saved.ts";
import { combineTerms, narrowRunner, sharesOf } from "../values.ts";
import type { Gradients } from "./blockPass.ts";
import { columnTiles } from "./columnTiles.ts";
import { sweptDenominators } from "./denominators.ts";
import { largestBinding } from "./deviceLimit.ts";
import type { Wanted } from "./head.ts";
import { heldBlocks } from "./heldBlocks.ts";
import { type KernelShape, piecesOf } from "./layer.ts";
import { hasLayer, hasSoftLinearLabels, type LinearBatch, readLinear, wantedOf } from "./linearBatch.ts";
import type { LinearRun } from "./linearRun.ts";
import { isOneSweep, oneSweep } from "./oneSweep.ts";
import { checkOverLogits } from "./overLogits.ts";
import { rowBlocks } from "./rowBlocks.ts";
import { checkTileOptions, type LinearTileOptions, tileSizes, wholeRowNeed } from "./tileSizes.ts";
import { firstSweep, secondSweep } from "./twoSweeps.ts";

/** Options of `compileLinear`. */
export interface CompileLinearOptions extends CompileOptions, LinearTileOptions {
  /** How the kernel lies: "[D, V]" as a dense layer's does, the default, or "[V, D]" as an embedding's. */
  readonly kernelShape?: KernelShape;
}

/** A loss as a function of hidden states, an output layer and labels. */
export interface CompiledLinearLoss<Value extends tf.Tensor = tf.Tensor> {
  /**
   * The loss of a batch: a scalar, or a tensor in the shape of the rows for a loss that ends in `perToken`.
   * Differentiable, once, with respect to hidden, kernel, bias and the loss's own variables; soft labels and sample weights are
   * constants.
   */
  (batch: LinearBatch): Value;
  readonly plan: Plan;
  /** The trainable parameters, by name. */
  readonly variables: ReadonlyMap<string, tf.Variable<tf.Rank.R0>>;
  /**
   * What each term's numerator is divided by, [terms], as `compile`'s: from labels, mask and weights alone. Hidden states and
   * kernel may be left out, so that micro-batches are counted before a model runs; but not beside labels that are sparse or a
   * teacher that is a layer.
   */
  denominators(batch: LinearBatch | Omit<Batch, "logits">): tf.Tensor1D;
  /** A numerator and a denominator for each term, [terms] each, as `compile`'s. */
  parts(batch: LinearBatch): Parts;
  /** The loss that parts make. */
  combine(parts: Parts): tf.Scalar;
  /** Frees the tables that the loss keeps on the device. */
  dispose(): void;
}

/**
 * Compiles a loss together with the output layer before it: logits = hidden · kernel + bias exist a block of rows at a
 * time, forward and backward, and [N, V] never does. Value and gradients are those of `compile` on the whole logits.
 *
 * Where the loss is a scalar that needs no sums over a sequence or a mean over the batch, one sweep over the blocks computes the value and, if
 * somebody wants them, all gradients: three products, as many as an ordinary step takes. Otherwise a second sweep makes
 * the logits again. Rows that are masked, ignored or of weight 0 are left out of the products where the host can tell:
 * on cpu and wasm, and for labels, mask and weights that are arrays.
 *
 * A block that the device does not bind, or of more columns than `tileColumns`, exists one tile of columns at a time. Its statistics follow
 * from those of the tiles, and its tiles are made again for their gradient: one product more in a sweep. Whole rows are needed by
 * losses that read entmax (or sparsemax) or the entropy of the k highest logits: their blocks have as many rows as the device binds.
 *
 * Shapes: hidden [..., D], kernel [D, V] or [V, D], bias [V], labels [...]; float32. Memory, beside the gradients
 * themselves: two blocks of logits, [tileRows, V] each, another for soft labels and for a teacher, and up to 26 where `explain` says
 * that the loss takes ordinary ops over [N, V]; by columns as many tiles, [tileRows, tileColumns] each, a copy of the tile's part of
 * the kernel, and at the end the kernel's gradient once more.
 *
 * Source of the idea: Liger Kernel (arXiv 2410.10989) and Cut Cross-Entropy (arXiv 2411.09009), for cross entropy.
 *
 * @throws LossError, here for a loss over values or over probabilities, and in the call for a batch that does not fit, or tiles that the
 * device does not bind or the loss cannot be taken by; with the largest that it can.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { compileLinear, crossEntropy, freqWeights, fromCounts, pipe, powerLaw } from "lossmith";
 * import { expect } from "expect";
 *
 * const loss = compileLinear(pipe(crossEntropy, freqWeights(fromCounts([100, 10, 1])), powerLaw(0.5)));
 * const kernel = tf.variable(tf.zeros([4, 3]));
 * const step = () => loss({ hidden: tf.ones([2, 5, 4]), kernel, labels: tf.zeros([2, 5], "int32") }) as tf.Scalar;
 * const { value, grads } = tf.variableGrads(step);
 * expect((await value.data())[0]).toBeCloseTo(Math.log(3), 5);
 * expect(Object.values(grads)[0].shape).toEqual([4, 3]);
 *
 * const byColumns = compileLinear(crossEntropy, { tileRows: 512, tileColumns: 2 });
 * const value2 = byColumns({ hidden: tf.ones([10, 4]), kernel, labels: tf.zeros([10], "int32") });
 * expect((await value2.data())[0]).toBeCloseTo(Math.log(3), 5);
 * ```
 */
export function compileLinear(
  loss: Loss<"logits", Exclude<Kind, "already reduced per token">>,
  options?: CompileLinearOptions,
): CompiledLinearLoss<tf.Scalar>;
export function compileLinear(loss: Loss<"logits", Kind>, options?: CompileLinearOptions): CompiledLinearLoss;
export function compileLinear(loss: Loss<"logits", Kind>, options: CompileLinearOptions = {}): CompiledLinearLoss {
  const { kernelShape = "[D, V]" } = options ?? {};
  if (kernelShape !== "[D, V]" && kernelShape !== "[V, D]") {
    throw new LossError(
      "compileLinear({ kernelShape })",
      `got ${JSON.stringify(kernelShape)}`,
      'Give "[D, V]" or "[V, D]"',
    );
  }
  checkTileOptions(options ?? {});
  const executable = executableOf(loss, options, "compileLinear");
  const whole = executable.plan("integer");
  checkOverLogits(whole, "compileLinear");
  const linear: Linear = { loss: executable, kernelShape, sizes: options ?? {} };
  return Object.assign((batch: LinearBatch) => tf.tidy(() => runLoss(linear, batch)), {
    plan: whole,
    variables: executable.variables,
    denominators: (batch: LinearBatch | Omit<Batch, "logits">) =>
      hasLayer(batch) ? constantOf(() => denominatorsOf(linear, batch)) : executeDenominators(executable, batch),
    parts: (batch: LinearBatch) => partsOf(linear, batch),
    combine: (parts: Parts) => combineParts(whole, parts),
    dispose: () => executable.tables.dispose(),
  });
}

/** A loss in its linear form, ready to run. */
interface Linear {
  readonly loss: Executable;
  readonly kernelShape: KernelShape;
  readonly sizes: LinearTileOptions;
}

function planOf({ loss, kernelShape }: Linear, batch: LinearBatch): Plan {
  return loss.plan(hasSoftLinearLabels(batch, kernelShape) ? "soft" : "integer");
}

function read({ loss, kernelShape, sizes }: Linear, plan: Plan, batch: LinearBatch): LinearRun {
  const whole = readLinear(plan, loss.check, batch, kernelShape);
  const { count, classes } = whole.rows;
  const of = { rows: count, classes };
  const { rows, columns } = tileSizes(of, sizes, largestBinding(), wholeRowNeed(plan), heldBlocks(plan));
  const blocks = rowBlocks(whole.rows, rows);
  return { loss, plan, whole, rowsOfBlock: rows, blocks, tiles: columnTiles(classes, columns) };
}

function denominatorsOf(linear: Linear, batch: LinearBatch): tf.Tensor1D {
  const plan = planOf(linear, batch);
  refuseParts(plan, "denominators");
  return sweptDenominators(read(linear, plan, batch));
}

function partsOf(linear: Linear, batch: LinearBatch): Parts {
  const parts = tf.tidy(() => {
    const plan = planOf(linear, batch);
    refuseParts(plan, "parts");
    const numerators = inTwoSweeps(linear, plan, batch, "numerators") as tf.Tensor1D;
    return { numerators, denominators: constantOf(() => denominatorsOf(linear, batch)) };
  });
  return parts as Parts;
}

function runLoss(linear: Linear, batch: LinearBatch): tf.Tensor {
  const plan = planOf(linear, batch);
  if (isOneSweep(plan)) return inOneSweep(linear, plan, batch);
  return inTwoSweeps(linear, plan, batch, plan.perToken ? "perToken" : "loss");
}

/** The tensors that get a gradient, in the order in which `gradientsOf` has theirs. */
function inputsOf({ loss }: Linear, plan: Plan, batch: LinearBatch, wanted: Wanted): readonly tf.Tensor[] {
  return [
    ...(wanted.hidden ? [batch.hidden] : []),
    ...(wanted.kernel ? piecesOf(batch.kernel) : []),
    ...(wanted.bias ? [batch.bias as tf.Tensor] : []),
    ...[...plan.parameters.keys()].map((name) => loss.variables.get(name) as tf.Variable),
  ];
}

function gradientsOf({ hidden, pieces, bias, parameters }: Gradients, shape: number[]): readonly tf.Tensor[] {
  return [
    ...(hidden === null ? [] : [hidden.reshape(shape)]),
    ...(pieces ?? []),
    ...(bias === null ? [] : [bias]),
    ...(parameters ?? []),
  ];
}

type GradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[];

/** A value with its gradients for some inputs; a constant where there are none. */
function differentiable(
  inputs: readonly tf.Tensor[],
  compute: (save: (tensors: tf.Tensor[]) => void) => { readonly value: tf.Tensor; readonly gradFunc: GradFunc },
): tf.Tensor {
  if (inputs.length === 0) return constantOf(() => compute(() => undefined).value);
  return tf.customGrad((...given: unknown[]) => {
    const { value, gradFunc } = compute(given.pop() as (tensors: tf.Tensor[]) => void);
    return { value, gradFunc: gradFunc as unknown as () => tf.Tensor };
  })(...inputs);
}

function inOneSweep(linear: Linear, plan: Plan, batch: LinearBatch): tf.Tensor {
  const wanted = wantedOf(batch);
  const isWanted = tf.engine().isTapeOn();
  const { shape } = batch.hidden;
  return differentiable(inputsOf(linear, plan, batch, wanted), (save) => {
    const run = read(linear, plan, batch);
    const denominators = readDenominators(plan, batch) ?? sweptDenominators(run);
    const swept = oneSweep(run, denominators, isWanted ? wanted : null);
    if (isWanted) save([...gradientsOf(swept, shape)]);
    const gradFunc: GradFunc = (dy, saved) => {
      refuseSecondOrder();
      const { scale } = chooseProducts();
      return saved.map((gradient) => scale(gradient, dy));
    };
    return { value: swept.value, gradFunc };
  });
}

function inTwoSweeps(linear: Linear, plan: Plan, batch: LinearBatch, output: Output): tf.Tensor {
  const wanted = wantedOf(batch);
  const { shape } = batch.hidden;
  return differentiable(inputsOf(linear, plan, batch, wanted), (save) => {
    const run = read(linear, plan, batch);
    const { whole } = run;
    const state = firstSweep(run);
    const runner = narrowRunner(plan, state);
    const ones = (): tf.Tensor1D => tf.ones([plan.terms.length]);
    const numerators = output === "perToken" ? ones() : runner.totals(plan.numerators);
    const shares =
      output === "loss" ? sharesOf(plan, readDenominators(plan, batch) ?? runner.totals(plan.denominators)) : ones();
    const value =
      output === "perToken"
        ? runner.rows(listOf(plan.rowLoss))[0].reshape([...whole.rows.shape])
        : output === "loss"
          ? combineTerms(numerators, shares)
          : tf.clone(numerators);
    const { tensors, attach } = detachTensors({ whole, state, shares });
    save(tensors);
    const gradFunc: GradFunc = (dy, saved) => {
      refuseSecondOrder();
      const again = attach(saved);
      const reached = { numerators: reachedNumerators(plan, output, again.shares, dy), denominators: [] };
      const swept = secondSweep({ ...run, whole: again.whole }, again.state, reached, wanted);
      return [...gradientsOf(swept, shape)];
    };
    return { value, gradFunc };
  });
}
