import * as tf from "@tensorflow/tfjs";
import { finite } from "../../loss/schedule.ts";
import { readUncertainty, type UncertaintyOptions } from "../../loss/uncertainty.ts";
import { numbersOf, ofTasks, readTasks, scalarLoss } from "./tasks.ts";

/** A sum of several losses whose weights are trained. */
export interface UncertaintyWeighting<Name extends string = string> {
  /** The log variance of each task, a variable that optimizers find by themselves. */
  readonly variables: ReadonlyMap<Name, tf.Variable<tf.Rank.R0>>;
  /**
   * Σ over the tasks of ½ e^−s L + s / 2, or e^−s L + s / 2, differentiable with respect to the losses and the log variances. A
   * step may have some of the tasks alone.
   */
  combine(losses: Readonly<Partial<Record<Name, tf.Tensor>>>): tf.Scalar;
  /** The log variances as plain data, for a checkpoint. Waits for the device. */
  state(): Promise<Readonly<Record<Name, number>>>;
  /** Takes the log variances of a checkpoint. */
  restore(state: Readonly<Record<Name, number>>): void;
  /** Frees the variables. */
  dispose(): void;
}

/**
 * Kendall's weighting by uncertainty for tasks that have batches or outputs of their own: it adds the values of several
 * compiled losses. For terms of one batch there is the combinator `uncertainty`.
 *
 * Formula: Σ ½ e^−s L + s / 2, with L the reduced loss of a task and s its log variance; e^−s L + s / 2 for a task of the form
 * "classification". For a fixed L it settles at s = log L, or log 2L.
 *
 * @param tasks the names of the tasks, or the options of each by its name.
 * @throws LossError for names that are empty or there twice, an initial value that is not finite and another form; in
 * `combine` for a task that is not there and a loss that is not one float32 number.
 *
 * Source: Kendall, Gal and Cipolla, arXiv 1705.07115.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { compile, crossEntropy, meanSquaredError } from "lossmith";
 * import { uncertaintyWeighting } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const [depth, label] = [compile(meanSquaredError), compile(crossEntropy)];
 * const weighting = uncertaintyWeighting({ depth: {}, label: { form: "classification" } });
 * const model = tf.variable(tf.tensor2d([[1, 2]]));
 * const step = () =>
 *   weighting.combine({
 *     depth: depth({ predictions: model, targets: [[0, 0]] }),
 *     label: label({ logits: model, labels: [0] }),
 *   });
 * const before = step().dataSync()[0];
 * const optimizer = tf.train.sgd(0.1);
 * for (let i = 0; i < 5; i++) optimizer.minimize(step);
 * expect(step().dataSync()[0]).toBeLessThan(before);
 * expect((await weighting.state()).depth).not.toBe(0);
 * weighting.dispose();
 * ```
 */
export function uncertaintyWeighting<const Name extends string>(
  tasks: readonly Name[] | Readonly<Record<Name, UncertaintyOptions>>,
): UncertaintyWeighting<Name> {
  const where = "uncertaintyWeighting(tasks)";
  const isList = Array.isArray(tasks) || typeof tasks !== "object" || tasks === null;
  const names = readTasks(isList ? (tasks as readonly Name[]) : (Object.keys(tasks) as Name[]), where);
  const options = new Map(
    names.map((name) => {
      const own = isList ? {} : (tasks as Readonly<Record<Name, UncertaintyOptions>>)[name];
      return [name, readUncertainty(own, `${where}, "${name}"`)] as const;
    }),
  );
  const variables = new Map(
    [...options].map(([name, { init }]) => [name, tf.tidy(() => tf.variable(tf.scalar(init)))] as const),
  );
  const of = (name: Name): tf.Variable<tf.Rank.R0> => variables.get(name) as tf.Variable<tf.Rank.R0>;
  return {
    variables,
    combine: (losses) =>
      tf.tidy(() => {
        const parts = ofTasks(names, losses, "combine(losses)", false).map(([name, given]) => {
          const [loss, s] = [scalarLoss(given, name, "combine(losses)"), of(name)];
          const precision = tf.mul(tf.exp(tf.neg(s)), options.get(name)?.share ?? 1);
          return tf.add<tf.Scalar>(tf.mul(precision, loss), tf.mul(s, 0.5));
        });
        return tf.addN(parts);
      }),
    state: async () => {
      const values = await Promise.all(names.map((name) => of(name).data()));
      return numbersOf(
        names,
        values.map(([value]) => value),
      );
    },
    restore: (state) => {
      const values = ofTasks(names, state, "restore(state)", true);
      for (const [name, value] of values) finite(value, `restore(state), "${name}"`);
      for (const [name, value] of values) tf.tidy(() => of(name).assign(tf.scalar(value)));
    },
    dispose: () => {
      for (const variable of variables.values()) if (!variable.isDisposed) variable.dispose();
    },
  };
}
