/**
 * One step of an optimizer, the same in every loop here: value and gradient in one pass, one read of the device, a guard
 * against what is not finite, clipping, the update, and the clock.
 */
import * as tf from "@tensorflow/tfjs";
import { LossError } from "../loss/error.ts";
import { at, lift, type Numeric } from "../loss/schedule.ts";
import { knownVariables } from "./checkpoint/optimizerState.ts";
import { clipByGlobalNorm, globalNorm } from "./globalNorm.ts";
import { gradientsOf, type MicroBatch } from "./gradients.ts";
import { type Head, type HeadReadings, parametersOfHeads, takeApart } from "./objective.ts";
import { type StepClock, stepClock } from "./stepClock.ts";

/** How steps are taken, in every kind of loop. */
export interface StepOptions {
  /** The optimizer; one of tf.train, or another tf.Optimizer. It stays the caller's. */
  readonly optimizer: tf.Optimizer;
  /** The learning rate at each step, in place of the optimizer's own. */
  readonly learningRate?: Numeric;
  /** The largest norm of all gradients together, above 0; longer ones are scaled down to it. None by default. */
  readonly clipNorm?: Numeric;
  /**
   * How many steps in a row may be skipped because the loss or a gradient is not finite; the next one is a LossError. 10 by
   * default, and 0 makes the first an error. A skipped step changes neither weights, the moving averages of batch normalisation among them,
   * nor optimizer.
   */
  readonly maxSkips?: number;
  /** Called with each step that is skipped, and why. */
  readonly onSkip?: (step: number, reason: string) => void;
  /** The clock that scheduled parameters read; one of its own by default. */
  readonly clock?: StepClock;
}

/** What one step did. */
export interface Taken {
  readonly step: number;
  readonly loss: number;
  readonly penalty: number;
  readonly gradientNorm: number;
  /** Why the step was skipped; null where it was taken. */
  readonly skipped: string | null;
  readonly heads: readonly HeadReadings[];
}

/** Takes steps. */
export interface Stepper {
  readonly clock: StepClock;
  take(micro: readonly MicroBatch[]): Promise<Taken>;
}

/** `variables` gives the model's variables, or null for all that are trainable. The losses' own are trained in any case. */
export function makeStepper(
  heads: readonly Head[],
  variables: () => readonly tf.Variable[] | null,
  options: StepOptions,
  where: string,
): Stepper {
  const { optimizer, learningRate, clipNorm, maxSkips = 10, onSkip, clock = stepClock() } = options;
  checkOptions(options, where);
  const parameters = parametersOfHeads(heads);
  let places: readonly string[] = [];
  let skips = 0;

  const apply = (gradients: Readonly<Record<string, tf.Tensor>>, given: readonly tf.Variable[] | null): void => {
    // Optimizers keep what they know of a variable by its place in the list of gradients, whatever its name: a variable
    // that comes later, or a state that was loaded, must not move the others.
    const known = knownVariables(optimizer);
    if (known.some((name) => name in tf.engine().registeredVariables)) places = known;
    const names = given === null ? Object.keys(gradients) : given.map(({ name }) => name);
    places = [...new Set([...places, ...names])];
    const list = places.map((name) => ({ name, tensor: gradients[name] ?? null }));
    optimizer.applyGradients(list as Parameters<tf.Optimizer["applyGradients"]>[0]);
  };

  return {
    clock,
    take: async (micro) => {
      const { step } = clock;
      if (learningRate !== undefined) setLearningRate(optimizer, at(learningRate, step));
      const given = variables();
      const all = given === null ? null : [...new Set([...given, ...parameters])];
      const kept = untrained(optimizer);
      let isApplied = false;
      let gradients: Readonly<Record<string, tf.Tensor>> = {};
      let readings: tf.Tensor1D | null = null;
      try {
        try {
          ({ gradients, readings } = gradientsOf(heads, micro, all, step));
        } finally {
          kept.look();
        }
        const packed = tf.tidy(() =>
          tf.concat([readings as tf.Tensor1D, globalNorm(Object.values(gradients)).reshape([1])]),
        );
        let read: Float32Array;
        try {
          read = (await packed.data()) as Float32Array;
        } finally {
          packed.dispose();
        }
        const [penalty, loss, gradientNorm] = read.subarray(read.length - 3);
        const skipped = reasonToSkip(loss, gradientNorm);
        if (skipped === null) {
          skips = 0;
          const limit = clipNorm === undefined ? Number.POSITIVE_INFINITY : at(clipNorm, step);
          if (!(limit > 0))
            throw new LossError(`${where}, clipNorm`, `it is ${limit} at step ${step}`, "Give a number above 0");
          isApplied = true;
          kept.dispose();
          tf.tidy(() =>
            apply(gradientNorm > limit ? clipByGlobalNorm(gradients, gradientNorm, limit) : gradients, all),
          );
        } else {
          skips++;
          onSkip?.(step, skipped);
          if (skips > maxSkips) {
            throw new LossError(
              where,
              `${skipped} at step ${step}${skips > 1 ? `, the last of ${skips} such steps in a row` : ""}`,
              "Lower the learning rate, give { clipNorm }, or look at the batch",
            );
          }
        }
        clock.advance();
        return { step, loss, penalty, gradientNorm, skipped, heads: takeApart(heads, read) };
      } finally {
        if (!isApplied) kept.putBack();
        readings?.dispose();
        tf.dispose(Object.values(gradients));
      }
    },
  };
}

