/**
 * The gradient of a step, in one pass over each of its micro-batches. The denominators of all micro-batches are added up
 * first, from labels and weights alone, so that the gradients of the micro-batches add up to that of the whole batch.
 */
import * as tf from "@tensorflow/tfjs";
import { hasSoftLabels } from "../compiler/batch.ts";
import type { Batches } from "../compiler/compile.ts";
import { LossError } from "../loss/error.ts";
import type { Input } from "../loss/loss.ts";
import { at } from "../loss/schedule.ts";
import { denominatorsOf, type Head, headBatch, headValueOf, readingsOf } from "./objective.ts";
import type { Entries } from "./rows.ts";

/** A batch, or a part of one that is worked on alone. */
export interface MicroBatch {
  /** What each head's batch has beside the model's output. */
  readonly entries: readonly Entries[];
  /** Runs the model, once; its tensors are freed by the caller. */
  readonly forward: () => Forward;
}

export interface Forward {
  /** Logits or predictions for each head. */
  readonly outputs: readonly tf.Tensor[];
  /** What the model's regularizers add to the loss; null for nothing. */
  readonly penalty: tf.Scalar | null;
}

/** The gradients by the names of the variables, and what was read: each head's readings, then penalty and loss. */
export type StepGradients = {
  readonly gradients: { readonly [name: string]: tf.Tensor };
  readonly readings: tf.Tensor1D;
};

/**
 * The gradient of Σ_heads weight · loss, plus the penalty, over the micro-batches together. `variables` null stands for all
 * trainable variables. The tensors are the caller's.
 */
export function gradientsOf(
  heads: readonly Head[],
  micro: readonly MicroBatch[],
  variables: readonly tf.Variable[] | null,
  step: number,
): StepGradients {
  if (micro.length === 0) throw new LossError("step(batches)", "there is no batch", "Give at least one");
  if (variables !== null && !variables.some(({ trainable }) => trainable)) {
    throw new LossError("variables", `none of ${variables.length} is trainable`, "Give some, or thaw a layer");
  }
  return tf.tidy(() => {
    const denominators = heads.map((head, i) =>
      micro.length === 1
        ? null
        : denominatorsOf(
            head,
            micro.map(({ entries }) => ({ ...entries[i], step })),
          ),
    );
    return micro.slice(1).reduce<StepGradients>(
      (before, one) => {
        const sum = tf.tidy(() =>
          addGradients(before, gradientsOfOne(heads, one, denominators, variables, step, false)),
        );
        tf.dispose([before.readings, ...Object.values(before.gradients)].filter(isLost(sum)));
        return sum;
      },
      gradientsOfOne(heads, micro[0], denominators, variables, step, true),
    );
  });
}

function gradientsOfOne(
  heads: readonly Head[],
  { entries, forward }: MicroBatch,
  denominators: readonly (tf.Tensor1D | null)[],
  variables: readonly tf.Variable[] | null,
  step: number,
  isFirst: boolean,
): StepGradients {
  return tf.tidy(() => {
    const kept: tf.Tensor[] = [];
    const keep = <T extends tf.Tensor>(tensor: T): T => {
      const copy = tf.keep(tf.clone(tensor)) as T;
      kept.push(copy);
      return copy;
    };
    try {
      const seen: (() => tf.Tensor1D)[] = [];
      let penalties: tf.Tensor = tf.scalar(0);
      const { value, grads } = connected(
        freeingTape(() => {
          const { outputs, penalty } = forward();
          const values = heads.map((head, i) => {
            const batch = headBatch(head, entries[i], outputs[i], step);
            if (denominators[i] !== null) checkSoftLabels(batch);
            const parts = headValueOf(head, batch, denominators[i]);
            const [output, numerators, divisors] = [outputs[i], parts.numerators, parts.denominators].map(keep);
            seen.push(() =>
              readingsOf(head, headBatch(head, entries[i], output, step), {
                numerators: numerators as tf.Tensor1D,
                denominators: divisors as tf.Tensor1D,
              }),
            );
            const weight = at(head.weight, step);
            return weight === 1 ? parts.value : tf.mul(parts.value, weight);
          });
          const loss = values.reduce((sum, x) => tf.add(sum, x));
          // A penalty belongs to the step, not to each of its micro-batches.
          if (penalty === null || !isFirst) return loss as tf.Scalar;
          penalties = keep(penalty);
          return tf.add(loss, penalty) as tf.Scalar;
        }),
        variables,
      );
      const read = seen.map((readings) => readings());
      const gradients = Object.fromEntries(Object.entries(grads).filter(([, gradient]) => gradient !== null));
      return { gradients, readings: tf.concat([...read, penalties.reshape([1]), value.reshape([1])]) as tf.Tensor1D };
    } finally {
      tf.dispose(kept);
    }
  });
}

/** tf.variableGrads, which says in our words that the loss depends on no variable. */
function connected(f: () => tf.Scalar, variables: readonly tf.Variable[] | null): ReturnType<typeof tf.variableGrads> {
  try {
    return tf.variableGrads(f, variables === null ? undefined : [...variables]);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith("Cannot find a connection")) throw error;
    throw new LossError(
      "model",
      "its output depends on none of the variables that are trained",
      "Compute it from them, in the function itself, with operations that have gradients",
    );
  }
}

function addGradients(a: StepGradients, b: StepGradients): StepGradients {
  const gradients: Record<string, tf.Tensor> = { ...a.gradients };
  for (const [name, gradient] of Object.entries(b.gradients)) {
    gradients[name] = name in gradients ? tf.add(gradients[name], gradient) : gradient;
  }
  return { gradients, readings: tf.add(a.readings, b.readings) };
}

/** Whether a tensor is no part of the sum. */
function isLost(sum: StepGradients): (tensor: tf.Tensor) => boolean {
  const still = new Set<tf.Tensor>([sum.readings, ...Object.values(sum.gradients)]);
  return (tensor) => !still.has(tensor);
}

/** Without logits, arrays of soft labels were taken for integer labels. */
function checkSoftLabels(batch: Batches[Input]): void {
  if (!("labels" in batch) || batch.labels instanceof tf.Tensor || !hasSoftLabels(batch)) return;
  throw new LossError("labels", "the soft labels of micro-batches are arrays", "Give them as float32 tensors");
}

/** `f`, which frees what its tape has saved for the way back where it throws; TensorFlow.js does not. */
function freeingTape<T>(f: () => T): () => T {
  return () => {
    try {
      return f();
    } catch (error) {
      for (const { saved } of tf.engine().state.activeTape ?? []) tf.dispose(saved);
      throw error;
    }
  };
}
