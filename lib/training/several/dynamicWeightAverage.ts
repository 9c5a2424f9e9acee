import * as tf from "@tensorflow/tfjs";
import { LossError } from "../../loss/error.ts";
import { finite } from "../../loss/schedule.ts";
import { numbersOf, ofTasks, readTasks, scalarLoss } from "./tasks.ts";

/** Options of `dynamicWeightAverage`. */
export interface DynamicWeightAverageOptions {
  /** How even the weights are, above 0: the larger, the nearer to 1; 2 by default. */
  readonly temperature?: number;
}

/** What a checkpoint at the end of an epoch has. */
export interface DynamicWeightAverageState<Name extends string = string> {
  /** The mean losses of the latest epochs, at most two, the older first. */
  readonly means: readonly Readonly<Record<Name, number>>[];
}

/** Weights of several losses that follow how fast each falls. */
export interface DynamicWeightAverage<Name extends string = string> {
  /** The weights of this epoch, which sum to the number of tasks. */
  readonly weights: Readonly<Record<Name, number>>;
  /** Σ over the tasks of weight · L, differentiable with respect to the losses. A step may have some of the tasks alone. */
  combine(losses: Readonly<Partial<Record<Name, tf.Tensor>>>): tf.Scalar;
  /** Counts the losses of a step into the means of this epoch: tensors, which are not waited for, or numbers. */
  record(losses: Readonly<Partial<Record<Name, tf.Tensor | number>>>): void;
  /** Ends the epoch: reads its means, and gives the weights of the next. */
  endEpoch(): Promise<Readonly<Record<Name, number>>>;
  /** The means that the weights come from, as plain data. What was recorded since the last epoch's end is not in it. */
  state(): DynamicWeightAverageState<Name>;
  /** Takes the means of a checkpoint. */
  restore(state: DynamicWeightAverageState<Name>): void;
  /** Frees what was recorded. */
  dispose(): void;
}

/**
 * Dynamic weight averaging: a loss that fell less than the others from one epoch to the next counts for more.
 *
 * Formula, for K tasks in epoch t: w_k = K exp(r_k / T) / Σ_i exp(r_i / T) with r_k = L_k(t − 1) / L_k(t − 2), the ratio of the
 * mean losses of the two epochs before, and T the temperature; 1 in the first two epochs.
 *
 * @param tasks the names of the tasks.
 * @throws LossError for names that are empty or there twice and a temperature that is not above 0; in `endEpoch` for a task
 * without a loss in the epoch, and for a mean that is not above 0 or not finite, of which there is no ratio.
 *
 * Source: Liu, Johns and Davison, arXiv 1803.10704 (T = 2), equation 7.
 *
 * @example
 * ```ts
 * import * as tf from "@tensorflow/tfjs";
 * import { dynamicWeightAverage } from "lossmith/training";
 * import { expect } from "expect";
 *
 * const dwa = dynamicWeightAverage(["depth", "labels"]);
 * const model = tf.variable(tf.scalar(1));
 * const optimizer = tf.train.sgd(0.01);
 * for (let epoch = 0; epoch < 3; epoch++) {
 *   optimizer.minimize(() => {
 *     const losses = { depth: tf.square(model), labels: tf.exp(model) };
 *     dwa.record(losses);
 *     return dwa.combine(losses);
 *   });
 *   await dwa.endEpoch();
 * }
 * // The exponential falls more slowly.
 * expect(dwa.weights.labels).toBeGreaterThan(dwa.weights.depth);
 * dwa.dispose();
 * ```
 */
export function dynamicWeightAverage<const Name extends string>(
  tasks: readonly Name[],
  options: DynamicWeightAverageOptions = {},
): DynamicWeightAverage<Name> {
  const names = readTasks(tasks, "dynamicWeightAverage(tasks)");
  const temperature = finite(options?.temperature ?? 2, "dynamicWeightAverage({ temperature })", {
    lowest: Number.MIN_VALUE,
  });
  let means: readonly Readonly<Record<Name, number>>[] = [];
  let weights = weightsOf(names, means, temperature);
  let sums: tf.Tensor1D | null = null;
  let counts = new Map<Name, number>();
  const forget = (): void => {
    sums?.dispose();
    sums = null;
    counts = new Map();
  };
  return {
    get weights() {
      return weights;
    },
    combine: (losses) =>
      tf.tidy(() => {
        const found = ofTasks(names, losses, "combine(losses)", false);
        return tf.addN(found.map(([name, loss]) => tf.mul(scalarLoss(loss, name, "combine(losses)"), weights[name])));
      }),
    record: (losses) => {
      const found = new Map(ofTasks<Name, tf.Tensor | number>(names, losses, "record(losses)", false));
      const before = sums;
      sums = tf.tidy(() => {
        const each = names.map((name) => {
          const loss = found.get(name) ?? 0;
          if (typeof loss === "number") return tf.scalar(finite(loss, `record(losses), "${name}"`));
          return scalarLoss(loss, name, "record(losses)");
        });
        const stacked = tf.stack(each) as tf.Tensor1D;
        return tf.keep(before === null ? stacked : tf.add<tf.Tensor1D>(before, stacked));
      });
      before?.dispose();
      for (const name of found.keys()) counts.set(name, (counts.get(name) ?? 0) + 1);
    },
    endEpoch: async () => {
      const missing = names.find((name) => !counts.has(name));
      if (sums === null || missing !== undefined) {
        throw new LossError("endEpoch()", `no loss of "${missing}" was recorded`, "Call record in each step");
      }
      const [ended, of] = [sums, counts];
      // What is recorded while the device is waited for is of the next epoch.
      sums = null;
      counts = new Map();
      const values = await ended.data();
      ended.dispose();
      const latest = numbersOf(
        names,
        names.map((name, i) => values[i] / (of.get(name) ?? 1)),
      );
      checkMeans(names, latest, "endEpoch()");
      means = [...means, latest].slice(-2);
      weights = weightsOf(names, means, temperature);
      return weights;
    },
    state: () => ({ means }),
    restore: (state) => {
      if (!Array.isArray(state?.means) || state.means.length > 2) {
        throw new LossError("restore(state)", `got ${JSON.stringify(state)}`, "Give what state() gave");
      }
      for (const epoch of state.means) {
        ofTasks(names, epoch, "restore(state)", true);
        checkMeans(names, epoch, "restore(state)");
      }
      forget();
      means = state.means.map((epoch) => ({ ...epoch }));
      weights = weightsOf(names, means, temperature);
    },
    dispose: forget,
  };
}

function checkMeans<Name extends string>(
  names: readonly Name[],
  means: Readonly<Record<Name, number>>,
  where: string,
): void {
  const wrong = names.find((name) => !(means[name] > 0 && means[name] < Number.POSITIVE_INFINITY));
  if (wrong === undefined) return;
  throw new LossError(
    where,
    `the mean loss of "${wrong}" is ${means[wrong]}, of which there is no ratio`,
    "Weigh losses that are above 0 and finite",
  );
}

function weightsOf<Name extends string>(
  names: readonly Name[],
  means: readonly Readonly<Record<Name, number>>[],
  temperature: number,
): Readonly<Record<Name, number>> {
  const [before, latest] = means;
  if (latest === undefined) return numbersOf(names, new Array(names.length).fill(1));
  const scores = names.map((name) => latest[name] / before[name] / temperature);
  const highest = scores.reduce((a, b) => Math.max(a, b));
  const shares = scores.map((score) => Math.exp(score - highest));
  const total = shares.reduce((a, b) => a + b, 0);
  return numbersOf(
    names,
    shares.map((share) => (names.length * share) / total),
  );
}
