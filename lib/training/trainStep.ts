import type * as tf from "@tensorflow/tfjs";
import type { Batch } from "../compiler/batch.ts";
import type { ValuesBatch } from "../compiler/valuesBatch.ts";
import { LossError } from "../loss/error.ts";
import type { Input, Kind, Loss } from "../loss/loss.ts";
import type { MicroBatch } from "./gradients.ts";
import type { Metric } from "./metric.ts";
import { disposeHead, makeHead } from "./objective.ts";
import type { Entries } from "./rows.ts";
import type { StepClock } from "./stepClock.ts";
import { stepLogs } from "./stepLogs.ts";
import { makeStepper, type StepOptions } from "./stepper.ts";

/** What `trainStep` trains, and with what. */
export interface TrainStepOptions<X, I extends Input = "logits"> extends StepOptions {
  /** The loss, over logits or over values. Its trainable parameters are trained with the model. */
  readonly loss: Loss<I, Exclude<Kind, "already reduced per token">>;
  /** The model: float32 logits [..., V] or predictions [..., D] of a batch's x. Runs in a tidy. */
  readonly model: (x: X) => tf.Tensor;
  /** The variables of the model; by default all trainable variables that its output depends on. */
  readonly variables?: readonly tf.Variable[];
  /** What is measured in the same forward pass; none by default. */
  readonly metrics?: readonly Metric[];
  /** Names for the loss's terms, in the order in which they were added; each then has its value in the logs. */
  readonly terms?: readonly string[];
}

/** What a batch has beside the model's output, for a loss over logits or over values. */
export interface TrainEntries {
  readonly logits: Omit<Batch, "logits" | "step" | "denominators">;
  readonly values: Omit<ValuesBatch, "predictions" | "step" | "denominators">;
}

/** A batch for `trainStep`: what `compile` takes, with the model's input `x` in place of its output, and without a step. */
export type TrainBatch<X, I extends Input = "logits"> = TrainEntries[I] & { readonly x: X };

/** What a step did. */
export interface StepResult {
  /** Which step it was: 0 for the first. */
  readonly step: number;
  /** The loss of the batch, before the update. */
  readonly loss: number;
  /** √Σ ‖g‖² over all gradients, before clipping. */
  readonly gradientNorm: number;
  /** Why nothing was updated; null where the step was taken. */
  readonly skipped: string | null;
  /**
   * "loss", the named terms, the metrics, "tokens" (the valid rows), "gradientNorm", and the values of scheduled and
   * trained parameters, by name.
   */
  readonly logs: Readonly<Record<string, number>>;
}

/** A step of training. */
export interface TrainStep<X, I extends Input = "logits"> {
  /**
   * Takes one step on a batch, or on micro-batches that together are one: the gradients are those of the whole batch,
   * whatever their sizes. Only one step at a time.
   */
  (batch: TrainBatch<X, I> | readonly TrainBatch<X, I>[]): Promise<StepResult>;
  readonly clock: StepClock;
  /** The loss's trainable parameters, by name. */
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  /** Frees what the loss keeps on the device, its parameters among it. The optimizer stays. */
  dispose(): void;
}

/**
 * A step of a training loop: value and gradient in one pass, the guard against what is not finite, clipping, the
 * optimizer's update, and the clock that scheduled parameters read. The device is waited for once a step.
 *
 * Given micro-batches, it adds up their denominators first and then their gradients, which are those of the whole batch up to rounding, for
 * every loss but those that couple the rows of a batch; these are refused with a LossError.
 *
 * @throws LossError, here for options that make no sense, and in the step for a batch that does not fit the loss or too
 * many steps in a row that are not finite.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { crossEntropy, focal, linear, pipe } from "lossmith";
 * import { tokenAccuracy, trainStep } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const weights = tf.variable(tf.zeros<tf.Rank.R2>([2, 2]));
 * const step = trainStep({
 *   optimizer: tf.train.adam(0.1),
 *   loss: pipe(crossEntropy, focal({ gamma: linear({ init: 0, end: 2, steps: 100 }) })),
 *   model: (x: tf.Tensor2D) => tf.matMul(x, weights),
 *   metrics: [tokenAccuracy()],
 *   clipNorm: 1,
 * });
 * const x = tf.tensor2d([[1, 0], [0, 1]]);
 * const first = await step({ x, labels: [0, 1] });
 * let last = first;
 * for (let i = 0; i < 20; i++) last = await step([{ x, labels: [0, 1] }, { x, labels: [0, 1] }]);
 * expect(last.loss).toBeLessThan(first.loss);
 * expect(last.logs["accuracy"]).toBe(1);
 * expect(last.logs["focal({ gamma })"]).toBeCloseTo(0.4, 6);
 * ```
 */
export function trainStep<X, I extends Input = "logits">(options: TrainStepOptions<X, I>): TrainStep<X, I> {
  const where = "trainStep(options)";
  if (typeof options !== "object" || options === null) {
    throw new LossError(where, `got ${String(options)}`, "Give { optimizer, loss, model }");
  }
  const { loss, model, variables = null, metrics, terms } = options;
  if (typeof model !== "function") {
    throw new LossError(`${where}, model`, `got ${String(model)}`, "Give a function of x that returns logits");
  }
  const head = makeHead("loss", loss, where, { ...(metrics && { metrics }), ...(terms && { terms }) });
  const stepper = makeStepper([head], () => variables, options, where);
  const logsOf = stepLogs([head]);
  let isTaken = false;

  const micro = ({ x, ...entries }: TrainBatch<X, I>): MicroBatch => ({
    entries: [entries as unknown as Entries],
    forward: () => ({ outputs: [model(x)], penalty: null }),
  });
  const step = async (batch: TrainBatch<X, I> | readonly TrainBatch<X, I>[]): Promise<StepResult> => {
    if (isTaken) {
      throw new LossError("step(batch)", "another step is not finished yet", "Await each step before the next");
    }
    isTaken = true;
    try {
      const batches = (Array.isArray(batch) ? batch : [batch]) as readonly TrainBatch<X, I>[];
      for (const one of batches) checkBatch(one);
      const taken = await stepper.take(batches.map(micro));
      const { step: at, loss: value, gradientNorm, skipped } = taken;
      return { step: at, loss: value, gradientNorm, skipped, logs: await logsOf(taken) };
    } finally {
      isTaken = false;
    }
  };
  return Object.assign(step, {
    clock: stepper.clock,
    parameters: head.compiled.variables,
    dispose: () => disposeHead(head),
  });
}

function checkBatch(batch: object): void {
  if (typeof batch !== "object" || batch === null || !("x" in batch)) {
    throw new LossError("step(batch)", "the batch has no x", "Give { x, labels }, x being what the model takes");
  }
  for (const name of ["step", "denominators", "logits", "predictions"]) {
    if (!(name in batch)) continue;
    throw new LossError("step(batch)", `it has ${name}, which the step itself gives`, `Leave ${name} out`);
  }
}