/** Whether a variable's data are on the current backend. */
function isHere({ dataId }: tf.Variable): boolean {
  const known = tf.engine().state.tensorInfo.get(dataId) as { readonly backend: unknown } | undefined;
  return known?.backend === tf.backend();
}

/**
 * The variables that are no optimizer's to change, and that a model changes while it runs: the moving averages of batch
 * normalisation, which a batch with a NaN would spoil for good.
 */
function untrained(optimizer: tf.Optimizer): {
  /** Sees what the model has changed; to be called when it has run. */
  readonly look: () => void;
  readonly putBack: () => void;
  readonly dispose: () => void;
} {
  const own = new Set<unknown>(
    Object.values(optimizer).flatMap((value) =>
      Array.isArray(value) ? value.map((slot: { readonly variable?: unknown } | undefined) => slot?.variable) : [value],
    ),
  );
  // A reshape shares what it is of on every backend; on wasm a clone may be a copy.
  const before = Object.values(tf.engine().registeredVariables)
    // Those of another backend are of another model, and to touch them would move them here.
    .filter((variable) => !variable.trainable && !own.has(variable) && isHere(variable))
    .map((variable) => ({ variable, data: variable.dataId, value: tf.keep(tf.reshape(variable, variable.shape)) }));
  let changed: readonly { readonly variable: tf.Variable; readonly to: object; readonly value: tf.Tensor }[] = [];
  const dispose = (): void => tf.dispose(changed.map(({ value }) => value));
  return {
    look: () => {
      // What others change later, while the device is waited for, is theirs.
      const isChanged = ({ variable, data }: (typeof before)[number]): boolean => variable.dataId !== data;
      tf.dispose(before.filter((one) => !isChanged(one)).map(({ value }) => value));
      changed = before.filter(isChanged).map(({ variable, value }) => ({ variable, to: variable.dataId, value }));
    },
    dispose,
    putBack: () => {
      for (const { variable, to, value } of changed) {
        if (!variable.isDisposed && variable.dataId === to) variable.assign(value);
      }
      dispose();
    },
  };
}

function reasonToSkip(loss: number, gradientNorm: number): string | null {
  if (!Number.isFinite(loss)) return `the loss is ${loss}`;
  if (!Number.isFinite(gradientNorm)) return `the norm of the gradient is ${gradientNorm}`;
  return null;
}

function checkOptions(
  { optimizer, learningRate, clipNorm, maxSkips = 0, onSkip, clock }: StepOptions,
  where: string,
): void {
  if (!(optimizer instanceof tf.Optimizer)) {
    throw new LossError(
      `${where}, optimizer`,
      `got ${String(optimizer)}`,
      "Give one of tf.train, such as tf.train.adam(1e-3)",
    );
  }
  if (learningRate !== undefined) lift(learningRate, `${where}, learningRate`);
  if (clipNorm !== undefined) {
    lift(clipNorm, `${where}, clipNorm`);
    if (typeof clipNorm === "number" && clipNorm <= 0) {
      throw new LossError(`${where}, clipNorm`, `got ${clipNorm}`, "Give a number above 0");
    }
  }
  if (!(maxSkips === Number.POSITIVE_INFINITY || (Number.isInteger(maxSkips) && maxSkips >= 0))) {
    throw new LossError(
      `${where}, maxSkips`,
      `got ${String(maxSkips)}`,
      "Give a whole number of at least 0, or Infinity",
    );
  }
  if (onSkip !== undefined && typeof onSkip !== "function") {
    throw new LossError(`${where}, onSkip`, `got ${String(onSkip)}`, "Give a function of the step and the reason");
  }
  if (clock !== undefined && typeof clock.advance !== "function") {
    throw new LossError(`${where}, clock`, `got ${String(clock)}`, "Give one from stepClock()");
  }
}

function setLearningRate(optimizer: tf.Optimizer, rate: number): void {
  // tf.train.sgd and momentum keep the rate in a tensor, the others in a field that every step reads.
  if ("setLearningRate" in optimizer) (optimizer as tf.SGDOptimizer).setLearningRate(rate);
  else Object.assign(optimizer, { learningRate: rate });
}
