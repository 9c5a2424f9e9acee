import * as tf from "@tensorflow/tfjs";
import { isHostBackend } from "../../compiler/entries.ts";
import { LossError } from "../../loss/error.ts";
import { finite } from "../../loss/schedule.ts";
import { numbersOf, ofTasks, readTasks, scalarLoss } from "./tasks.ts";

/** Options of `gradNorm`. */
export interface GradNormOptions<Name extends string = string> {
  /**
   * The weights that all tasks share and whose gradients are compared: variables, or a layer's `trainableWeights`; the last
   * shared layer, in the paper.
   */
  readonly shared: readonly { readonly name: string }[];
  /** How strongly tasks are held to one rate of training, at least 0; 1.5 by default. 0 makes all norms the same. */
  readonly alpha?: number;
  /** What trains the weights of the tasks; Adam with the paper's rate of 0.025 by default. One that is given stays yours. */
  readonly optimizer?: tf.Optimizer;
  /** The loss of each task that its progress is measured from, above 0; the first step's by default. */
  readonly initial?: Readonly<Record<Name, number>>;
}

/** Options of a step. */
export interface GradNormStepOptions {
  /** The variables that are trained; all trainable ones by default. */
  readonly variables?: readonly tf.Variable[];
  /** Whether the losses are wanted, which are yours to dispose then. */
  readonly returnLosses?: boolean;
}

/** What a checkpoint has. */
export interface GradNormState<Name extends string = string> {
  readonly weights: Readonly<Record<Name, number>>;
  /** null before the first step. */
  readonly initial: Readonly<Record<Name, number>> | null;
}

/** Weights of several losses that keep their gradients in balance. */
export interface GradNorm<Name extends string = string> {
  /**
   * A step of training: of the model by `optimizer`, with the gradient of Σ weight · L, and of the weights. Each task is a
   * function that gives its loss, and runs once, forward and backward. Nothing waits for the device.
   */
  step(
    optimizer: tf.Optimizer,
    tasks: Readonly<Record<Name, () => tf.Tensor>>,
    options?: GradNormStepOptions,
  ): Readonly<Record<Name, tf.Scalar>> | null;
  /** Σ over the tasks of weight · L with the weights of now, which are constants to gradients. */
  combine(losses: Readonly<Partial<Record<Name, tf.Tensor>>>): tf.Scalar;
  /** The weights of now, which sum to the number of tasks. Waits for the device. */
  weights(): Promise<Readonly<Record<Name, number>>>;
  /** The weights and the initial losses as plain data; the optimizers' own state is theirs. Waits for the device. */
  state(): Promise<GradNormState<Name>>;
  /** Takes the weights and initial losses of a checkpoint. */
  restore(state: GradNormState<Name>): void;
  /** Frees the weights, the initial losses, and the optimizer where none was given. */
  dispose(): void;
}

/**
 * GradNorm: the weights of several losses are trained so that the tasks' gradients have norms in proportion to how far each
 * task is behind.
 *
 * Formula, for K tasks with weights w: G_i = ‖∇ w_i L_i‖ over the shared weights; r_i = (L_i / L_i(0)) / the mean of these;
 * w follows the gradient of Σ |G_i − Ḡ r_i^alpha|, in which the target Ḡ r_i^alpha, with Ḡ the mean of G, is a constant. Since w_i
 * stands outside of the norm, that is sign(G_i − Ḡ r_i^alpha) ‖∇L_i‖, and takes no gradient of a gradient. Then the weights are
 * rescaled to sum to K. The model's step has the weights from before. A weight that its step takes below 1e-6 is that
 * instead, which the paper leaves open.
 *
 * Losses have to be above 0. Where the host reads tensors without waiting others are a LossError; elsewhere the weights become
 * NaN.
 *
 * @param tasks the names of the tasks.
 * @throws LossError for names that are empty or there twice, no shared weights, an alpha below 0; in a step for tasks that are
 * missing, a loss that is not one float32 number, and a task that reaches none of the shared weights.
 *
 * Source: Chen et al., arXiv 1711.02257, algorithm 1.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { gradNorm } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const shared = tf.variable(tf.tensor1d([1, 1]));
 * const balance = gradNorm(["small", "large"], { shared: [shared] });
 * const optimizer = tf.train.sgd(0.001);
 * for (let i = 0; i < 5; i++) {
 *   balance.step(optimizer, {
 *     small: () => tf.sum(tf.square(shared)),
 *     large: () => tf.mul(10, tf.sum(tf.square(shared))),
 *   });
 * }
 * const weights = await balance.weights();
 * expect(weights.large).toBeLessThan(weights.small);
 * expect(weights.large + weights.small).toBeCloseTo(2, 5);
 * balance.dispose();
 * ```
 */
