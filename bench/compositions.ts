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
  labelSmoothing,
  linear,
  pipe,
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

/** What is composed onto cross entropy, in words; each line has all that the one before it has. */
export const compositionParts: Readonly<Record<CompositionName, string>> = {
  plain: "nothing",
  two: "2: weights, smoothing",
  four: "4: and focal, z-loss",
  eight: "8: and confidence penalty, mask, sample weights, schedule",
  eightAtOneStep: "8, without a new step in each call",
};

/** Counts as Zipf has them. */
function zipf(classes: number): Frequencies {
  return fromCounts(Array.from({ length: classes }, (_, rank) => Math.ceil(1e6 / (rank + 1))));
}

/** A composition, ready to be called. */
export interface Composition {
  readonly form: Form;
  readonly explanation: string;
}

/** The compositions for one batch. */
export interface Compositions {
  readonly of: Readonly<Record<CompositionName, Composition>>;
  /** Frees the tables of weights. */
  readonly dispose: () => void;
}

/**
 * The compositions for the labels of a batch. labelSmoothing comes before focal: focal then scales the smoothed loss of
 * a row, while the other order smooths over the focal losses of all classes, which needs ordinary ops over [N, V]. The
 * schedule is that of a law: a new step makes a new table of weights.
 *
 * @throws Error where a composition is not read by the same kernel as plain cross entropy.
 */
export function compositionsOf({ shape, labels }: HostBatch): Compositions {
  const { rows, classes } = shape;
  const two = pipe(crossEntropy, freqWeights(zipf(classes)), labelSmoothing(0.1));
  const four = pipe(two, focal({ gamma: 2 }), zLoss(1e-4));
  // The mask and the sample weights, the sixth and the seventh, come with the batch.
  const eight = pipe(four, confidencePenalty(0.1), ramp(linear({ init: 0, end: 1, steps: 1_000_000 })));
  const explanations = { plain: explain(crossEntropy), two: explain(two), four: explain(four), eight: explain(eight) };
  for (const explanation of Object.values(explanations)) checkFused(explanation, readBy(explanations.plain));
  const compiled = { plain: compile(crossEntropy), two: compile(two), four: compile(four), eight: compile(eight) };
  // Of their own, so that a step of one does not make the other's table anew.
  const atOneStep = compile(eight);
  const mask = Uint8Array.from({ length: rows }, (_, row) => (row % 16 === 0 ? 0 : 1));
  const sampleWeight = Float32Array.from({ length: rows }, (_, row) => 1 + (row % 3));
  let step = 0;
  const forms: Readonly<Record<CompositionName, Form>> = {
    plain: (logits) => compiled.plain({ logits, labels }),
    two: (logits) => compiled.two({ logits, labels }),
    four: (logits) => compiled.four({ logits, labels }),
    eight: (logits) => compiled.eight({ logits, labels, mask, sampleWeight, step: step++ }),
    eightAtOneStep: (logits) => atOneStep({ logits, labels, mask, sampleWeight, step: 1 }),
  };
  const of = (name: CompositionName): Composition => ({
    form: forms[name],
    explanation: explanations[name === "eightAtOneStep" ? "eight" : name],
  });
  return {
    of: Object.fromEntries(compositionNames.map((name) => [name, of(name)])) as Record<CompositionName, Composition>,
    dispose: () => {
      for (const loss of [...Object.values(compiled), atOneStep]) loss.dispose();
    },
  };
}

/** By which kernel the rows are read; how often they are is counted, not presumed. */
function readBy(explanation: string): string | undefined {
  return explanation.match(/row statistics: (portable|fused for \w+)/)?.[1];
}

function checkFused(explanation: string, expected: string | undefined): void {
  if (explanation.includes("ordinary ops over [N, V]") || readBy(explanation) !== expected) {
    throw new Error(`This composition is not fused as cross entropy is:\n${explanation}`);
  }
}
