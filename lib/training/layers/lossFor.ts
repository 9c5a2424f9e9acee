import * as tf from "@tensorflow/tfjs";
import { compile } from "../../compiler/compile.ts";
import { isHostBackend } from "../../compiler/entries.ts";
import type { WithoutInput } from "../../compiler/execute.ts";
import { LossError } from "../../loss/error.ts";
import { atom, multiply } from "../../loss/expression.ts";
import { parametersOf } from "../../loss/inventory.ts";
import { type AnyLoss, finalTerms, type Input, inputOf, type Kind, type Loss } from "../../loss/loss.ts";
import { at } from "../../loss/schedule.ts";
import { targetsOf } from "../labels.ts";
import { batchOf } from "../rows.ts";
import { scheduledParameters } from "../scheduled.ts";
import type { StepClock } from "../stepClock.ts";
import { checkActivation } from "./lastActivation.ts";
import { masksOf } from "./masks.ts";
import { buildIfNeeded } from "./perOutput.ts";

/** Options of `lossFor`. */
export interface LossForOptions {
  /** The model that is compiled, so that an output that ends in a softmax is found, and masks that would be lost. */
  readonly model?: tf.LayersModel;
  /** Which output of the model the loss is of, by name; the only one by default. */
  readonly output?: string;
  /** What scheduled parameters read; needed by a loss that has some. `advanceClock` moves it. */
  readonly clock?: StepClock;
}

/** A loss for `model.compile`, and what frees it. */
export interface LayersLoss {
  /** Labels or targets, and the model's output. Gives a number for each example, [B], whose mean is the loss. */
  (labels: tf.Tensor, output: tf.Tensor): tf.Tensor;
  dispose(): void;
}

/**
 * A loss for `model.compile({ loss })` of TensorFlow.js itself. It gives one number for each example, so that the mean which TensorFlow.js
 * takes is the loss of the batch, and `classWeight` in `fit` weighs each example as it should.
 *
 * TensorFlow.js's own loop does what it can: soft or one-hot labels in `fit`, integer ones in `fitDataset` and
 * `evaluateDataset`. It hands a loss no masks and no sample weights, averages the means of batches, and trains no
 * variables of a loss: `withLoss` does all that.
 *
 * @throws LossError for a loss that ends in perToken, has trainable parameters or couples the rows of a batch; for a schedule without a
 * clock; for a model that ends in a softmax where the loss reads logits, or whose masks would be lost.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { crossEntropy, labelSmoothing, pipe } from "lossmith";
 * import { lossFor } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] })] });
 * model.compile({ optimizer: tf.train.adam(0.1), loss: lossFor(pipe(crossEntropy, labelSmoothing(0.1)), { model }) });
 * const { history } = await model.fit(tf.eye(2), tf.eye(2), { epochs: 30 });
 * expect(history["loss"].at(-1)).toBeLessThan(history["loss"][0] as number);
 * ```
 */
export function lossFor(
  loss: Loss<Input, Exclude<Kind, "already reduced per token">>,
  options: LossForOptions = {},
): LayersLoss {
  const where = "lossFor(loss, options)";
  const { model, clock } = options;
  const terms = finalTerms(loss);
  if (terms.some(({ reduction }) => reduction === "perToken")) {
    throw new LossError(where, "the loss ends in perToken", "End it in sum, mean or weightedMean");
  }
  if (parametersOf(loss).size > 0) {
    throw new LossError(where, "model.fit does not train the parameters of a loss", "Use withLoss, which does");
  }
  if (clock === undefined && scheduledParameters(loss).size > 0) {
    throw new LossError(where, "the loss has a schedule and there is no clock", "Give { clock: stepClock() }");
  }
  if (model !== undefined) checkModel(loss, model, options.output, where);
  // Each term is a number a row, of which a share of its own becomes part of the loss.
  const rowwise: AnyLoss = {
    ...loss,
    focus: null,
    terms: terms.map((term, i) => ({
      ...term,
      value: multiply(term.value, atom({ kind: "input", name: share(i) })),
      reduction: "perToken",
    })),
  };
  const compiled = compile(loss);
  const byRow = compile(rowwise);
  if (compiled.plan.couplings.length > 0) {
    throw new LossError(where, "the loss has a mean over the batch, which has no parts", "Use withLoss");
  }
  let looked = false;
  const run = (labels: tf.Tensor, output: tf.Tensor): tf.Tensor => {
    if (!looked && isHostBackend() && inputOf(loss) === "logits" && !loss.probabilities) checkLogits(output, where);
    looked = true;
    const [examples] = output.shape;
    const rows = output.shape.slice(0, -1);
    const entries = { ...targetsOf(loss, labels, output.shape, where), ...(clock && { step: clock.step }) };
    const shares = tf.tidy(() => {
      const denominators = compiled.denominators(entries as WithoutInput[Input]);
      return terms.map(({ reduction }, i) => {
        const divisor = tf.slice(denominators, [i], [1]);
        const isZero = tf.equal(divisor, 0);
        const inverse = tf.where(
          isZero,
          tf.zerosLike(divisor),
          tf.div(examples, tf.where(isZero, tf.onesLike(divisor), divisor)),
        );
        return tf.broadcastTo(reduction === "sum" ? tf.fill([1], examples) : inverse, rows);
      });
    });
    const inputs = Object.fromEntries(shares.map((of, i) => [share(i), of]));
    const values = byRow(batchOf(rowwise, { ...entries, inputs } as never, output));
    return rows.length === 1 ? values : tf.sum(values.reshape([examples, -1]), 1);
  };
  return Object.assign(run, {
    dispose: () => {
      compiled.dispose();
      byRow.dispose();
    },
  });
}

