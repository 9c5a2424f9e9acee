import * as tf from "@tensorflow/tfjs";
import { type Head, prefixes, scheduledValues } from "./objective.ts";
import type { Taken } from "./stepper.ts";
import { tallyOf } from "./tally.ts";

/** The logs of one step. */
export function stepLogs(heads: readonly Head[]): (taken: Taken) => Promise<Record<string, number>> {
  const parameterLogs = parameterValues(heads);
  return async (taken) => {
    const { step, penalty, loss, gradientNorm } = taken;
    const tally = tallyOf(heads);
    tally.add(taken.heads, penalty, step);
    return { ...tally.logs(), loss, gradientNorm, ...(await parameterLogs(step)) };
  };
}

/** The values of scheduled parameters at a step, and of trained ones now, by name. */
export function parameterValues(heads: readonly Head[]): (step: number) => Promise<Record<string, number>> {
  const scheduled = scheduledValues(heads);
  const prefixed = prefixes(heads);
  const trained = heads.flatMap(({ compiled }, i) =>
    [...compiled.variables].map(([name, variable]) => ({ name: prefixed[i] + name, variable })),
  );
  return async (step) => {
    if (trained.length === 0) return scheduled(step);
    const packed = tf.tidy(() => tf.stack(trained.map(({ variable }) => variable)));
    try {
      const values = await packed.data();
      return { ...scheduled(step), ...Object.fromEntries(trained.map(({ name }, i) => [name, values[i]])) };
    } finally {
      packed.dispose();
    }
  };
}
