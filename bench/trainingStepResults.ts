/** What was measured of whole training steps, and its tables. */
import type { ModelSizes } from "../examples/model/languageModel.ts";
import type { Interleaved } from "./interleaved.ts";
import type { Machine } from "./machine.ts";
import { grouped, type TitledTable, threeDigits } from "./tables.ts";

/** A model and its batches. */
export interface TrainingShape extends ModelSizes {
  /** Windows in a batch. */
  readonly windows: number;
}

/** How a step is taken; the first is what ratios are to. */
export const trainingLoops = [
  "cross entropy, trainStep",
  "cross entropy, minimize",
  "tf.losses.softmaxCrossEntropy, minimize",
  "power-law decay loss, trainStep",
] as const;
export type TrainingLoop = (typeof trainingLoops)[number];

export interface TrainingStepMeasured extends TrainingShape, Pick<Interleaved<TrainingLoop>, "rounds"> {
  readonly tokensPerSecond: Readonly<Record<TrainingLoop, number>>;
  /** How many times as long as the first, the median of the rounds. */
  readonly ratios: Readonly<Record<TrainingLoop, number>>;
}

export interface TrainingStepResults {
  readonly machine: Machine;
  readonly shapes: readonly TrainingStepMeasured[];
}

export function trainingStepTable(measured: TrainingStepMeasured): TitledTable {
  const { vocabulary, width, blocks, windows, window, rounds, tokensPerSecond, ratios } = measured;
  return {
    title:
      `wasm, a training step on ${windows} windows of ${window} tokens, vocabulary ${grouped(vocabulary)}, width ${width}, ` +
      `${blocks === 1 ? "one block" : `${blocks} blocks`}: ${rounds} rounds`,
    table: {
      header: ["loop", "tokens a second", "time over the first's"],
      rows: trainingLoops.map((loop) => [loop, threeDigits(tokensPerSecond[loop]), ratios[loop].toFixed(2)]),
    },
  };
}
