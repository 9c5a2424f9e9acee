import { LossError } from "../loss/error.ts";
import { nonNegativeNumbers, wholeNumber } from "../loss/numbers.ts";
import { at, lift, type Numeric } from "../loss/schedule.ts";

/** Options of `movingAverage`. */
export interface MovingAverageOptions {
  /** The share of the average before in each new one, from 0 to 1. A schedule is one over the updates. */
  readonly decay: Numeric;
  /** How many updates there were before, for a run that is resumed: a whole number, 0 by default. */
  readonly updates?: number;
}

/** Weights that are updated while training, as an exponential moving average. */
export interface MovingAverage {
  readonly kind: "moving average";
  /** How many updates there were. */
  readonly version: number;
  /** The options that it was made with. */
  readonly options: Omit<MovingAverageOptions, "updates">;
  /** The weights as they are now, which later updates do not reach. */
  weights(): Float64Array;
  /** weights ← decay · weights + (1 − decay) · latest. */
  update(latest: ArrayLike<number>): void;
}

/**
 * The exponential moving average of weights that change while training, such as one minus each class's accuracy, for
 * `classWeights`: each update makes decay · w + (1 − decay) · w′ of the weights w and the latest, w′. A loss sees
 * the weights as they are when it is called: update them between steps, or first in one. `lossToJSON` writes such a loss
 * with their state.
 *
 * @param start the weights to start from, one finite number of at least 0 for each of the V classes.
 * @throws LossError where the decay is outside [0, 1] or updates is no whole number, and for weights that are negative or not finite, or of another
 * number of classes.
 *
 * @example
 * ```ts
 * import { classWeights, crossEntropy, evaluate, movingAverage, pipe, sum } from "lossmith";
 * import { expect } from "expect";
 *
 * const difficulty = movingAverage([1, 1], { decay: 0.75 });
 * const loss = pipe(crossEntropy, classWeights(difficulty), sum);
 * difficulty.update([3, 1]);
 * expect(evaluate(loss, { logits: [[0, 0]], labels: [0] })).toBeCloseTo(1.5 * Math.log(2), 12);
 * ```
 */
export function movingAverage(start: ArrayLike<number>, options: MovingAverageOptions): MovingAverage {
  let weights = nonNegativeNumbers(start, "movingAverage(start)", "weight");
  const kept = lift(options?.decay, "movingAverage({ decay })", { lowest: 0, highest: 1 });
  let version = wholeNumber(options.updates ?? 0, "movingAverage({ updates })");
  return {
    kind: "moving average",
    options: { decay: options.decay },
    get version() {
      return version;
    },
    weights: () => weights.slice(),
    update: (given) => {
      const latest = nonNegativeNumbers(given, "update(latest)", "weight");
      if (latest.length !== weights.length) {
        throw new LossError(
          "update(latest)",
          `${latest.length} weights for ${weights.length} classes`,
          "Give one weight for each class",
        );
      }
      const decay = at(kept, version);
      // A new array each time: what has read the old one may keep it.
      weights = weights.map((weight, id) => decay * weight + (1 - decay) * latest[id]);
      version++;
    },
  };
}