function share(term: number): string {
  return `lossmith: share of term ${term}`;
}

function checkModel(loss: AnyLoss, model: tf.LayersModel, name: string | undefined, where: string): void {
  buildIfNeeded(model);
  const index = name === undefined ? 0 : model.outputNames.indexOf(name);
  if (index < 0 || (name === undefined && model.outputs.length > 1)) {
    throw new LossError(
      where,
      `got the output ${String(name)}`,
      `Give { output }, one of ${model.outputNames.join(", ")}`,
    );
  }
  checkActivation(loss, model.outputs[index], model.outputNames[index], where);
  if (masksOf(model) !== null) {
    throw new LossError(
      where,
      "the model makes masks, and model.fit hands none to a loss",
      "Use withLoss, which does, or mark the rows by ignored labels and leave { model } out",
    );
  }
}

/** Throws where every row of an output looks like the result of a softmax. */
function checkLogits(output: tf.Tensor, where: string): void {
  const classes = output.shape[output.rank - 1];
  if (output.size === 0 || classes < 2) return;
  const looks = tf.tidy(() => {
    const isBetween = tf.all(tf.logicalAnd(tf.greaterEqual(output, 0), tf.lessEqual(output, 1)));
    const sumsToOne = tf.all(tf.lessEqual(tf.abs(tf.sub(tf.sum(output, -1), 1)), 1e-5));
    return tf.logicalAnd(isBetween, sumsToOne).dataSync()[0] !== 0;
  });
  if (!looks) return;
  throw new LossError(
    where,
    "every row of the model's output adds up to 1, as probabilities do, and the loss reads logits",
    "Leave the softmax out of the model, or compose fromProbabilities into the loss",
  );
}

/**
 * A callback for TensorFlow.js's `fit` and `fitDataset` that advances a clock after each batch, and writes what the scheduled
 * parameters of a loss were in the last step of an epoch to the history, by their names.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { crossEntropy, focal, linear, pipe } from "lossmith";
 * import { advanceClock, lossFor, stepClock } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const loss = pipe(crossEntropy, focal({ gamma: linear({ init: 0, end: 2, steps: 4 }) }));
 * const clock = stepClock();
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [2] })] });
 * model.compile({ optimizer: "sgd", loss: lossFor(loss, { model, clock }) });
 * const callbacks = advanceClock(clock, loss);
 * const { history } = await model.fit(tf.eye(2), tf.eye(2), { epochs: 3, batchSize: 1, callbacks });
 * expect(history["focal({ gamma })"]).toEqual([0.5, 1.5, 2]);
 * ```
 */
export function advanceClock(clock: StepClock, loss?: AnyLoss): tf.CustomCallbackArgs {
  const parameters = loss === undefined ? [] : [...scheduledParameters(loss)];
  return {
    onBatchEnd: () => clock.advance(),
    onEpochEnd: (_, logs) => {
      const last = Math.max(0, clock.step - 1);
      for (const [name, schedule] of parameters) if (logs !== undefined) logs[name] = at(schedule, last);
    },
  };
}
