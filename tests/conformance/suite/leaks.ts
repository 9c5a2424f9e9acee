/** Many steps of each feature leave as many tensors and bytes behind as a few do, and nothing after `dispose`. */
import * as tf from "@tensorflow/tfjs";
import { features } from "../../support/features.ts";
import { type PartResult, Tally } from "./tally.ts";

/** Which features are run: from the first, one of so many. */
export interface FeatureShare {
  readonly first: number;
  readonly oneOf: number;
}

export async function leaks(
  steps: number,
  { first, oneOf }: FeatureShare,
  progress: (share: number) => void,
): Promise<PartResult> {
  const tally = new Tally();
  const entries = Object.entries(features).filter((_, i) => i % oneOf === first);
  for (const [i, [name, make]] of entries.entries()) {
    await tally.attempt(name, async () => {
      const before = tf.memory();
      const { step, free } = make();
      const warmUp = Math.min(10, steps / 2);
      for (let t = 1; t <= warmUp; t++) step(t);
      const early = tf.memory();
      for (let t = warmUp + 1; t <= steps; t++) step(t);
      const late = tf.memory();
      for (const count of ["numTensors", "numDataBuffers", "numBytes"] as const) {
        tally.check(late[count] === early[count], () => {
          return `${name}: ${count} is ${early[count]} after ${warmUp} steps and ${late[count]} after ${steps}`;
        });
      }
      free();
      const { numTensors } = tf.memory();
      tally.check(
        numTensors === before.numTensors,
        () => `${name}: ${numTensors - before.numTensors} tensors are left`,
      );
    });
    progress((i + 1) / entries.length);
  }
  return tally.result("leaks");
}