export function gradNorm<const Name extends string>(
  tasks: readonly Name[],
  options: GradNormOptions<Name>,
): GradNorm<Name> {
  const names = readTasks(tasks, "gradNorm(tasks)");
  const shared = readShared(options?.shared);
  const alpha = finite(options.alpha ?? 1.5, "gradNorm({ alpha })", { lowest: 0 });
  const given = options.initial === undefined ? null : positive(names, options.initial, "gradNorm({ initial })");
  const own = options.optimizer === undefined ? tf.train.adam(0.025) : null;
  const trainer = own ?? (options.optimizer as tf.Optimizer);
  const weights: tf.Variable<tf.Rank.R1> = tf.tidy(() => tf.variable(tf.ones([names.length]), false));
  let initial: tf.Tensor1D | null = given === null ? null : tf.keep(tf.tensor1d([...given]));

  /** The gradient for the weights, given the losses and the norms of their gradients, [K] each. */
  const slopes = (losses: tf.Tensor1D, norms: tf.Tensor1D, start: tf.Tensor1D): tf.Tensor1D => {
    const sizes = tf.mul(weights, norms);
    const progress = tf.div(losses, start);
    const behind = tf.div(progress, tf.mean(progress));
    const target = tf.mul(tf.mean(sizes), tf.pow(behind, alpha));
    return tf.mul(tf.sign(tf.sub(sizes, target)), norms);
  };

  return {
    step: (optimizer, functions, { variables, returnLosses = false } = {}) => {
      const each = ofTasks(names, functions, "step(optimizer, tasks)", true);
      const losses = tf.tidy(() => {
        const runs = each.map(([name, run]) =>
          tf.variableGrads(() => scalarLoss(run(), name, "step(optimizer, tasks)"), variables && [...variables]),
        );
        const values = tf.stack(runs.map(({ value }) => value)) as tf.Tensor1D;
        if (isHostBackend()) positive(names, numbersOf(names, values.dataSync()), "step(optimizer, tasks)");
        const norms = tf.stack(runs.map(({ grads }, i) => normOf(grads, shared, names[i]))) as tf.Tensor1D;
        initial ??= tf.keep(tf.clone(values));
        const ofWeights = slopes(values, norms, initial);
        optimizer.applyGradients(
          weighedSum(
            runs.map(({ grads }) => grads),
            tf.unstack(weights),
          ),
        );
        trainer.applyGradients({ [weights.name]: ofWeights });
        const above = tf.maximum(weights, leastWeight);
        weights.assign(tf.mul(above, tf.div(names.length, tf.sum(above))) as tf.Tensor1D);
        return returnLosses ? runs.map(({ value }) => value) : [];
      });
      if (!returnLosses) return null;
      return Object.fromEntries(names.map((name, i) => [name, losses[i]])) as Record<Name, tf.Scalar>;
    },
    combine: (losses) =>
      tf.tidy(() => {
        const constants = tf.unstack(weights);
        const found = ofTasks(names, losses, "combine(losses)", false);
        return tf.addN(
          found.map(([name, loss]) =>
            tf.mul(scalarLoss(loss, name, "combine(losses)"), constants[names.indexOf(name)]),
          ),
        );
      }),
    weights: async () => numbersOf(names, await weights.data()),
    state: async () => ({
      weights: numbersOf(names, await weights.data()),
      initial: initial === null ? null : numbersOf(names, await initial.data()),
    }),
    restore: (state) => {
      const [next, start] = [
        positive(names, state?.weights, "restore(state)"),
        state.initial === null ? null : positive(names, state.initial, "restore(state)"),
      ];
      initial?.dispose();
      initial = start === null ? null : tf.keep(tf.tensor1d([...start]));
      tf.tidy(() => weights.assign(tf.tensor1d([...next])));
    },
    dispose: () => {
      initial?.dispose();
      initial = null;
      own?.dispose();
      if (!weights.isDisposed) weights.dispose();
    },
  };
}

const leastWeight = 1e-6;

function readShared(shared: GradNormOptions["shared"]): ReadonlySet<string> {
  if (
    !Array.isArray(shared) ||
    shared.length === 0 ||
    !shared.every((variable) => typeof variable?.name === "string")
  ) {
    throw new LossError(
      "gradNorm({ shared })",
      `got ${Array.isArray(shared) ? `[${shared.join(", ")}]` : String(shared)}`,
      "Give the variables that all tasks share: layer.trainableWeights",
    );
  }
  return new Set(shared.map(({ name }) => name));
}

/** A number above 0 for each task, in their order. */
function positive<Name extends string>(
  names: readonly Name[],
  numbers: Readonly<Record<Name, number>>,
  where: string,
): readonly number[] {
  return ofTasks(names, numbers, where, true).map(([name, x]) =>
    finite(x, `${where}, "${name}"`, { lowest: Number.MIN_VALUE }),
  );
}

/** ‖∇L‖ over the shared weights. */
function normOf(grads: tf.NamedTensorMap, shared: ReadonlySet<string>, task: string): tf.Scalar {
  const own = Object.entries(grads).flatMap(([name, gradient]) => (shared.has(name) ? [gradient] : []));
  if (own.length === 0) {
    throw new LossError(
      "step(optimizer, tasks)",
      `"${task}" has no gradient for any of the shared weights`,
      "Share weights that every task goes through, and train them: they are among the variables of the step",
    );
  }
  return tf.sqrt(tf.addN(own.map((gradient) => tf.sum(tf.square(gradient)) as tf.Scalar)));
}

/** Σ weight · gradient, for each variable that any task reaches. */
function weighedSum(grads: readonly tf.NamedTensorMap[], weights: readonly tf.Tensor[]): tf.NamedTensorMap {
  const names = new Set(grads.flatMap((own) => Object.keys(own)));
  return Object.fromEntries(
    [...names].map((name) => {
      const parts = grads.flatMap((own, i) => (name in own ? [tf.mul(own[name], weights[i])] : []));
      return [name, tf.addN(parts)];
    }),
  );
}
