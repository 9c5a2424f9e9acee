/** Cross entropy with more and more composed onto it, to see what composition costs. */
import {
  compile,
  confidencePenalty,
  crossEntropy,
  explain,
  type Frequencies,
  focal,
  freqWeights,
  fromCounts,
  ignoreIndex,
  labelSmoothing,
  linear,
  pipe,
  powerLaw,
  ramp,
  zLoss,
} from "lossmith";
import type { HostBatch, Shape } from "./batches.ts";
import type { Form } from "./forms.ts";

/** The names of the compositions, as tables show them. */
export const compositionNames = ["plain", "two", "four", "eight", "eightAtOneStep"] as const;
export type CompositionName = (typeof compositionNames)[number];

/** The shapes at which compositions are measured. */
export const compositionShapes: readonly Shape[] = [
  { rows: 128, classes: 50_257 },
  { rows: 1024, classes: 8192 },
];

/** What is composed onto cross entropy, in words. */
export const compositionParts: Readonly<Record<CompositionName, string>> = {
  plain: "nothing",
  two: "2: freqWeights, powerLaw",
  four: "4: and labelSmoothing, ignoreIndex",
  eight: "8: and ramp with a schedule, focal, zLoss, confidencePenalty",
  eightAtOneStep: "8, without a new step in each call",
};

/** Counts as Zipf has them. */
function zipf(classes: number): Frequencies {
  return fromCounts(Array.from({ length: classes }, (_, rank) => Math.ceil(1e6 / (rank + 1))));
}

/** The compositions for one batch. */
export interface Compositions {
  readonly forms: Readonly<Record<CompositionName, Form>>;
  /** Frees the tables of weights. */
  readonly dispose: () => void;
}

/**
 * The compositions for the labels of a batch. labelSmoothing comes before focal: focal then scales the smoothed loss of
 * a row, while the other order smooths over the focal losses of all classes, which needs ordinary ops over [N, V].
 *
 * @throws Error where a composition reads the logits otherwise than plain cross entropy does.
 */
export function compositionsOf({ shape, labels }: HostBatch): Compositions {
  const { rows, classes } = shape;
  const frequencies = zipf(classes);
  const two = pipe(crossEntropy, freqWeights(frequencies), powerLaw(0.5));
  const four = pipe(two, labelSmoothing(0.1), ignoreIndex(-100));
  const eight = pipe(
    two,
    ramp(linear({ init: 0, end: 1, steps: 1_000_000 })),
    labelSmoothing(0.1),
    focal({ gamma: 2 }),
    zLoss(1e-4),
    confidencePenalty(0.1),
    ignoreIndex(-100),
  );
  for (const loss of [two, four, eight]) checkFused(explain(loss));
  const compiled = { plain: compile(crossEntropy), two: compile(two), four: compile(four), eight: compile(eight) };
  // Of their own, so that a step of one does not make the other's table anew.
  const atOneStep = compile(eight);
  const mask = Uint8Array.from({ length: rows }, (_, row) => (row % 16 === 0 ? 0 : 1));
  const sampleWeight = Float32Array.from({ length: rows }, (_, row) => 1 + (row % 3));
  let step = 0;
  return {
    forms: {
      plain: (logits) => compiled.plain({ logits, labels }),
      two: (logits) => compiled.two({ logits, labels }),
      four: (logits) => compiled.four({ logits, labels }),
      eight: (logits) => compiled.eight({ logits, labels, mask, sampleWeight, step: step++ }),
      eightAtOneStep: (logits) => atOneStep({ logits, labels, mask, sampleWeight, step: 1 }),
    },
    dispose: () => {
      for (const loss of [...Object.values(compiled), atOneStep]) loss.dispose();
    },
  };
}

function checkFused(explanation: string): void {
  const readings = (text: string): string | undefined => text.match(/row statistics: .*/)?.[0];
  if (explanation.includes("ordinary ops over [N, V]") || readings(explanation) !== readings(explain(crossEntropy))) {
    throw new Error(`This composition is not fused as cross entropy is:\n${explanation}`);
  }
}
